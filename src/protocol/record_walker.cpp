#include "protocol/record_walker.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/record_varint.h"

namespace protocol {
namespace {

constexpr std::size_t kBufferSize = std::size_t{64} << 10;
constexpr std::size_t kVarintSizeMax = 5;
constexpr std::size_t kVarlongSizeMax = 10;

std::uint8_t* thread_buffer() {
  thread_local std::unique_ptr<std::array<std::uint8_t, kBufferSize>> buffer;
  if (!buffer) buffer = std::make_unique<std::array<std::uint8_t, kBufferSize>>();
  return buffer->data();
}

[[noreturn]] void fail_structure() { throw InvalidRecord("Found invalid record structure"); }
[[noreturn]] void fail_early_end() { throw InvalidRecord("Incorrect declared batch size, premature EOF reached"); }

bool skip_nullable(const std::uint8_t*& at, const std::uint8_t* end, std::int32_t& length) {
  if (!read_varint(at, end, length)) return false;
  if (length <= 0) return true;
  if (length > end - at) return false;
  at += length;
  return true;
}

bool skip_header(const std::uint8_t*& at, const std::uint8_t* end) {
  std::int32_t length = 0;
  if (!skip_nullable(at, end, length) || length < 0) return false;
  return skip_nullable(at, end, length);
}

// The body of a record that lies in memory as a whole.
bool read_outline(const std::uint8_t* at, const std::uint8_t* end, RecordOutline& outline) {
  if (at == end) return false;
  outline.attributes = static_cast<std::int8_t>(*at++);
  std::int32_t header_count = 0;
  if (!read_varlong(at, end, outline.timestamp_delta) || !read_varint(at, end, outline.offset_delta) ||
      !skip_nullable(at, end, outline.key_length) || !skip_nullable(at, end, outline.value_length) ||
      !read_varint(at, end, header_count) || header_count < 0) {
    return false;
  }
  for (; header_count > 0; --header_count) {
    if (!skip_header(at, end)) return false;
  }
  return at == end;
}

}  // namespace

RecordWalker::RecordWalker(base::Codec codec, base::ByteView packed, std::uint64_t unpacked_bytes_max)
    : at_(thread_buffer()),
      end_(at_),
      stream_(base::make_decompressor(codec, packed)),
      unpacked_bytes_max_(unpacked_bytes_max) {}

bool RecordWalker::at_end() {
  if (at_ == end_ && stream_) refill();
  return at_ == end_;
}

void RecordWalker::next(RecordOutline& outline) {
  if (available() < kVarintSizeMax && stream_) refill();
  std::int32_t length = 0;
  if (!read_varint(at_, end_, length)) fail_early_end();
  if (length < 0) fail_structure();
  if (available() < static_cast<std::size_t>(length)) {
    if (!stream_) fail_early_end();
    refill();
    if (available() < static_cast<std::size_t>(length)) {
      if (!stream_) fail_early_end();
      next_in_pieces(length, outline);
      return;
    }
  }
  if (!read_outline(at_, at_ + length, outline)) fail_structure();
  at_ += length;
}

// Moves what is left to the front of the buffer and fills the rest of it.
void RecordWalker::refill() {
  std::uint8_t* buffer = thread_buffer();
  const std::size_t left = available();
  std::memmove(buffer, at_, left);
  const std::size_t count = stream_->read({buffer + left, kBufferSize - left});
  at_ = buffer;
  end_ = buffer + left + count;
  read_before_ += count;
  if (read_before_ > unpacked_bytes_max_) throw base::OutputTooLarge("The batch unpacks to too many bytes");
  if (left + count < kBufferSize) stream_.reset();
}

// A record that is larger than the buffer.
void RecordWalker::next_in_pieces(std::int32_t length, RecordOutline& outline) {
  const std::uint64_t record_end = position() + static_cast<std::uint64_t>(length);
  outline.attributes = static_cast<std::int8_t>(*at_++);
  outline.timestamp_delta = varlong_in_pieces();
  outline.offset_delta = varint_in_pieces();
  outline.key_length = varint_in_pieces();
  skip(outline.key_length);
  outline.value_length = varint_in_pieces();
  skip(outline.value_length);
  std::int32_t header_count = varint_in_pieces();
  if (header_count < 0) fail_structure();
  for (; header_count > 0; --header_count) {
    const std::int32_t name_length = varint_in_pieces();
    if (name_length < 0 || position() > record_end) fail_structure();
    skip(name_length);
    skip(varint_in_pieces());
  }
  if (position() != record_end) fail_structure();
}

std::int32_t RecordWalker::varint_in_pieces() {
  if (available() < kVarintSizeMax && stream_) refill();
  std::int32_t value = 0;
  if (!read_varint(at_, end_, value)) fail_structure();
  return value;
}

std::int64_t RecordWalker::varlong_in_pieces() {
  if (available() < kVarlongSizeMax && stream_) refill();
  std::int64_t value = 0;
  if (!read_varlong(at_, end_, value)) fail_structure();
  return value;
}

void RecordWalker::skip(std::int32_t length) {
  auto rest = static_cast<std::size_t>(std::max(length, 0));
  while (rest > available()) {
    rest -= available();
    at_ = end_;
    if (!stream_) fail_early_end();
    refill();
  }
  at_ += rest;
}

}  // namespace protocol
