#include "zk/tree/acl.h"

#include <arpa/inet.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "base/bytes.h"
#include "zk/tree/x500_name.h"

namespace zk::tree {

namespace {

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
};

// Four decimal numbers, which may begin with zeros.
std::optional<Address> parse_ipv4(std::string_view text) {
  Address address;
  while (address.size < 4) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), address.bytes[address.size]);
    if (error != std::errc() || end != part.data() + part.size()) return std::nullopt;
    ++address.size;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
    if (address.size == 4) return std::nullopt;
  }
  return address.size == 4 ? std::optional(address) : std::nullopt;
}

// As ZooKeeper reads them; it knows no IPv6 addresses with dots.
std::optional<Address> parse_address(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return parse_ipv4(text);
  Address address;
  if (text.find_first_not_of("0123456789abcdefABCDEF:") != std::string_view::npos) return std::nullopt;
  if (inet_pton(AF_INET6, std::string(text).c_str(), address.bytes.data()) != 1) return std::nullopt;
  address.size = 16;
  return address;
}

struct AddressPattern {
  Address address;
  std::size_t bits = 0;
};

std::optional<AddressPattern> parse_pattern(std::string_view pattern) {
  std::size_t slash = pattern.find('/');
  auto address = parse_address(pattern.substr(0, slash));
  if (!address) return std::nullopt;
  std::size_t bits = address->size * 8;
  if (slash != std::string_view::npos) {
    std::string_view number = pattern.substr(slash + 1);
    std::size_t asked = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), asked);
    if (error != std::errc() || end != number.data() + number.size() || asked > bits) return std::nullopt;
    bits = asked;
  }
  return AddressPattern{*address, bits};
}

bool is_world_anyone(const Identity& identity) { return identity.scheme == "world" && identity.id == "anyone"; }

// As Java's "a:b".split(":") has two parts: colons at the end don't count.
bool is_digest_id(std::string_view id) {
  while (id.ends_with(':')) id.remove_suffix(1);
  return std::count(id.begin(), id.end(), ':') == 1;
}

// A Kerberos name, or any name without '@'.
bool is_sasl_id(std::string_view id) {
  std::size_t at = id.find('@');
  if (at == std::string_view::npos) return true;
  std::string_view first = id.substr(0, at);
  return std::count(first.begin(), first.end(), '/') <= 1 &&
         id.substr(at + 1).find_first_of("/@") == std::string_view::npos;
}

bool has_provider(std::string_view scheme, const AclSchemes& schemes) {
  return scheme == "ip" || (scheme == "digest" && schemes.digest) || (scheme == "sasl" && schemes.sasl) ||
         (scheme == "x509" && schemes.x509);
}

bool is_well_formed(const Identity& identity, const AclSchemes& schemes) {
  if (!has_provider(identity.scheme, schemes)) return false;
  if (identity.scheme == "digest") return is_digest_id(identity.id);
  if (identity.scheme == "ip") return is_valid_ip_pattern(identity.id);
  if (identity.scheme == "sasl") return is_sasl_id(identity.id);
  return is_x500_name(identity.id);
}

bool matches(const Identity& have, const Identity& wanted, const AclSchemes& schemes) {
  if (have.scheme != wanted.scheme) return false;
  if (have.scheme == "ip") return ip_matches(have.id, wanted.id);
  if (have.id == wanted.id) return true;
  if (have.scheme != "sasl") return false;
  return have.id == "super" || (!schemes.any_sasl_user.empty() && wanted.id == schemes.any_sasl_user);
}

}  // namespace

std::optional<std::string> digest_identity(std::string_view user_and_password, const std::string& algorithm) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> digest(EVP_MD_fetch(nullptr, algorithm.c_str(), nullptr),
                                                         EVP_MD_free);
  if (!digest ||
      EVP_Digest(user_and_password.data(), user_and_password.size(), hash.data(), &size, digest.get(), nullptr) != 1) {
    return std::nullopt;
  }
  return std::string(user_and_password.substr(0, user_and_password.find(':'))) + ":" +
         base::to_base64(base::ByteView(hash.data(), size));
}

bool is_valid_ip_pattern(std::string_view pattern) { return parse_pattern(pattern).has_value(); }

