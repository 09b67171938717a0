// One broker: makes all its parts, in the order in which they need each other, and takes them down again. start()
// returns once clients are served; it throws std::runtime_error with one message for the operator, having cleaned up.
// stop() is Kafka's clean shutdown. Both are called on the main thread, once each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "broker/config/broker_config.h"

namespace broker::app {

class BrokerApp {
 public:
  explicit BrokerApp(std::shared_ptr<const config::BrokerConfig> config);
  ~BrokerApp();
  BrokerApp(const BrokerApp&) = delete;
  BrokerApp& operator=(const BrokerApp&) = delete;

  // Called from some thread when the broker can't go on (its last log dir failed, its id was taken): the process is to
  // stop it and exit with 1. Set before start().
  void on_fatal(std::function<void(const std::string& reason)> callback);
  void start();
  void stop();
  // The port in use, also if 0 was configured.
  std::uint16_t port(const std::string& listener) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace broker::app
