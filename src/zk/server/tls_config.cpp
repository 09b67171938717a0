#include "zk/server/tls_config.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>

#include "zk/server/config.h"
#include "zk/server/config_values.h"

namespace zk::server {

namespace {

constexpr std::string_view kX509Provider = "org.apache.zookeeper.server.auth.X509AuthenticationProvider";

using Setter = std::function<void(TlsConfig&, const std::string& value)>;

[[noreturn]] void refuse(const std::string& allowed) { throw std::invalid_argument(allowed); }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::int64_t number(const std::string& value, std::int64_t lowest, std::int64_t highest) {
  std::int64_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size() || result < lowest || result > highest) {
    refuse("it must be a number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return result;
}

bool boolean(const std::string& value) {
  if (equal_ignoring_case(value, "true")) return true;
  if (equal_ignoring_case(value, "false") || value.empty()) return false;
  refuse("it must be true or false");
}

void check_store_type(TlsConfig&, const std::string& value) {
  // What a store is, is seen by its content.
  for (const char* known : {"", "JKS", "PEM", "PKCS12"}) {
    if (equal_ignoring_case(value, known)) return;
  }
  refuse("JKS, PEM and PKCS12 are served. Convert the store: keytool -importkeystore -srckeystore STORE -srcstoretype " + value +
         " -destkeystore STORE.p12 -deststoretype PKCS12");
}

void set_client_auth(TlsConfig& config, const std::string& value) {
  using base::tls::ClientAuth;
  const std::map<std::string, ClientAuth> known = {
      {"", ClientAuth::need}, {"need", ClientAuth::need}, {"want", ClientAuth::want}, {"none", ClientAuth::none}};
  for (const auto& [name, wish] : known) {
    if (!equal_ignoring_case(value, name)) continue;
    config.options.client_auth = wish;
    return;
  }
  refuse("it must be none, want or need");
}

// A check that isn't served must not be left out silently.
Setter only_false(const char* what) {
  return [what](TlsConfig&, const std::string& value) {
    if (boolean(value)) refuse(std::string(what) + " is not served, and ignoring it would be unsafe");
  };
}

// As in ZooKeeper, ssl.ocsp alone looks into lists, too, where no responder says enough.
Setter check_revocation(base::tls::Revocation kind) {
  return [kind](TlsConfig& config, const std::string& value) {
    if (boolean(value)) config.options.revocation = std::max(config.options.revocation, kind);
  };
}

Setter only(const char* value_served) {
  return [value_served](TlsConfig&, const std::string& value) {
    if (!equal_ignoring_case(value, value_served)) refuse(std::string("only ") + value_served + " is served");
  };
}

void ignore_boolean(TlsConfig&, const std::string& value) { boolean(value); }
void ignore_number(TlsConfig&, const std::string& value) { number(value, INT32_MIN, INT32_MAX); }

const std::map<std::string, Setter, std::less<>>& setters() {
  static const std::map<std::string, Setter, std::less<>> all = {
      {"secureClientPort",
       [](TlsConfig& config, const std::string& value) {
         const auto port = static_cast<std::uint16_t>(number(value, 0, 65535));
         if (port != 0) config.port = port;
       }},
      {"secureClientPortAddress", [](TlsConfig& config, const std::string& value) { config.address = value; }},
      {"client.portUnification",
       [](TlsConfig& config, const std::string& value) { config.port_unification = boolean(value); }},
      {"ssl.keyStore.location",
       [](TlsConfig& config, const std::string& value) { config.options.key_store.path = value; }},
      {"ssl.keyStore.password",
       [](TlsConfig& config, const std::string& value) { config.options.key_store.password = value; }},
      {"ssl.keyStore.passwordPath",
       [](TlsConfig& config, const std::string& value) { config.key_password_path = value; }},
      {"ssl.keyStore.type", check_store_type},
      {"ssl.trustStore.location",
       [](TlsConfig& config, const std::string& value) { config.options.trust_store.path = value; }},
      {"ssl.trustStore.password",
       [](TlsConfig& config, const std::string& value) { config.options.trust_store.password = value; }},
      {"ssl.trustStore.passwordPath",
       [](TlsConfig& config, const std::string& value) { config.trust_password_path = value; }},
      {"ssl.trustStore.type", check_store_type},
      {"ssl.protocol",
       [](TlsConfig& config, const std::string& value) {
         if (config.options.protocols.empty()) config.options.protocols = value_list(value);
       }},
      {"ssl.enabledProtocols",
       [](TlsConfig& config, const std::string& value) { config.options.protocols = value_list(value); }},
      {"ssl.ciphersuites",
       [](TlsConfig& config, const std::string& value) { config.options.cipher_suites = value_list(value); }},
      {"ssl.clientAuth", set_client_auth},
      {"ssl.authProvider", only("x509")},
      {"ssl.hostnameVerification", ignore_boolean},  // of servers, by clients
      {"ssl.clientHostnameVerification", only_false("checking the host names of clients")},
      {"ssl.allowReverseDnsLookup", ignore_boolean},
      {"ssl.crl", check_revocation(base::tls::Revocation::lists)},
      {"ssl.ocsp", check_revocation(base::tls::Revocation::ocsp)},
      {"ssl.context.supplier.class", only("")},
      {"ssl.handshakeDetectionTimeoutMillis", ignore_number},
      {"fips-mode", ignore_boolean},
      {"client.certReload", [](TlsConfig& config, const std::string& value) { config.reload = boolean(value); }},
      {"netty.server.outstandingHandshake.limit",
       [](TlsConfig& config, const std::string& value) {
         const std::int64_t limit = number(value, INT32_MIN, INT32_MAX);
         config.handshakes_max = limit > 0 ? static_cast<std::size_t>(limit) : 0;
       }},
      // The stores of an ensemble's own connections are the AdminServer's, too.
      {"ssl.quorum.keyStore.location",
       [](TlsConfig& config, const std::string& value) { config.quorum_key_store.path = value; }},
      {"ssl.quorum.keyStore.password",
       [](TlsConfig& config, const std::string& value) { config.quorum_key_store.password = value; }},
      {"ssl.quorum.keyStore.passwordPath",
       [](TlsConfig& config, const std::string& value) { config.quorum_key_password_path = value; }},
      {"ssl.quorum.keyStore.type", check_store_type},
      {"ssl.quorum.trustStore.location",
       [](TlsConfig& config, const std::string& value) { config.quorum_trust_store.path = value; }},
      {"ssl.quorum.trustStore.password",
       [](TlsConfig& config, const std::string& value) { config.quorum_trust_store.password = value; }},
      {"ssl.quorum.trustStore.passwordPath",
       [](TlsConfig& config, const std::string& value) { config.quorum_trust_password_path = value; }},
      {"ssl.quorum.trustStore.type", check_store_type},
      {"X509AuthenticationProvider.superUser",
       [](TlsConfig& config, const std::string& value) { config.x509_super_user = value; }},
      {"X509AuthenticationProvider.clientCertIdType", only("SUBJECT")},
  };
  return all;
}

bool is_of_ensembles(std::string_view key) {
  return key.starts_with("ssl.quorum.") || key.starts_with("sslQuorum") ||
         key.starts_with("X509AuthenticationProvider.clientCertIdSan");
}

}  // namespace

bool set_tls_key(TlsConfig& config, std::string_view key, std::string_view value) {
  const auto first = value.find_first_not_of(" \t\r\n");
  const std::string text = first == std::string_view::npos
                               ? ""
                               : std::string(value.substr(first, value.find_last_not_of(" \t\r\n") - first + 1));
  if (key.starts_with("authProvider.") && text == kX509Provider) {
    config.x509_provider = true;
    return true;
  }
  const auto setter = setters().find(key);
  if (setter == setters().end()) return is_of_ensembles(key);
  setter->second(config, text);
  return true;
}

bool is_tls_key(std::string_view key) {
  return setters().contains(key) || is_of_ensembles(key) || key.starts_with("authProvider.");
}

std::string_view tls_key_in_its_case(std::string_view key) {
  for (const auto& each : setters()) {
    if (equal_ignoring_case(each.first, key)) return each.first;
  }
  return {};
}

base::tls::Options tls_options(const TlsConfig& config) {
  base::tls::Options options = config.options;
  if (!config.key_password_path.empty()) {
    options.key_store.password = base::tls::read_password(config.key_password_path);
  }
  if (!config.trust_password_path.empty()) {
    options.trust_store.password = base::tls::read_password(config.trust_password_path);
  }
  return options;
}

base::tls::Options quorum_tls_options(const TlsConfig& config) {
  base::tls::Options options;
  options.key_store = config.quorum_key_store;
  options.trust_store = config.quorum_trust_store;
  if (!config.quorum_key_password_path.empty()) {
    options.key_store.password = base::tls::read_password(config.quorum_key_password_path);
  }
  if (!config.quorum_trust_password_path.empty()) {
    options.trust_store.password = base::tls::read_password(config.quorum_trust_password_path);
  }
  return options;
}

void check_tls_files(const TlsConfig& config, const base::Properties& properties) {
  if (!config.enabled()) return;
  const auto line_of = [&](const char* key) {
    const ConfigEntry* entry = properties.find(key);
    return entry == nullptr ? 0 : entry->line;  // of a system property none
  };
  const auto check = [&](const char* key, const std::string& path, const std::function<void()>& use) {
    if (path.empty()) return;
    try {
      use();
    } catch (const base::tls::TlsError& error) {
      throw ConfigError(line_of(key), std::string(key) + ": " + error.what());
    }
  };
  if (config.options.key_store.path.empty()) {
    throw ConfigError(line_of(config.port ? "secureClientPort" : "client.portUnification"),
                      "ssl.keyStore.location is missing: a port that speaks TLS needs a key and its certificate");
  }
  base::tls::Store keys = config.options.key_store, trust = config.options.trust_store;
  check("ssl.keyStore.passwordPath", config.key_password_path,
        [&] { keys.password = base::tls::read_password(config.key_password_path); });
  check("ssl.trustStore.passwordPath", config.trust_password_path,
        [&] { trust.password = base::tls::read_password(config.trust_password_path); });
  check("ssl.keyStore.location", keys.path, [&] { base::tls::load_key_store(keys); });
  check("ssl.trustStore.location", trust.path, [&] { base::tls::load_trust_store(trust); });
  try {
    const base::tls::Context context(base::tls::Context::Role::server, tls_options(config));
  } catch (const base::tls::TlsError& error) {  // which names the protocol or the cipher suite
    throw ConfigError(line_of(config.options.cipher_suites.empty() ? "ssl.enabledProtocols" : "ssl.ciphersuites"), error.what());
  }
}

std::string tls_files_stamp(const TlsConfig& config) {
  std::string stamp;
  for (const std::string* path : {&config.options.key_store.path, &config.options.trust_store.path,
                                  &config.key_password_path, &config.trust_password_path}) {
    if (path->empty()) continue;
    std::error_code error;
    const auto time = std::filesystem::last_write_time(*path, error);
    stamp += error ? "-" : std::to_string(time.time_since_epoch().count());
    stamp += "/" + std::to_string(std::filesystem::file_size(*path, error)) + ",";
  }
  return stamp;
}

}  // namespace zk::server
