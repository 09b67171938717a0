// What is read by hand is what the codec reads, of whole records of each version and of damaged ones; likewise what is written.
#include "broker/group/offset_records.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "protocol/codec/codec.h"
#include "protocol/records/offset_commit.h"

namespace broker::group {
namespace {

struct Bytes {
  base::Bytes key, value;
};

Bytes record_of(std::int16_t key_version, std::int16_t value_version) {
  protocol::OffsetCommitKey key;
  key.group = "group";
  key.topic = "topic";
  key.partition = 7;
  protocol::OffsetCommitValue value;
  value.offset = 1234567890123;
  value.leader_epoch = 5;
  value.metadata = "metadata that is longer than a short string";
  value.commit_timestamp = 1'700'000'000'000;
  value.expire_timestamp = value_version == 1 ? 1'700'000'000'001 : -1;
  if (value_version == 4) {
    value.topic_id.bytes.fill(9);
    value.unknown_tags.add(3, base::as_bytes(std::string_view("unknown")));
  }
  return {protocol::encode_with_version(key, key_version), protocol::encode_with_version(value, value_version)};
}

// The same of both, or neither.
void expect_as_the_codec(const Bytes& bytes) {
  if (bytes.key.size() < 2 || !is_offset_key(base::load_big_endian<std::int16_t>(bytes.key.data()))) return;
  protocol::Record record;
  record.key = bytes.key;
  record.value = bytes.value;
  OffsetRecordView view;
  const bool is_read = read_offset_record(record, view) == nullptr;
  protocol::OffsetCommitKey key;
  protocol::OffsetCommitValue value;
  const bool is_decoded = protocol::decode_with_version(key, bytes.key) && protocol::decode_with_version(value, bytes.value);
  ASSERT_EQ(is_read, is_decoded) << base::to_hex(bytes.key) << " " << base::to_hex(bytes.value);
  if (!is_read) return;
  EXPECT_EQ(view.group_id, key.group);
  EXPECT_EQ(view.partition.topic, key.topic);
  EXPECT_EQ(view.partition.partition, key.partition);
  EXPECT_FALSE(view.deleted);
  EXPECT_EQ(view.offset, value.offset);
  EXPECT_EQ(view.leader_epoch, value.leader_epoch);
  EXPECT_EQ(view.metadata, value.metadata);
  EXPECT_EQ(view.commit_timestamp, value.commit_timestamp);
  EXPECT_EQ(view.expire_timestamp.value_or(-1), value.expire_timestamp);
}

TEST(OffsetRecords, AsTheCodecReadsThem) {
  for (std::int16_t key = 0; key <= 1; ++key) {
    for (std::int16_t value = 0; value <= 4; ++value) {
      const Bytes whole = record_of(key, value);
      expect_as_the_codec(whole);
      for (std::size_t size = 0; size < whole.key.size(); ++size) {
        expect_as_the_codec({base::Bytes(whole.key.begin(), whole.key.begin() + static_cast<std::ptrdiff_t>(size)), whole.value});
      }
      for (std::size_t size = 0; size < whole.value.size(); ++size) {
        expect_as_the_codec({whole.key, base::Bytes(whole.value.begin(), whole.value.begin() + static_cast<std::ptrdiff_t>(size))});
      }
    }
  }
}

TEST(OffsetRecords, DamagedOnesAsTheCodecReadsThem) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = record_of(static_cast<std::int16_t>(i % 2), static_cast<std::int16_t>(i % 5));
    for (int changes = 1 + i % 3; changes > 0; --changes) {
      base::Bytes& changed = random() % 2 == 0 ? bytes.key : bytes.value;
      changed[random() % changed.size()] = static_cast<std::uint8_t>(random());
    }
    expect_as_the_codec(bytes);
  }
}

TEST(OffsetRecords, ATombstoneHasNoValue) {
  const base::Bytes key = record_of(1, 3).key;
  protocol::Record record;
  record.key = key;
  OffsetRecordView view;
  EXPECT_EQ(read_offset_record(record, view), nullptr);
  EXPECT_TRUE(view.deleted);
}

TEST(OffsetRecords, WrittenAsTheCodecWritesThem) {
  for (const bool expires : {false, true}) {
    TopicPartition partition;
    partition.topic = "topic";
    partition.partition = 7;
    CommittedOffset committed;
    committed.offset = 1234567890123;
    committed.leader_epoch = expires ? -1 : 5;
    committed.metadata = "metadata that is longer than a short string";
    committed.commit_timestamp = 1'700'000'000'000;
    if (expires) committed.expire_timestamp = 1'700'000'000'001;
    const Bytes expected = record_of(1, expires ? 1 : 3);
    base::Bytes both = expected.key;
    both.insert(both.end(), expected.value.begin(), expected.value.end());
    ASSERT_EQ(size_of_offset_key("group", partition), expected.key.size());
    ASSERT_EQ(size_of_offset_value(committed), expected.value.size());
    base::Bytes written(both.size());
    std::uint8_t* const behind_key = write_offset_key(written.data(), "group", partition);
    EXPECT_EQ(behind_key, written.data() + expected.key.size());
    EXPECT_EQ(write_offset_value(behind_key, committed), written.data() + written.size());
    EXPECT_EQ(base::to_hex(written), base::to_hex(both));
  }
}

}  // namespace
}  // namespace broker::group
