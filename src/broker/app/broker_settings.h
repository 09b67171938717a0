// From configuration keys to the plain option structs of the broker's parts. Functions without state; those about connection
// limits ask for the addresses of names, which may take its time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/java_options.h"
#include "broker/app/housekeeping.h"
#include "broker/config/broker_config.h"
#include "broker/controller/control_context.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/net/server.h"
#include "log/cleaner/log_cleaner.h"
#include "log/log_manager.h"
#include "zk/client/session.h"

namespace broker::app {

storage::LogManagerConfig log_manager_config(const config::BrokerConfig& config);
storage::LogCleanerConfig log_cleaner_config(const config::BrokerConfig& config);
HousekeepingTimes housekeeping_times(const config::BrokerConfig& config);
std::size_t log_mover_threads(const config::BrokerConfig& config);
// Bytes per second of moves between log directories: a dynamic config that no file can have.
std::int64_t log_mover_rate(const config::BrokerConfig& config);
std::vector<net::ListenerOptions> listener_options(const config::BrokerConfig& config);
// max.connections.per.ip.overrides, and the limits of the addresses that its hosts had when it was set.
struct HostLimits {
  std::string text;
  std::map<std::string, std::int32_t> by_address;
};
// Both leave hosts out that aren't known, and ask for addresses only if the text isn't that of `hosts`, which they bring up to date.
net::ConnectionLimitOptions connection_limits(const config::BrokerConfig& config, HostLimits& hosts);
net::ServerOptions server_options(const config::BrokerConfig& config, HostLimits& hosts);
void check_hosts(const config::BrokerConfig& config);  // throws config::ConfigError if one of those isn't known
zk::client::ConnectString connect_string(const config::BrokerConfig& config);    // throws config::ConfigError
// Throws config::ConfigError.
zk::client::SessionOptions session_options(const config::BrokerConfig& config, const base::JavaOptions& java_options);
controller::TopicDefaults topic_defaults(const config::BrokerConfig& config);
// What goes into /brokers/ids for clients. `port_of` answers the port that a listener is really bound to.
std::vector<metadata::Endpoint> advertised_endpoints(const config::BrokerConfig& config,
                                                     const std::function<std::uint16_t(const std::string& listener)>& port_of);

}  // namespace broker::app
