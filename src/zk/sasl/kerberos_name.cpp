#include "zk/sasl/kerberos_name.h"

#include "zk/sasl/auth_to_local.h"

namespace zk::sasl {

std::optional<KerberosName> KerberosName::parse(std::string_view name) {
  KerberosName result;
  std::size_t at = name.find('@');
  if (at == std::string_view::npos) {
    result.service = name;
    return result;
  }
  std::string_view realm = name.substr(at + 1);
  std::string_view first = name.substr(0, at);
  if (realm.find_first_of("/@") != std::string_view::npos) return std::nullopt;
  std::size_t slash = first.find('/');
  if (slash != std::string_view::npos) {
    std::string_view host = first.substr(slash + 1);
    if (host.find('/') != std::string_view::npos) return std::nullopt;
    result.host = host;
  }
  result.service = first.substr(0, slash);
  result.realm = realm;
  return result;
}

std::optional<std::string> authorized_id(std::string_view name, const NameRules& rules) {
  auto parts = KerberosName::parse(name);
  if (!parts) return std::nullopt;
  std::string id = parts->service;
  if (parts->realm) {
    static const AuthToLocal default_rule("DEFAULT");
    const AuthToLocal& auth_to_local = rules.auth_to_local ? *rules.auth_to_local : default_rule;
    auto short_name = auth_to_local.apply(*parts, rules.default_realm);
    if (!short_name) return std::string(name);
    id = std::move(*short_name);
  }
  if (parts->host && !rules.remove_host) id += "/" + *parts->host;
  if (parts->realm && !rules.remove_realm) id += "@" + *parts->realm;
  return id;
}

}  // namespace zk::sasl
