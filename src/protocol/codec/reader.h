// Bounded reads of Kafka's primitive types from bytes that it doesn't own. The first failure sticks: later reads give
// zero. Belongs to one decode().
#pragma once

#include <bit>
#include <cstdint>

#include "base/bytes.h"
#include "base/uuid.h"

namespace protocol {

class Reader {
 public:
  explicit Reader(base::ByteView bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  bool failed() const { return reason_ != nullptr; }
  const char* reason() const { return reason_; }
  [[gnu::cold, gnu::noinline]] void fail(const char* reason) {
    if (!reason_) reason_ = reason;
  }

  template <std::integral T>
  T number() {
    if (left() < sizeof(T)) [[unlikely]] {
      fail("ends too early");
      return 0;
    }
    const T value = base::load_big_endian<T>(at_);
    at_ += sizeof(T);
    return value;
  }

  double float64() { return std::bit_cast<double>(number<std::uint64_t>()); }

  base::Uuid uuid() {
    base::Uuid value;
    const base::ByteView bytes = take(value.bytes.size());
    if (!bytes.empty()) std::memcpy(value.bytes.data(), bytes.data(), value.bytes.size());
    return value;
  }

  // At most five bytes; like Kafka's, bits beyond 32 are dropped.
  std::uint32_t varint() {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift <= 28; shift += 7) {
      if (at_ == end_) [[unlikely]] {
        fail("ends too early");
        return 0;
      }
      const std::uint8_t byte = *at_++;
      value |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail("varint of more than five bytes");
    return 0;
  }

  base::ByteView take(std::size_t size) {
    if (left() < size) [[unlikely]] {
      fail("length exceeds the bytes left");
      return {};
    }
    const base::ByteView bytes(at_, size);
    at_ += size;
    return bytes;
  }

  // A length or count, -1 for null. Kafka takes any negative one for null, and so do we. Checked against the bytes
  // left.
  std::int32_t length16() { return checked(number<std::int16_t>()); }
  std::int32_t length32() { return checked(number<std::int32_t>()); }
  std::int32_t compact_length() { return checked(static_cast<std::int64_t>(varint()) - 1); }

 private:
  std::int32_t checked(std::int64_t length) {
    if (length < 0) return -1;
    if (static_cast<std::uint64_t>(length) > left()) [[unlikely]] {
      fail("length exceeds the bytes left");
      return -1;
    }
    return static_cast<std::int32_t>(length);
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const char* reason_ = nullptr;
};

}  // namespace protocol
