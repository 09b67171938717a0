#include "broker/app/zookeeper_login.h"

#include <fmt/format.h>

#include "broker/app/zookeeper_tls.h"
#include "broker/controller/znode_rules.h"

namespace broker::app {
namespace {

constexpr const char* kEnabled = "zookeeper.sasl.client";
constexpr const char* kSection = "zookeeper.sasl.clientconfig";

std::shared_ptr<const zk::sasl::ClientLogin> login_of(const base::JavaOptions& options) {
  const std::string section = options.get(kSection).value_or("Client");
  const std::string file = options.get(zk::sasl::kJaasOption).value_or("");
  const auto jaas = zk::sasl::load_jaas(options);
  const std::vector<base::JaasModule>* modules = jaas ? jaas->find(section) : nullptr;
  if (modules == nullptr) {
    if (options.get(kSection)) {
      throw zk::sasl::LoginError(
          fmt::format("-D{}={} names no section of the JAAS file '{}'", kSection, section, file));
    }
    return nullptr;
  }
  if (!options.get_bool(kEnabled, true)) {
    throw zk::sasl::LoginError(fmt::format(
        "{} has the section {}, but -D{}=false disables SASL in the ZooKeeper client", file, section, kEnabled));
  }
  zk::sasl::ClientLoginOptions login;
  login.service = options.get("zookeeper.sasl.client.username").value_or("zookeeper");
  login.server_principal = options.get("zookeeper.server.principal").value_or("");
  login.server_realm = options.get("zookeeper.server.realm").value_or("");
  login.canonicalize_host = options.get_bool("zookeeper.sasl.client.canonicalize.hostname", true);
  try {
    return std::make_shared<const zk::sasl::ClientLogin>(*modules, std::move(login));
  } catch (const zk::sasl::LoginError& error) {
    throw zk::sasl::LoginError(fmt::format("section {} of {}: {}", section, file, error.what()));
  }
}

}  // namespace

void add_login(zk::client::SessionOptions& session, const config::BrokerConfig& config,
               const base::JavaOptions& options) {
  try {
    session.login = login_of(options);
  } catch (const zk::sasl::LoginError& error) {
    throw config::ConfigError(error.what());
  }
  if (!config.get_bool("zookeeper.set.acl")) return;
  if (!session.login && !has_zookeeper_certificate(config, options)) {
    throw config::ConfigError(
        fmt::format(
            "zookeeper.set.acl is true, but there is neither a TLS client certificate for ZooKeeper "
            "(zookeeper.ssl.client.enable and zookeeper.ssl.keystore.location, or ZooKeeper's system properties for them) nor the section Client in a JAAS "
            "file (-D{}=FILE in KAFKA_OPTS)",
            zk::sasl::kJaasOption),
        "zookeeper.set.acl");
  }
  session.acl_of = controller::znode_rules;
}

}  // namespace broker::app
