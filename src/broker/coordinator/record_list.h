// Records for an internal topic that are made together, one behind the other in one buffer, which is allocated once if its size is
// told before: a commit of offsets makes one for each of its partitions. Filled, then read; a plain value. One that was moved from is
// empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
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
    std::size_t bytes = 0;
    for (const KeyAndValue& one : records) bytes += one.key.size() + (one.value ? one.value->size() : 0);
    reserve(records.size(), bytes);
    for (const KeyAndValue& one : records) add(one);
  }
  RecordList(const RecordList&) = default;
  RecordList(RecordList&& other) noexcept : bytes_(std::exchange(other.bytes_, {})), size_(std::exchange(other.size_, 0)) {}
  RecordList& operator=(const RecordList&) = default;
  RecordList& operator=(RecordList&& other) noexcept {
    bytes_ = std::exchange(other.bytes_, {});
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  // For so many records of so many bytes of keys and values.
  void reserve(std::size_t records, std::size_t bytes);
  // Room for another one's key and value, the value right behind the key: all of it is written before anything else is called.
  // Without a size of the value it is a tombstone.
  std::uint8_t* add(std::size_t key_size, std::optional<std::size_t> value_size);
  void add(const KeyAndValue& record);

  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_.size() - size_ * sizeof(Sizes); }  // of keys and values
  std::size_t bytes_in_batch_max() const { return bytes() + size_ * kRecordOverheadMax; }
  void append_to(protocol::RecordBatchBuilder& builder, std::int64_t timestamp) const;
  base::Bytes build_batch(std::int64_t timestamp, const BatchSender& sender) const;

 private:
  struct Sizes {
    static constexpr std::size_t kNoValue = ~std::size_t{0};
    std::size_t key = 0;
    std::size_t value = kNoValue;
  };
  base::Bytes bytes_;  // of each the sizes, the key and the value
  std::size_t size_ = 0;
};

}  // namespace broker::coordinator
