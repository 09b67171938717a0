#include "zk/server/identities.h"

#include <algorithm>

namespace zk::server {

namespace {

constexpr std::size_t kIdentitiesMax = 128;
constexpr std::size_t kIdentityBytesMax = 64 * 1024;

// Of the UTF-16 form, as Java's String.hashCode.
std::uint32_t hash_of(std::string_view utf8) {
  std::uint32_t hash = 0;
  for (std::size_t i = 0; i < utf8.size();) {
    auto lead = static_cast<unsigned char>(utf8[i]);
    std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    std::uint32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (std::size_t k = 1; k < length && i + k < utf8.size(); ++k) {
      code = (code << 6) | (static_cast<unsigned char>(utf8[i + k]) & 0x3fU);
    }
    i += length;
    if (code > 0xffff) {
      hash = hash * 31 + (0xd7c0U + (code >> 10));
      code = 0xdc00U | (code & 0x3ffU);
    }
    hash = hash * 31 + code;
  }
  return hash;
}

std::uint32_t bin_of(const tree::Identity& identity, std::uint32_t table_size) {
  std::uint32_t hash = (17 * 37 + hash_of(identity.scheme)) * 37 + hash_of(identity.id);
  return (hash ^ (hash >> 16)) & (table_size - 1);
}

}  // namespace

bool add_identity(std::vector<tree::Identity>& identities, tree::Identity identity) {
  if (std::find(identities.begin(), identities.end(), identity) != identities.end()) return true;
  std::size_t bytes = identity.id.size();
  for (const tree::Identity& one : identities) bytes += one.id.size();
  if (identities.size() >= kIdentitiesMax || bytes > kIdentityBytesMax) return false;
  identities.push_back(std::move(identity));
  std::uint32_t table_size = 16;
  while (identities.size() >= table_size * 3 / 4) table_size *= 2;
  std::stable_sort(identities.begin(), identities.end(), [&](const tree::Identity& left, const tree::Identity& right) {
    return bin_of(left, table_size) < bin_of(right, table_size);
  });
  return true;
}

}  // namespace zk::server
