// Makes one batch of magic 2: for records of our own (group and transaction logs, control markers), for recompression
// and conversion on append, and for tests. Belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/record.h"

namespace protocol {

struct NewRecord {
  std::optional<base::ByteView> key;
  std::optional<base::ByteView> value;
  std::int64_t timestamp = -1;
  std::vector<RecordHeader> headers;
};

class RecordBatchBuilder {
 public:
  // Set before build(): base offset, epoch, producer fields, transactional and control bits, timestamp type; before the
  // first record the delete horizon, with its bit.
  BatchHeader header;

  // What the records will take, if it is known: one allocation then.
  void reserve(std::size_t records_bytes) { batch_.reserve(kBatchHeaderSize + records_bytes); }
  void append(const NewRecord& record) { append_at(next_offset_delta_, record); }
  // With a gap in front, as compaction leaves them.
  void append_at(std::int32_t offset_delta, const NewRecord& record);
  // Copies key, value, headers and timestamp of a record that was read.
  void append(const Record& record) { append_at(next_offset_delta_, record); }
  void append_at(std::int32_t offset_delta, const Record& record);

  std::int32_t record_count() const { return record_count_; }
  std::int64_t max_timestamp() const { return max_timestamp_; }
  std::int32_t offset_delta_of_max_timestamp() const { return offset_delta_of_max_timestamp_; }

  // The finished batch, crc included; once. With log_append_time the header's own max_timestamp is kept, otherwise it is
  // the largest of the records.
  base::Bytes build(base::Codec codec = base::Codec::none, std::optional<int> level = std::nullopt);

 private:
  void append_raw(std::int32_t offset_delta, std::int64_t timestamp, const std::optional<base::ByteView>& key,
                  const std::optional<base::ByteView>& value, std::int32_t header_count, base::ByteView headers);

  base::Bytes batch_;  // room for the header, then the records
  std::int32_t next_offset_delta_ = 0;
  std::int32_t record_count_ = 0;
  std::int64_t max_timestamp_ = -1;
  std::int32_t offset_delta_of_max_timestamp_ = -1;
};

// An abort or commit marker as a transaction coordinator writes it.
base::Bytes build_control_batch(std::int64_t producer_id, std::int16_t producer_epoch, ControlType type,
                                std::int32_t coordinator_epoch, std::int64_t timestamp);

}  // namespace protocol
