#include "zk/tree/path.h"

#include <sys/random.h>
#include <unistd.h>

#include <cstring>

namespace zk::tree {

namespace {

// The forbidden characters above U+007F, seen as UTF-8. Java looks at UTF-16 units: characters beyond U+FFFF come as
// two surrogates, which lie in D800-DFFF, so 4-byte sequences are forbidden as well.
bool is_forbidden_sequence(std::string_view path, std::size_t at) {
  auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < path.size() ? static_cast<std::uint8_t>(path[at + i]) : 0U;
  };
  std::uint32_t lead = byte(0);
  if ((lead & 0xe0U) == 0xc0U) return (((lead & 0x1fU) << 6) | (byte(1) & 0x3fU)) <= 0x9fU;
  if ((lead & 0xf0U) == 0xe0U) {
    std::uint32_t code = ((lead & 0x0fU) << 12) | ((byte(1) & 0x3fU) << 6) | (byte(2) & 0x3fU);
    return (code >= 0xd800 && code <= 0xf8ff) || (code >= 0xfff0);
  }
  return lead >= 0xf0U;
}

}  // namespace

bool is_valid_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return false;
  if (path.size() == 1) return true;
  if (path.back() == '/') return false;
  std::size_t element = 1;
  for (std::size_t i = 1; i <= path.size(); ++i) {
    if (i == path.size() || path[i] == '/') {
      std::string_view name = path.substr(element, i - element);
      if (name.empty() || name == "." || name == "..") return false;
      element = i + 1;
      continue;
    }
    auto c = static_cast<std::uint8_t>(path[i]);
    if (c >= 0x20 && c < 0x7f) continue;  // most
    if (c < 0x20 || c == 0x7f) return false;
    if (c >= 0xc0 && is_forbidden_sequence(path, i)) return false;
  }
  return true;
}

// The library's rfind() goes byte by byte.
std::size_t last_slash(std::string_view path) {
  const void* slash = ::memrchr(path.data(), '/', path.size());
  return slash == nullptr ? std::string_view::npos : static_cast<std::size_t>(static_cast<const char*>(slash) - path.data());
}

std::string_view parent_of(std::string_view path) {
  std::size_t slash = last_slash(path);
  return slash == 0 || slash == std::string_view::npos ? std::string_view("/") : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(last_slash(path) + 1); }

bool is_special_path(std::string_view path) {
  return path == "/" || path == kZookeeper || path == kQuota || path == kConfig;
}

namespace {

// Else somebody could choose names that all have the same hash.
const std::uint64_t g_hash_seed = [] {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) seed = static_cast<std::uint64_t>(::getpid());
  return seed;
}();

}  // namespace

std::uint64_t hash_of(std::string_view text) {
  __extension__ using Product = unsigned __int128;
  constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15ULL;
  const auto load = [](const char* from, std::size_t bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, from, bytes);
    return value;
  };
  std::uint64_t hash = g_hash_seed + text.size() * kFactor;
  const auto mix = [&hash](std::uint64_t value) {
    const Product product = Product{hash ^ value} * kFactor;
    hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left > 8; at += 8, left -= 8) mix(load(at, 8));
  // The last eight bytes may overlap with those before.
  if (text.size() >= 8) {
    mix(load(at + left - 8, 8));
  } else if (left >= 4) {
    mix(load(at, 4) | load(at + left - 4, 4) << 32);
  } else if (left > 0) {
    mix(load(at, 1) | load(at + left / 2, 1) << 8 | load(at + left - 1, 1) << 16);
  }
  return hash;
}

std::string join(std::string_view parent, std::string_view name) {
  std::string path(parent);
  if (path.empty() || path.back() != '/') path += '/';
  path += name;
  return path;
}

}  // namespace zk::tree
