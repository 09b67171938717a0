#include "zk/server/security_config.h"

#include <algorithm>
#include <map>

#include "zk/sasl/auth_to_local.h"
#include "zk/server/config.h"
#include "zk/server/config_values.h"

namespace zk::server {

namespace {

using Entry = ConfigEntry;

constexpr std::string_view kProvider = "authProvider.";

bool has_provider(const tree::AclSchemes& schemes, const std::string& scheme) {
  return scheme == "ip" || (scheme == "digest" && schemes.digest) || (scheme == "sasl" && schemes.sasl) ||
         (scheme == "x509" && schemes.x509);
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    std::size_t comma = text.find(',');
    parts.push_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

bool SecurityConfig::is_known(std::string_view key) {
  static constexpr std::string_view kKeys[] = {"requireClientAuthScheme",
                                               "sessionRequireClientSASLAuth",
                                               "enforce.auth.enabled",
                                               "enforce.auth.schemes",
                                               "allowSaslFailedClients",
                                               "superUser",
                                               "letAnySaslUserDoX",
                                               "sasl.serverconfig",
                                               "SASLAuthenticationProvider.superPassword",
                                               "DigestAuthenticationProvider.enabled",
                                               "DigestAuthenticationProvider.digestAlg",
                                               "kerberos.removeHostFromPrincipal",
                                               "kerberos.removeRealmFromPrincipal",
                                               "security.auth_to_local",
                                               "jaasLoginRenew"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys) || key.starts_with(kProvider);
}

void SecurityConfig::take_provider(const std::string& key, const Entry& entry) {
  constexpr std::string_view kPackage = "org.apache.zookeeper.server.auth.";
  std::string name = trimmed(entry.value);
  std::string_view simple = name;
  if (simple.starts_with(kPackage)) simple.remove_prefix(kPackage.size());
  if (simple == "SASLAuthenticationProvider") {
    schemes.sasl = true;
  } else if (simple == "X509AuthenticationProvider") {
    schemes.x509 = true;  // normally taken by the keys of TLS
  } else if (simple != "DigestAuthenticationProvider" && simple != "IPAuthenticationProvider") {
    throw ConfigError(entry.line, key + "=" + name + " is not valid: it must be one of " + std::string(kPackage) +
                                      "{SASL,X509,Digest,IP}AuthenticationProvider; classes can't be loaded here");
  }
}

void SecurityConfig::take_rules(const Entry& entry) {
  try {
    login_options.rules.auth_to_local = std::make_shared<const sasl::AuthToLocal>(entry.value);
  } catch (const std::invalid_argument& error) {
    throw ConfigError(entry.line, std::string("security.auth_to_local is not valid: ") + error.what());
  }
}

bool SecurityConfig::take(std::string_view key, const Entry& entry, std::vector<std::string>& warnings) {
  if (!is_known(key)) return false;
  const std::map<std::string_view, bool*> booleans = {
      {"sessionRequireClientSASLAuth", &session_requires_sasl_},
      {"enforce.auth.enabled", &enforce_},
      {"allowSaslFailedClients", &allow_sasl_failed_clients},
      {"DigestAuthenticationProvider.enabled", &schemes.digest},
      {"kerberos.removeHostFromPrincipal", &login_options.rules.remove_host},
      {"kerberos.removeRealmFromPrincipal", &login_options.rules.remove_realm},
  };
  const std::map<std::string_view, std::string*> texts = {
      {"letAnySaslUserDoX", &schemes.any_sasl_user},
      {"sasl.serverconfig", &login_section},
      {"SASLAuthenticationProvider.superPassword", &login_options.super_password},
      {"DigestAuthenticationProvider.digestAlg", &schemes.digest_algorithm},
  };
  if (auto found = booleans.find(key); found != booleans.end()) {
    *found->second = protecting_value(std::string(key), entry);
  } else if (auto text = texts.find(key); text != texts.end()) {
    *text->second = trimmed(entry.value);
    if (key == "sasl.serverconfig") login_section_is_set = true;
  } else if (key.starts_with(kProvider)) {
    take_provider(std::string(key), entry);
  } else if (key.starts_with("superUser")) {
    if (std::string user = trimmed(entry.value); !user.empty()) sasl_super_users.insert(std::move(user));
  } else if (key == "enforce.auth.schemes") {
    enforced_schemes_ = split(entry.value);
  } else if (key == "security.auth_to_local") {
    take_rules(entry);
  } else if (key == "requireClientAuthScheme") {
    warnings.push_back(
        "requireClientAuthScheme has no effect, as in ZooKeeper since 3.5: sessionRequireClientSASLAuth=true or "
        "enforce.auth.enabled=true keep clients out that don't authenticate");
  }
  if (key == "DigestAuthenticationProvider.digestAlg" && !tree::digest_identity("a:b", schemes.digest_algorithm)) {
    throw ConfigError(entry.line, std::string(key) + "=" + entry.value + " is not valid: OpenSSL has no such digest");
  }
  return true;
}

void SecurityConfig::finish() {
  if (session_requires_sasl_) {
    required_schemes = {"sasl"};
  } else if (enforce_) {
    required_schemes = enforced_schemes_;
    if (required_schemes.empty()) {
      throw ConfigError(0, "enforce.auth.enabled=true needs enforce.auth.schemes: a connection must have one of them");
    }
  }
  for (const std::string& scheme : required_schemes) {
    if (has_provider(schemes, scheme)) continue;
    throw ConfigError(0, "enforce.auth.schemes or sessionRequireClientSASLAuth names the scheme '" + scheme +
                             "', which is not available" +
                             (scheme == "sasl" ? ": it needs authProvider.1=org.apache.zookeeper.server.auth."
                                                 "SASLAuthenticationProvider"
                                               : ""));
  }
}

bool SecurityConfig::requires_sasl() const {
  return std::find(required_schemes.begin(), required_schemes.end(), "sasl") != required_schemes.end();
}

void SecurityConfig::load_login(const base::JavaOptions& options) {
  try {
    auto jaas = sasl::load_jaas(options);
    const std::vector<base::JaasModule>* section = jaas ? jaas->find(login_section) : nullptr;
    if (section != nullptr) {
      login = std::make_shared<const sasl::ServerLogin>(*section, login_options);
    } else if (login_section_is_set) {
      throw ConfigError(0, "sasl.serverconfig=" + login_section + " names no section of the file that " +
                               std::string(sasl::kJaasOption) + " gives");
    }
  } catch (const sasl::LoginError& error) {
    throw ConfigError(
        0, "section " + login_section + " of " + options.get(sasl::kJaasOption).value_or("") + ": " + error.what());
  }
}

}  // namespace zk::server
