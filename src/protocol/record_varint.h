// Zigzag varints of the records section, decoded and encoded without allocations. As Kafka's: an int32 takes at most
// five bytes and an int64 ten, and bits beyond the type are dropped.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace protocol {

// Advances `at`. False if the bytes end first, or if the last byte allowed says that another one follows; `at` is then
// undefined.
template <class Unsigned, int kBytesMax>
inline bool read_unsigned_varint(const std::uint8_t*& at, const std::uint8_t* end, Unsigned& value) {
  Unsigned result = 0;
  for (int i = 0; i < kBytesMax; ++i) {
    if (at == end) return false;
    const std::uint8_t byte = *at++;
    result |= static_cast<Unsigned>(static_cast<Unsigned>(byte & 0x7F) << (7 * i));
    if (byte < 0x80) {
      value = result;
      return true;
    }
  }
  return false;
}

inline bool read_varint(const std::uint8_t*& at, const std::uint8_t* end, std::int32_t& value) {
  if (at != end && *at < 0x80) {  // most lengths and deltas
    const std::uint32_t byte = *at++;
    value = static_cast<std::int32_t>((byte >> 1) ^ (~(byte & 1) + 1));
    return true;
  }
  std::uint32_t raw = 0;
  if (!read_unsigned_varint<std::uint32_t, 5>(at, end, raw)) return false;
  value = static_cast<std::int32_t>((raw >> 1) ^ (~(raw & 1) + 1));
  return true;
}

inline bool read_varlong(const std::uint8_t*& at, const std::uint8_t* end, std::int64_t& value) {
  std::uint64_t raw = 0;
  if (!read_unsigned_varint<std::uint64_t, 10>(at, end, raw)) return false;
  value = static_cast<std::int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
  return true;
}

inline void append_varlong(base::Bytes& to, std::int64_t value) {
  auto raw = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  while (raw >= 0x80) {
    to.push_back(static_cast<std::uint8_t>(raw | 0x80));
    raw >>= 7;
  }
  to.push_back(static_cast<std::uint8_t>(raw));
}
inline void append_varint(base::Bytes& to, std::int32_t value) { append_varlong(to, value); }  // the same bytes

// Where there is room for size_of_varlong(value) bytes; what is behind them.
inline std::uint8_t* write_varlong(std::uint8_t* at, std::int64_t value) {
  auto raw = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  for (; raw >= 0x80; raw >>= 7) *at++ = static_cast<std::uint8_t>(raw | 0x80);
  *at++ = static_cast<std::uint8_t>(raw);
  return at;
}

inline std::size_t size_of_varlong(std::int64_t value) {
  auto raw = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  std::size_t size = 1;
  while (raw >= 0x80) {
    ++size;
    raw >>= 7;
  }
  return size;
}

}  // namespace protocol
