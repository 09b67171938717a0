// Records for an internal topic that are made together, in two allocations for all of them: a commit of offsets makes one for each of
// its partitions. Filled, then read; a plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "broker/coordinator/coordinator_records.h"
#include "protocol/record_batch_builder.h"

namespace broker::coordinator {

class RecordList {
 public:
  RecordList() = default;
  RecordList(const KeyAndValue& record) { add(record); }
  RecordList(const std::vector<KeyAndValue>& records) {
    for (const KeyAndValue& one : records) add(one);
  }

  // For so many records of so many bytes of keys and values.
  void reserve(std::size_t records, std::size_t bytes);
  // Room for another one's key and value, the value right behind the key: all of it is written before anything else is called.
  // Without a size of the value it is a tombstone.
  std::uint8_t* add(std::size_t key_size, std::optional<std::size_t> value_size);
  void add(const KeyAndValue& record);

  bool empty() const { return sizes_.empty(); }
  std::size_t size() const { return sizes_.size(); }
  std::size_t bytes() const { return bytes_.size(); }  // of keys and values
  std::size_t bytes_in_batch_max() const { return bytes_.size() + sizes_.size() * kRecordOverheadMax; }
  void append_to(protocol::RecordBatchBuilder& builder, std::int64_t timestamp) const;
  base::Bytes build_batch(std::int64_t timestamp, const BatchSender& sender) const;

 private:
  struct Sizes {
    std::size_t key = 0;
    std::optional<std::size_t> value;
  };
  base::Bytes bytes_;
  std::vector<Sizes> sizes_;
};

}  // namespace broker::coordinator
