// Who the broker is to ZooKeeper: what the -D options of the environment and the JAAS file that they name say, together
// with zookeeper.set.acl.
#pragma once

#include "base/java_options.h"
#include "broker/config/broker_config.h"
#include "zk/client/session.h"

namespace broker::app {

// Throws config::ConfigError if the file can't be used, or if zookeeper.set.acl=true has nobody to own the znodes.
void add_login(zk::client::SessionOptions& session, const config::BrokerConfig& config,
               const base::JavaOptions& options);

}  // namespace broker::app
