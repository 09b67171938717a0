// TLS to the coordinator as configured: the keys zookeeper.ssl.* of server.properties, and where one isn't set the
// system property of ZooKeeper's client (-Dzookeeper.ssl.keyStore.location=...) that the environment has for a JVM, as
// in Kafka.
#pragma once

#include <memory>

#include "base/java_options.h"
#include "base/tls/context.h"
#include "broker/config/broker_config.h"

namespace broker::app {

// With TLS the certificate says who the broker is: whether it speaks TLS and has a key store, as Kafka looks for one.
bool has_zookeeper_certificate(const config::BrokerConfig& config, const base::JavaOptions& options);

// Null if the coordinator is spoken to in plaintext. Throws config::ConfigError.
std::shared_ptr<const base::tls::Context> zookeeper_tls(const config::BrokerConfig& config,
                                                        const base::JavaOptions& options);

}  // namespace broker::app
