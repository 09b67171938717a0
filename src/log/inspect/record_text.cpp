#include "log/inspect/record_text.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "protocol/codec/codec.h"
#include "protocol/records/consumer_group_current_member_assignment.h"
#include "protocol/records/consumer_group_member_metadata.h"
#include "protocol/records/consumer_group_metadata.h"
#include "protocol/records/consumer_group_partition_metadata.h"
#include "protocol/records/consumer_group_regular_expression.h"
#include "protocol/records/consumer_group_target_assignment_member.h"
#include "protocol/records/consumer_group_target_assignment_metadata.h"
#include "protocol/records/group_metadata.h"
#include "protocol/records/offset_commit.h"
#include "protocol/records/share_snapshot.h"
#include "protocol/records/share_update.h"
#include "protocol/records/transaction_log.h"

namespace storage::inspect {
namespace {

using protocol::Record;

// The length of the UTF-8 sequence at the front, 0 if there is none. Control characters of any kind count as none.
std::size_t printable_length(base::ByteView bytes) {
  const std::uint8_t first = bytes[0];
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || bytes.size() < length) return 0;
  std::uint32_t code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (bytes[i] & 0x3fu);
  }
  const bool shortest = code >= (length == 2 ? 0x80u : length == 3 ? 0x800u : 0x10000u);
  const bool allowed = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) && code >= 0xa0;
  return shortest && allowed ? length : 0;
}

template <class Message>
std::optional<std::string> decoded(base::ByteView bytes) {
  Message message;
  std::int16_t version = 0;
  if (!protocol::decode_with_version(message, bytes, &version)) return std::nullopt;
  return fmt::format("{} v{} {}", Message::kName, version, protocol::print(message, version));
}

// False if the key is of another kind.
template <class Key, class Value>
bool add_decoded(std::int16_t version, const Record& record, std::string& text) {
  if (version < Key::kVersionMin || version > Key::kVersionMax) return false;
  const auto key = decoded<Key>(*record.key);
  if (!key) return false;
  text += " key: " + *key;
  if (!record.value) {
    text += " payload: <DELETE>";
    return true;
  }
  const auto value = decoded<Value>(*record.value);
  text += " payload: " + (value ? *value : printable(*record.value));
  return true;
}

bool add_group_record(std::int16_t version, const Record& record, std::string& text) {
  using namespace protocol;
  return add_decoded<OffsetCommitKey, OffsetCommitValue>(version, record, text) ||
         add_decoded<GroupMetadataKey, GroupMetadataValue>(version, record, text) ||
         add_decoded<ConsumerGroupMetadataKey, ConsumerGroupMetadataValue>(version, record, text) ||
         add_decoded<ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue>(version, record, text) ||
         add_decoded<ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue>(version, record, text) ||
         add_decoded<ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue>(
             version, record, text) ||
         add_decoded<ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue>(version, record,
                                                                                                       text) ||
         add_decoded<ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue>(
             version, record, text) ||
         add_decoded<ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue>(version, record, text);
}

bool add_internal(const Record& record, RecordKind kind, std::string& text) {
  using namespace protocol;
  if (!record.key || record.key->size() < sizeof(std::int16_t)) return false;
  const auto version = base::load_big_endian<std::int16_t>(record.key->data());
  if (kind == RecordKind::group) return add_group_record(version, record, text);
  if (kind == RecordKind::transaction) {
    return add_decoded<TransactionLogKey, TransactionLogValue>(version, record, text);
  }
  return add_decoded<ShareSnapshotKey, ShareSnapshotValue>(version, record, text) ||
         add_decoded<ShareUpdateKey, ShareUpdateValue>(version, record, text);
}

void add_control(const Record& record, std::string& text) {
  const auto type = protocol::control_type(record);
  if (type == protocol::ControlType::commit || type == protocol::ControlType::abort) {
    text += fmt::format(" endTxnMarker: {} coordinatorEpoch: {}",
                        type == protocol::ControlType::commit ? "COMMIT" : "ABORT",
                        protocol::control_coordinator_epoch(record));
  } else if (type) {
    text += fmt::format(" controlType: {}", static_cast<int>(*type));
  } else {
    text += " controlType: unknown";
  }
}

std::string header_keys(const Record& record) {
  std::string text;
  bool first = true;
  for (const auto& header : protocol::read_headers(record)) {
    text += (std::exchange(first, false) ? "" : ",") + printable(base::as_bytes(header.name));
  }
  return text;
}

}  // namespace

RecordKind record_kind(std::string_view topic) {
  if (topic == "__consumer_offsets") return RecordKind::group;
  if (topic == "__transaction_state") return RecordKind::transaction;
  if (topic == "__share_group_state") return RecordKind::share_state;
  return RecordKind::plain;
}

std::string_view timestamp_type_name(const protocol::BatchHeader& batch) {
  switch (batch.timestamp_type()) {
    case protocol::TimestampType::create_time:
      return "CreateTime";
    case protocol::TimestampType::log_append_time:
      return "LogAppendTime";
    case protocol::TimestampType::none:
      break;
  }
  return "NoTimestampType";
}

std::string printable(base::ByteView bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = printable_length(bytes.subspan(at));
    if (length == 0) {
      text += fmt::format("\\x{:02x}", bytes[at]);
      ++at;
    } else {
      text.append(reinterpret_cast<const char*>(bytes.data()) + at, length);
      at += length;
    }
  }
  return text;
}

std::string record_text(const Record& record, RecordKind kind, const protocol::BatchHeader& batch) {
  auto size_of = [](const std::optional<base::ByteView>& bytes) {
    return bytes ? static_cast<std::int64_t>(bytes->size()) : -1;
  };
  std::string text =
      fmt::format("| offset: {} {}: {} keySize: {} valueSize: {}", record.offset, timestamp_type_name(batch),
                  record.timestamp, size_of(record.key), size_of(record.value));
  if (batch.magic == 2) text += fmt::format(" sequence: {} headerKeys: [{}]", record.sequence, header_keys(record));
  if (batch.magic < 2) text += fmt::format(" isValid: true crc: {}}}", batch.crc);
  if (kind == RecordKind::control) {
    add_control(record, text);
  } else if (kind == RecordKind::plain || !add_internal(record, kind, text)) {
    if (record.key) text += " key: " + printable(*record.key);
    if (record.value) text += " payload: " + printable(*record.value);
  }
  return text;
}

}  // namespace storage::inspect
