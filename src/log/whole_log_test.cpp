// Old formats are in golden_test.cpp: logs of real brokers, read this way too.
#include "log/whole_log.h"

#include <gtest/gtest.h>

#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::values_in;

class WholeLogTest : public testing::LogFixture {
 protected:
  protocol::Result<std::int64_t> read() {
    values_.clear();
    return read_whole_log(
        log(),
        [this](base::ByteView batches, std::int64_t next_offset) {
          for (std::string& value : values_in(batches)) values_.push_back(std::move(value));
          next_offset_ = next_offset;
        },
        100);
  }
  protocol::Result<std::int64_t> read_around_damage() {
    values_.clear();
    return read_whole_log_around_damage(
        log(),
        [this](base::ByteView batches, std::int64_t) {
          for (std::string& value : values_in(batches)) values_.push_back(std::move(value));
        },
        [this](std::int64_t from, std::int64_t to) {
          values_.push_back("damage from " + std::to_string(from) + " to " + std::to_string(to));
        },
        100);
  }
  void write(const std::string& name, std::uint64_t position, base::ByteView bytes) {
    files_.open("/data/t-0/" + name, base::OpenMode::create)->write_at(position, bytes);
  }

  std::vector<std::string> values_;
  std::int64_t next_offset_ = -1;
};

TEST_F(WholeLogTest, FromTheLogStartOverAllSegments) {
  open();
  EXPECT_EQ(*read(), 0);
  append({"a"});
  append({"b", "c"});
  log().roll();
  append({"d"});
  EXPECT_EQ(*read(), 4);
  EXPECT_EQ(values_, (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(next_offset_, 4);
  ASSERT_TRUE(log().delete_records(3));
  EXPECT_EQ(*read(), 4);
  EXPECT_EQ(values_, std::vector<std::string>{"d"});
}

// Tombstones that compaction has taken away may have been the last records before an empty segment.
TEST_F(WholeLogTest, EndsWhereNothingFollowsBelowTheLogEnd) {
  open();
  append({"a", "b"});
  log_.reset();
  write("00000000000000000100.log", 0, {});
  open({.clean_shutdown = true, .recovery_point = 100});
  ASSERT_EQ(log().log_end_offset(), 100);
  EXPECT_EQ(*read(), 100);
  EXPECT_EQ(values_, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(next_offset_, 2);
}

// For those who go on without what they held: from the next segment on, and what is appended later is in one of its own.
TEST_F(WholeLogTest, BytesThatAreNoBatchCanBePassedOver) {
  open();
  append({"a"});
  append({"b"});
  append({"c"});
  log().roll();
  append({"d"});
  append({"e"});
  const std::uint64_t second = log().read(1, 1, ReadIsolation::log_end, FirstBatch::whole)->records.position;
  const base::Bytes length_of_nothing = {0, 0, 0, 3};
  write("00000000000000000000.log", second + 8, length_of_nothing);
  write("00000000000000000003.log", 8, length_of_nothing);
  EXPECT_EQ(*read_around_damage(), 5);
  EXPECT_EQ(values_, (std::vector<std::string>{"a", "damage from 1 to 3", "damage from 3 to 5"}));
  append({"f"});
  EXPECT_EQ(*read_around_damage(), 6);
  EXPECT_EQ(values_, (std::vector<std::string>{"a", "damage from 1 to 3", "damage from 3 to 5", "f"}));
}

TEST_F(WholeLogTest, BytesThatAreNoBatchAreAnError) {
  open();
  append({"a"});
  append({"b"});
  const base::Bytes length_of_nothing = {0, 0, 0, 3};
  write("00000000000000000000.log", 8, length_of_nothing);
  const auto result = read();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error(), ErrorCode::corrupt_message);
  EXPECT_TRUE(values_.empty());
}

}  // namespace
}  // namespace storage
