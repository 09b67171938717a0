// Walks the records of a batch of magic 2 without taking anything out of them: what validation on append needs. The
// records lie in memory as they are, or come out of a compressed stream through one small buffer of the thread, however
// much it unpacks to. One walker at a time on a thread.
// Errors: InvalidRecord, base::CompressionError.
#pragma once

#include <cstdint>
#include <memory>

#include "base/compression.h"
#include "protocol/record.h"

namespace protocol {

struct RecordOutline {
  std::int8_t attributes = 0;
  std::int64_t timestamp_delta = 0;
  std::int32_t offset_delta = 0;
  std::int32_t key_length = -1;  // negative: null
  std::int32_t value_length = -1;
};

class RecordWalker {
 public:
  explicit RecordWalker(base::ByteView records) : at_(records.data()), end_(at_ + records.size()) {}
  RecordWalker(base::Codec codec, base::ByteView packed, std::uint64_t unpacked_bytes_max);

  // Throws if there is no whole record in front.
  void next(RecordOutline& outline);
  bool at_end();

 private:
  std::size_t available() const { return static_cast<std::size_t>(end_ - at_); }
  std::uint64_t position() const { return read_before_ - available(); }  // in a stream
  void refill();
  void next_in_pieces(std::int32_t length, RecordOutline& outline);
  std::int32_t varint_in_pieces();
  std::int64_t varlong_in_pieces();
  void skip(std::int32_t length);

  const std::uint8_t* at_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  std::unique_ptr<base::Decompressor> stream_;  // null: all of it lies in memory, or the stream has ended
  std::uint64_t read_before_ = 0;
  std::uint64_t unpacked_bytes_max_ = 0;
};

}  // namespace protocol
