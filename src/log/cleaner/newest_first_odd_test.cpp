// Base offsets aren't under a batch's checksum: dirty parts in which one reads as another, for both orders of mapping.
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "log/testing/compaction_fixture.h"

namespace storage {
namespace {

using testing::CompactionFixture;
using testing::KeyedRecord;

class NewestFirstOddTest : public CompactionFixture {
 protected:
  static constexpr const char* kFirstSegment = "/data/t-0/00000000000000000000.log";

  NewestFirstOddTest() { config_.segment_bytes = 1 << 20; }

  void put_ten(const std::string& key, const std::string& value) {
    std::vector<std::pair<std::string, std::string>> records;
    for (int i = 0; i < 10; ++i) records.emplace_back(key + std::to_string(i), value);
    put(records);
  }
  // Of the first segment's batch with that base offset.
  void rewrite_base_offset(std::int64_t from, std::int64_t to) {
    std::uint64_t position = 0;
    const base::Bytes bytes = base::read_file(files_, kFirstSegment);
    for (base::ByteView rest = bytes; protocol::read_batch_header(rest)->base_offset != from;) {
      position += protocol::next_batch(rest).size_in_bytes;
      rest = base::ByteView(bytes).subspan(position);
    }
    base::Bytes written(sizeof to);
    base::store_big_endian(written.data(), to);
    files_.open(kFirstSegment, base::OpenMode::read_write)->write_at(position, written);
  }
};

TEST_F(NewestFirstOddTest, ABatchThatReadsAsCleanBehindADirtyOneHidesNoOther) {
  for (const MapOrder order : {MapOrder::oldest_first, MapOrder::newest_first}) {
    options_.map_order = order;
    files_.remove_all("/data/t-0");
    open();
    for (int i = 0; i < 10; ++i) put_ten("old", "0");
    put_ten("a", "1");
    put_ten("b", "1");
    put_ten("c", "1");
    log().roll();
    put_ten("b", "2");
    log().roll();
    log().set_first_dirty_offset(100);
    rewrite_base_offset(110, 50);  // as large as each of its neighbours
    EXPECT_EQ(clean(), 140);
    std::map<std::string, int> found;
    for (const KeyedRecord& record : read(false)) ++found[record.key.substr(0, 1) + record.value];
    EXPECT_EQ(found["a1"], 10) << static_cast<int>(order);
    EXPECT_EQ(found["b1"], 0) << static_cast<int>(order);
    EXPECT_EQ(found["c1"], 10) << static_cast<int>(order);
    EXPECT_EQ(found["b2"], 10) << static_cast<int>(order);
  }
}

TEST_F(NewestFirstOddTest, APieceHasTheOffsetsThatItsHeadersHad) {
  for (const std::int64_t other : {std::int64_t{5}, std::int64_t{15}, std::int64_t{25}, std::int64_t{1} << 60}) {
    for (const std::int64_t batch : {std::int64_t{0}, std::int64_t{10}, std::int64_t{20}}) {
      files_.remove_all("/data/t-0");
      open();
      for (const char* key : {"a", "b", "c"}) put_ten(key, "1");
      log().roll();
      auto session = CleaningSession::try_begin(log_);
      const Cleanable what = find_cleanable(*log().cleaning_facts(), clock_.wall_ms());
      const auto sources = session->sources(what.first_uncleanable_offset);
      const auto dirty = find_dirty_pieces(*session, sources, what, {.records_max = 100, .all_batches = true});
      ASSERT_TRUE(dirty.has_value());
      rewrite_base_offset(batch, other);
      OffsetMap offsets(std::size_t{1} << 20, 0.9);
      NewestOffsets newest(0, 1 << 20);
      const NewestFirst how{*session, sources, {}};
      EXPECT_FALSE(how.map(*dirty, KeyHasher(), offsets, newest).has_value()) << batch << " as " << other;
    }
  }
}

}  // namespace
}  // namespace storage
