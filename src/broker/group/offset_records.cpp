#include "broker/group/offset_records.h"

#include <algorithm>
#include <concepts>

#include "base/uuid.h"
#include "protocol/codec/reader.h"

namespace broker::group {
namespace {

constexpr std::int16_t kWrittenKeyVersion = 1;
constexpr std::int16_t kWrittenVersion = 3;
constexpr std::int16_t kVersionMax = 4;
constexpr std::int16_t kVersionWithExpiry = 1;  // the only one
constexpr std::int16_t kFirstVersionWithLeaderEpoch = 3;
constexpr std::int16_t kFirstFlexibleVersion = 4;
constexpr std::uint32_t kTopicIdTag = 0;
constexpr std::int32_t kStringLengthMax = 32767;

template <std::integral T>
std::uint8_t* write_number(std::uint8_t* at, T value) {
  base::store_big_endian(at, value);
  return at + sizeof value;
}

std::size_t size_of_string(std::string_view text) { return sizeof(std::int16_t) + text.size(); }
std::uint8_t* write_string(std::uint8_t* at, std::string_view text) {
  at = write_number(at, static_cast<std::int16_t>(text.size()));
  return std::copy(text.begin(), text.end(), at);
}

std::string_view read_string(protocol::Reader& reader, bool flexible) {
  const std::int32_t length = flexible ? reader.compact_length() : reader.length16();
  if (length < 0 || length > kStringLengthMax) {
    reader.fail("a string that is null or too long");
    return {};
  }
  return base::as_text(reader.take(static_cast<std::size_t>(length)));
}

void skip_tags(protocol::Reader& reader) {
  for (std::uint32_t count = reader.varint(); count > 0 && !reader.failed(); --count) {
    const std::uint32_t tag = reader.varint();
    const base::ByteView bytes = reader.take(reader.varint());
    if (tag == kTopicIdTag && bytes.size() < base::Uuid().bytes.size()) reader.fail("a topic id that ends too early");
  }
}

bool read_value(base::ByteView bytes, OffsetRecordView& view) {
  protocol::Reader reader(bytes);
  const auto version = reader.number<std::int16_t>();
  if (version < 0 || version > kVersionMax) return false;
  view.offset = reader.number<std::int64_t>();
  view.leader_epoch = version >= kFirstVersionWithLeaderEpoch ? reader.number<std::int32_t>() : -1;
  view.metadata = read_string(reader, version >= kFirstFlexibleVersion);
  view.commit_timestamp = reader.number<std::int64_t>();
  view.expire_timestamp.reset();
  if (version == kVersionWithExpiry) {
    if (const auto expires = reader.number<std::int64_t>(); expires != -1) view.expire_timestamp = expires;
  }
  if (version >= kFirstFlexibleVersion) skip_tags(reader);
  return !reader.failed();
}

}  // namespace

void OffsetRecordView::copy_to(CommittedOffset& committed) const {
  committed.offset = offset;
  committed.leader_epoch = leader_epoch;
  committed.metadata = metadata;
  committed.commit_timestamp = commit_timestamp;
  committed.expire_timestamp = expire_timestamp;
}

const char* read_offset_record(const protocol::Record& record, OffsetRecordView& view) {
  protocol::Reader key(*record.key);
  (void)key.number<std::int16_t>();
  view.group_id = read_string(key, false);
  view.partition.topic = read_string(key, false);
  view.partition.partition = key.number<std::int32_t>();
  if (key.failed()) return "an offset key that can't be read";
  view.deleted = !record.value;
  if (record.value && !read_value(*record.value, view)) return "an offset value that can't be read";
  return nullptr;
}

std::size_t size_of_offset_key(std::string_view group_id, const TopicPartition& partition) {
  return sizeof kWrittenKeyVersion + size_of_string(group_id) + size_of_string(partition.topic) + sizeof partition.partition;
}

std::uint8_t* write_offset_key(std::uint8_t* at, std::string_view group_id, const TopicPartition& partition) {
  at = write_number(at, kWrittenKeyVersion);
  at = write_string(at, group_id);
  at = write_string(at, partition.topic);
  return write_number(at, partition.partition);
}

std::size_t size_of_offset_value(const CommittedOffset& committed) {
  const std::size_t of_all = sizeof kWrittenVersion + sizeof committed.offset + size_of_string(committed.metadata) +
                             sizeof committed.commit_timestamp;
  return of_all + (committed.expire_timestamp ? sizeof *committed.expire_timestamp : sizeof committed.leader_epoch);
}

std::uint8_t* write_offset_value(std::uint8_t* at, const CommittedOffset& committed) {
  at = write_number(at, committed.expire_timestamp ? kVersionWithExpiry : kWrittenVersion);
  at = write_number(at, committed.offset);
  if (!committed.expire_timestamp) at = write_number(at, committed.leader_epoch);
  at = write_string(at, committed.metadata);
  at = write_number(at, committed.commit_timestamp);
  return committed.expire_timestamp ? write_number(at, *committed.expire_timestamp) : at;
}

void add_offset_record(coordinator::RecordList& to, std::string_view group_id, const TopicPartition& partition,
                       const CommittedOffset& committed) {
  std::uint8_t* const at = to.add(size_of_offset_key(group_id, partition), size_of_offset_value(committed));
  write_offset_value(write_offset_key(at, group_id, partition), committed);
}

}  // namespace broker::group
