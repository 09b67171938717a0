#include "base/uuid.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/bytes.h"

namespace base {

Uuid Uuid::random() {
  for (;;) {
    Uuid uuid;
    if (RAND_bytes(uuid.bytes.data(), static_cast<int>(uuid.bytes.size())) != 1) {
      throw std::runtime_error("the system's random source failed");
    }
    uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
    uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
    if (uuid.to_string().front() != '-') return uuid;
  }
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 22) return std::nullopt;
  std::string padded(text);
  std::replace(padded.begin(), padded.end(), '-', '+');
  std::replace(padded.begin(), padded.end(), '_', '/');
  padded += "==";
  const auto bytes = from_base64(padded);
  if (!bytes || bytes->size() != 16) return std::nullopt;
  Uuid uuid;
  std::copy(bytes->begin(), bytes->end(), uuid.bytes.begin());
  return uuid;
}

std::string Uuid::to_string() const {
  std::string text = to_base64(bytes);
  text.resize(22);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

}  // namespace base

std::size_t std::hash<base::Uuid>::operator()(const base::Uuid& uuid) const noexcept {
  std::uint64_t half;
  std::memcpy(&half, uuid.bytes.data() + 8, sizeof half);
  std::uint64_t other;
  std::memcpy(&other, uuid.bytes.data(), sizeof other);
  return static_cast<std::size_t>(half * 0x9e3779b97f4a7c15 ^ other);
}
