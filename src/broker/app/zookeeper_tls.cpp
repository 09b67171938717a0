#include "broker/app/zookeeper_tls.h"

#include <algorithm>

#include "broker/config/config_value.h"

namespace broker::app {
namespace {

// A key of Kafka's and ZooKeeper's property for the same.
struct Key {
  const char* kafka;
  const char* zookeeper;
};

class Values {
 public:
  Values(const config::BrokerConfig& config, const base::JavaOptions& options) : config_(config), options_(options) {}

  // What was set; nothing if only Kafka's default is left.
  std::optional<std::string> find(const Key& key) const {
    if (config_.file().find(key.kafka) != nullptr) return config_.find_string(key.kafka);
    return options_.get(key.zookeeper);
  }
  std::string text(const Key& key) const { return find(key).value_or(""); }
  bool is_true(const Key& key) const {
    if (config_.file().find(key.kafka) != nullptr) return config_.get_bool(key.kafka);
    return options_.get_bool(key.zookeeper, false);
  }
  std::vector<std::string> list(const Key& key) const {
    if (config_.file().find(key.kafka) != nullptr) return config_.get_list(key.kafka);
    return config::split_list(options_.get(key.zookeeper).value_or(""));
  }

 private:
  const config::BrokerConfig& config_;
  const base::JavaOptions& options_;
};

constexpr Key kEnabled = {"zookeeper.ssl.client.enable", "zookeeper.client.secure"};
constexpr Key kKeyStore = {"zookeeper.ssl.keystore.location", "zookeeper.ssl.keyStore.location"};
constexpr Key kTrustStore = {"zookeeper.ssl.truststore.location", "zookeeper.ssl.trustStore.location"};

// Java's validator takes lists where it was told to ask responders and has no answer, so the latter means both.
base::tls::Revocation revocation(const Values& values) {
  if (values.is_true({"zookeeper.ssl.ocsp.enable", "zookeeper.ssl.ocsp"})) return base::tls::Revocation::ocsp;
  if (values.is_true({"zookeeper.ssl.crl.enable", "zookeeper.ssl.crl"})) return base::tls::Revocation::lists;
  return base::tls::Revocation::none;
}

bool verifies_host(const Values& values) {
  if (const auto algorithm = values.find({"zookeeper.ssl.endpoint.identification.algorithm", ""})) {
    return !algorithm->empty();
  }
  return values.text({"", "zookeeper.ssl.hostnameVerification"}) != "false";
}

// The key that names a store, if that can't be used; else the reason names the protocol or the cipher suite.
const Key* key_at_fault(const base::tls::Options& options) {
  const Key* key = &kKeyStore;
  try {
    if (!options.key_store.path.empty()) base::tls::load_key_store(options.key_store);
    key = &kTrustStore;
    if (!options.trust_store.path.empty()) base::tls::load_trust_store(options.trust_store);
  } catch (const base::tls::TlsError&) {
    return key;
  }
  return nullptr;
}

}  // namespace

bool has_zookeeper_certificate(const config::BrokerConfig& config, const base::JavaOptions& options) {
  const Values values(config, options);
  return values.is_true(kEnabled) && !values.text(kKeyStore).empty();
}

std::shared_ptr<const base::tls::Context> zookeeper_tls(const config::BrokerConfig& config,
                                                        const base::JavaOptions& java_options) {
  const Values values(config, java_options);
  if (!values.is_true(kEnabled)) return nullptr;
  base::tls::Options options;
  options.key_store.path = values.text(kKeyStore);
  options.key_store.password = values.text({"zookeeper.ssl.keystore.password", "zookeeper.ssl.keyStore.password"});
  options.trust_store.path = values.text(kTrustStore);
  options.trust_store.password =
      values.text({"zookeeper.ssl.truststore.password", "zookeeper.ssl.trustStore.password"});
  options.protocols = values.list({"zookeeper.ssl.enabled.protocols", "zookeeper.ssl.enabledProtocols"});
  // Kafka's default is TLSv1.2 alone, which a ZooKeeper on Java 17 refuses by its own default, TLSv1.3 alone. Both are
  // offered unless something is asked for.
  const auto protocol = values.find({"zookeeper.ssl.protocol", "zookeeper.ssl.protocol"});
  if (options.protocols.empty() && protocol) options.protocols.push_back(*protocol);
  options.cipher_suites = values.list({"zookeeper.ssl.cipher.suites", "zookeeper.ssl.ciphersuites"});
  options.verify_host = verifies_host(values);
  options.revocation = revocation(values);
  try {
    return std::make_shared<base::tls::Context>(base::tls::Context::Role::client, options);
  } catch (const base::tls::TlsError& error) {
    const Key* key = key_at_fault(options);
    if (key == nullptr) throw config::ConfigError(std::string("zookeeper.ssl: ") + error.what());
    if (config.file().find(key->kafka) == nullptr) {
      throw config::ConfigError(std::string("-D") + key->zookeeper + ": " + error.what());
    }
    throw config::ConfigError(std::string(key->kafka) + ": " + error.what(), std::vector<std::string>{key->kafka},
                              "a PEM, PKCS12 or JKS file with its password");
  }
}

}  // namespace broker::app