bool ip_matches(std::string_view address, std::string_view pattern) {
  auto have = parse_address(address);
  auto wanted = parse_pattern(pattern);
  if (!have || !wanted || have->size != wanted->address.size) return false;
  for (std::size_t bit = 0; bit < wanted->bits; bit += 8) {
    std::size_t count = std::min<std::size_t>(8, wanted->bits - bit);
    auto mask = static_cast<std::uint8_t>(0xff00U >> count);
    if (((have->bytes[bit / 8] ^ wanted->address.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

std::optional<AclList> normalise_acl(AclList acl, std::span<const Identity> caller, const AclSchemes& schemes) {
  if (acl.size() == 1 && is_world_anyone(acl[0].identity)) return acl;  // most are
  AclList unique;
  for (AclEntry& entry : acl) {
    if (std::find(unique.begin(), unique.end(), entry) == unique.end()) unique.push_back(std::move(entry));
  }
  if (unique.empty()) return std::nullopt;
  AclList result;
  for (AclEntry& entry : unique) {
    if (is_world_anyone(entry.identity)) {
      result.push_back(std::move(entry));
    } else if (entry.identity.scheme == "auth") {
      bool any = false;
      for (const Identity& identity : caller) {
        // An address is no proof of who it is, and "super" is no scheme of an entry.
        if (identity.scheme == "ip" || !has_provider(identity.scheme, schemes)) continue;
        result.push_back(AclEntry{entry.permissions, identity});
        any = true;
      }
      if (!any) return std::nullopt;
    } else if (is_well_formed(entry.identity, schemes)) {
      result.push_back(std::move(entry));
    } else {
      return std::nullopt;
    }
  }
  return result;
}

bool is_allowed(const AclList& acl, std::int32_t permissions, std::span<const Identity> caller,
                const AclSchemes& schemes) {
  if (schemes.skip_checks || acl.empty()) return true;
  for (const Identity& identity : caller) {
    if (identity.scheme == "super") return true;
  }
  for (const AclEntry& entry : acl) {
    if ((entry.permissions & permissions) == 0) continue;
    if (is_world_anyone(entry.identity)) return true;
    if (!has_provider(entry.identity.scheme, schemes)) continue;
    for (const Identity& identity : caller) {
      if (matches(identity, entry.identity, schemes)) return true;
    }
  }
  return false;
}

AclList masked(AclList acl) {
  for (AclEntry& entry : acl) {
    if (entry.identity.scheme != "digest") continue;
    entry.identity.id = entry.identity.id.substr(0, entry.identity.id.find(':')) + ":x";
  }
  return acl;
}

const SharedAcl& AclHandle::open() {
  static const SharedAcl open = std::make_shared<const AclList>(AclList{AclEntry{kAll, Identity{"world", "anyone"}}});
  return open;
}

AclHandle::AclHandle(AclList list) {
  if (list != *open()) list_ = std::make_shared<const AclList>(std::move(list));
}

AclCache::AclCache() : open_(AclHandle::open()) {}

std::string AclCache::key_of(const AclList& acl) {
  std::string key;
  for (const AclEntry& entry : acl) {
    key += std::to_string(entry.permissions);
    key += '\0';
    key += entry.identity.scheme;
    key += '\0';
    key += entry.identity.id;
    key += '\0';
  }
  return key;
}

std::int64_t AclCache::acquire(const AclList& acl) {
  if (&acl == open_.get() || acl == *open_) return kOpenId;
  std::string key = key_of(acl);
  auto [found, added] = ids_.try_emplace(std::move(key), last_id_ + 1);
  if (added) by_id_[++last_id_].acl = std::make_shared<const AclList>(acl);
  ++by_id_[found->second].users;
  return found->second;
}

bool AclCache::retain(std::int64_t id) {
  if (id == kOpenId) return true;
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  ++found->second.users;
  return true;
}

void AclCache::release(std::int64_t id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end() || --found->second.users > 0) return;
  ids_.erase(key_of(*found->second.acl));
  by_id_.erase(found);
}

const SharedAcl& AclCache::find(std::int64_t id) const {
  static const SharedAcl none;
  if (id == kOpenId) return open_;
  auto found = by_id_.find(id);
  return found == by_id_.end() ? none : found->second.acl;
}

void AclCache::load(std::int64_t id, AclList acl) {
  ids_[key_of(acl)] = id;
  by_id_[id].acl = std::make_shared<const AclList>(std::move(acl));
  last_id_ = std::max(last_id_, id);
}

void AclCache::drop_unused() {
  for (auto entry = by_id_.begin(); entry != by_id_.end();) {
    if (entry->second.users > 0) {
      ++entry;
      continue;
    }
    auto named = ids_.find(key_of(*entry->second.acl));
    if (named != ids_.end() && named->second == entry->first) ids_.erase(named);
    entry = by_id_.erase(entry);
  }
}

std::map<std::int64_t, SharedAcl> AclCache::lists() const {
  std::map<std::int64_t, SharedAcl> lists;
  for (const auto& [id, entry] : by_id_) lists.emplace(id, entry.acl);
  return lists;
}

}  // namespace zk::tree
