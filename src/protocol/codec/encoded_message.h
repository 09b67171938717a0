// A message ready to be written: one owned buffer, and records that go between its bytes without being copied. Small
// records in memory are copied into the buffer, so most messages are the buffer alone. Belongs to whoever writes it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/rare.h"
#include "protocol/codec/records.h"

namespace protocol {

class EncodedMessage {
 public:
  // Records in memory up to this size are copied: a copy costs less than one more part in a gathered write.
  static constexpr std::size_t kCopiedRecordsMax = 1024;

  struct Slice {
    std::size_t at = 0;  // goes before this byte of the buffer
    Records records;
  };

  EncodedMessage() = default;
  EncodedMessage(std::size_t prefix_bytes, std::size_t buffer_bytes)
      : prefix_bytes_(prefix_bytes),
        buffer_bytes_(buffer_bytes),
        buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(buffer_bytes)) {}

  // All bytes that will be on the wire, prefix and records included.
  std::size_t size() const { return buffer_bytes_ + slice_bytes_; }
  bool empty() const { return buffer_bytes_ == 0; }
  // The bytes in front of the message, for the caller to fill.
  base::MutableByteView prefix() { return {buffer_.get(), prefix_bytes_}; }
  base::MutableByteView buffer() { return {buffer_.get(), buffer_bytes_}; }
  base::ByteView buffer() const { return {buffer_.get(), buffer_bytes_}; }
  const std::vector<Slice>& slices() const { return slices_.get(); }
  bool has_slices() const { return static_cast<bool>(slices_); }

  void add_slice(std::size_t at, const Records& records) {
    slices_.make().push_back({at, records});
    slice_bytes_ += records.size();
  }

  // on_bytes(ByteView) and on_records(const Records&) in the order of the wire; empty parts are left out.
  template <class OnBytes, class OnRecords>
  void for_each_part(OnBytes&& on_bytes, OnRecords&& on_records) const {
    std::size_t from = 0;
    for (const Slice& slice : slices()) {
      if (slice.at > from) on_bytes(buffer().subspan(from, slice.at - from));
      if (!slice.records.empty()) on_records(slice.records);
      from = slice.at;
    }
    if (from < buffer_bytes_) on_bytes(buffer().subspan(from));
  }

  // Everything in one piece; slices of files are read.
  base::Bytes to_bytes() const;

 private:
  std::size_t prefix_bytes_ = 0;
  std::size_t buffer_bytes_ = 0;
  std::size_t slice_bytes_ = 0;
  std::unique_ptr<std::uint8_t[]> buffer_;
  base::Rare<std::vector<Slice>> slices_;
};

}  // namespace protocol
