// Kerberos names as ZooKeeper takes them apart: service[/host]@REALM, or a plain name. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace zk::sasl {

struct KerberosName {
  std::string service;
  std::optional<std::string> host;
  std::optional<std::string> realm;

  // Nothing for a name with an '@' that isn't of this form; one without '@' is all service.
  static std::optional<KerberosName> parse(std::string_view name);
};

class AuthToLocal;

struct NameRules {
  std::shared_ptr<const AuthToLocal> auth_to_local;  // security.auth_to_local; null: DEFAULT
  bool remove_host = false;                          // kerberos.removeHostFromPrincipal
  bool remove_realm = false;                         // kerberos.removeRealmFromPrincipal
  std::string default_realm;
};

// The id of the sasl scheme for one who has proved to be `name`. A name to which no rule applies (by default: of
// another realm than the default one) stays as it is. Nothing if the name is malformed.
std::optional<std::string> authorized_id(std::string_view name, const NameRules& rules);

}  // namespace zk::sasl
