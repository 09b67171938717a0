// One half of the process: the broker or the coordinator. start() returns once clients are served and throws with one
// message for the operator if that fails; stop() is the clean one. Both on the main thread, once each. A failure that
// ends the service later goes to the handler that the node was made with, from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/config/broker_config.h"
#include "zk/server/config.h"

namespace broker::app {

class Node {
 public:
  virtual ~Node() = default;
  virtual void start() = 0;
  virtual void stop() = 0;
};

using FailureHandler = std::function<void(const std::string& reason)>;

class CoordinatorNode : public Node {
 public:
  virtual int failure_exit_code() const = 0;  // once the failure handler has been called
  virtual std::uint16_t port() const = 0;     // after start()
};

std::unique_ptr<Node> make_broker_node(std::shared_ptr<const config::BrokerConfig> config, FailureHandler on_failure);
std::unique_ptr<CoordinatorNode> make_coordinator_node(zk::server::ZooKeeperServerConfig config,
                                                       FailureHandler on_failure);

// zookeeper.properties (zoo.cfg), checked. Throws config::ConfigError that names file, line, key, value and what is
// allowed; logs its warnings.
zk::server::ZooKeeperServerConfig load_coordinator_config(const std::string& path);

}  // namespace broker::app
