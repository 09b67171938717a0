// The keys of the AdminServer and of the Prometheus endpoint.
#include "zk/server/config_keys.h"

namespace zk::server {

namespace {

using Config = ZooKeeperServerConfig;

constexpr std::int64_t kIntMax = INT32_MAX;
constexpr std::string_view kPrometheusProvider = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";

void set_metrics_provider(Config& config, const std::string& key, const ConfigEntry& entry) {
  std::string_view name = choice_value(key, entry,
                                       {"org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
                                        "org.apache.zookeeper.metrics.impl.NullMetricsProvider", kPrometheusProvider});
  if (name == kPrometheusProvider && !config.prometheus) config.prometheus.emplace();
}

// Of the AdminServer, which is on unless admin.enableServer says no.
template <class T>
ConfigSetter admin_number(T AdminServerConfig::*member, std::int64_t lowest, std::int64_t highest) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    auto value = static_cast<T>(number_value(key, entry, lowest, highest));
    if (config.admin) (*config.admin).*member = value;
  };
}

ConfigSetter admin_text(std::string AdminServerConfig::*member) {
  return [=](Config& config, const std::string&, const ConfigEntry& entry) {
    if (config.admin) (*config.admin).*member = trimmed(entry.value);
  };
}

ConfigSetter admin_switch(bool AdminServerConfig::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    const bool value = switch_value(config.warnings, key, entry);
    if (config.admin) (*config.admin).*member = value;
  };
}

ConfigSetter admin_protection(bool AdminServerConfig::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    const bool value = protecting_value(key, entry);
    if (config.admin) (*config.admin).*member = value;
  };
}

// -1: none.
ConfigSetter metrics_port(std::optional<std::uint16_t> PrometheusConfig::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    const std::int64_t port = number_value(key, entry, -1, 65535);
    if (config.prometheus && port >= 0) (*config.prometheus).*member = static_cast<std::uint16_t>(port);
  };
}

ConfigSetter metrics_protection(bool PrometheusConfig::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    const bool value = protecting_value(key, entry);
    if (config.prometheus) (*config.prometheus).*member = value;
  };
}

// With the text of the key's value.
ConfigSetter metrics_text(void (*set)(PrometheusConfig&, const std::string& value)) {
  return [=](Config& config, const std::string&, const ConfigEntry& entry) {
    if (config.prometheus) set(*config.prometheus, trimmed(entry.value));
  };
}

void check_store_type(Config&, const std::string& key, const ConfigEntry& entry) {
  choice_value(key, entry, {"", "JKS", "PEM", "PKCS12"});  // what a store is, is seen by its content
}

}  // namespace

void add_http_keys(ConfigKeys& keys) {
  keys["admin.serverAddress"] = admin_text(&AdminServerConfig::address);
  keys["admin.serverPort"] = admin_number(&AdminServerConfig::port, 0, 65535);
  keys["admin.commandURL"] = admin_text(&AdminServerConfig::command_url);
  keys["admin.idleTimeout"] = admin_number(&AdminServerConfig::idle_timeout_ms, 1, kIntMax);
  keys["admin.portUnification"] = admin_switch(&AdminServerConfig::port_unification);
  keys["admin.forceHttps"] = admin_protection(&AdminServerConfig::force_https);
  keys["admin.needClientAuth"] = admin_protection(&AdminServerConfig::need_client_auth);
  keys["admin.snapshot.enabled"] = admin_switch(&AdminServerConfig::snapshot_enabled);
  keys["admin.restore.enabled"] = admin_switch(&AdminServerConfig::restore_enabled);
  keys["admin.rateLimiterIntervalInMS"] = admin_number(&AdminServerConfig::rate_limit_interval_ms, 0, kIntMax);
  keys["IPAuthenticationProvider.usexforwardedfor"] = admin_switch(&AdminServerConfig::trusts_forwarded_for);
  // The name of the provider comes before its other keys: they are set in the order of the alphabet.
  keys["metricsProvider.className"] = set_metrics_provider;
  keys["metricsProvider.httpPort"] = metrics_port(&PrometheusConfig::port);
  keys["metricsProvider.httpsPort"] = metrics_port(&PrometheusConfig::secure_port);
  keys["metricsProvider.httpHost"] =
      metrics_text([](PrometheusConfig& config, const std::string& value) { config.address = value; });
  keys["metricsProvider.ssl.keyStore.location"] =
      metrics_text([](PrometheusConfig& config, const std::string& value) { config.tls.key_store.path = value; });
  keys["metricsProvider.ssl.keyStore.password"] =
      metrics_text([](PrometheusConfig& config, const std::string& value) { config.tls.key_store.password = value; });
  keys["metricsProvider.ssl.keyStore.type"] = check_store_type;
  keys["metricsProvider.ssl.trustStore.location"] =
      metrics_text([](PrometheusConfig& config, const std::string& value) { config.tls.trust_store.path = value; });
  keys["metricsProvider.ssl.trustStore.password"] =
      metrics_text([](PrometheusConfig& config, const std::string& value) { config.tls.trust_store.password = value; });
  keys["metricsProvider.ssl.trustStore.type"] = check_store_type;
  keys["metricsProvider.ssl.need.client.auth"] = metrics_protection(&PrometheusConfig::needs_client_auth);
  keys["metricsProvider.ssl.want.client.auth"] = metrics_protection(&PrometheusConfig::wants_client_auth);
  keys["metricsProvider.ssl.enabledProtocols"] = metrics_text(
      [](PrometheusConfig& config, const std::string& value) { config.tls.protocols = value_list(value); });
  keys["metricsProvider.ssl.ciphersuites"] = metrics_text(
      [](PrometheusConfig& config, const std::string& value) { config.tls.cipher_suites = value_list(value); });
}

}  // namespace zk::server
