// Views of bytes, big-endian loads and stores, hex. Kafka's and ZooKeeper's wire and disk formats are big-endian
// throughout. Views don't own: whoever hands one on says what keeps it alive.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace base {

using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;
using Bytes = std::vector<std::uint8_t>;

// The caller has checked that sizeof(T) bytes are there.
template <std::integral T>
T load_big_endian(const std::uint8_t* from) {
  using Unsigned = std::make_unsigned_t<T>;
  Unsigned value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
  return static_cast<T>(value);
}

template <std::integral T>
void store_big_endian(std::uint8_t* to, T signed_or_not) {
  auto value = static_cast<std::make_unsigned_t<T>>(signed_or_not);
  if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
  std::memcpy(to, &value, sizeof value);
}

template <std::integral T>
void append_big_endian(Bytes& to, T value) {
  to.resize(to.size() + sizeof(T));
  store_big_endian<T>(to.data() + to.size() - sizeof(T), value);
}

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(ByteView bytes);                          // lower case
std::optional<Bytes> from_hex(std::string_view text);        // nothing on odd length or a non-hex digit
std::string to_base64(ByteView bytes);                       // standard alphabet, padded
std::optional<Bytes> from_base64(std::string_view text);     // standard alphabet, padded

}  // namespace base
