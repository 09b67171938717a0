#include "broker/app/broker_app.h"
#include "broker/app/node.h"

namespace broker::app {

namespace {

class Broker final : public Node {
 public:
  Broker(std::shared_ptr<const config::BrokerConfig> config, FailureHandler on_failure) : app_(std::move(config)) {
    app_.on_fatal(std::move(on_failure));
  }
  void start() override { app_.start(); }
  void stop() override { app_.stop(); }

 private:
  BrokerApp app_;
};

}  // namespace

std::unique_ptr<Node> make_broker_node(std::shared_ptr<const config::BrokerConfig> config, FailureHandler on_failure) {
  return std::make_unique<Broker>(std::move(config), std::move(on_failure));
}

}  // namespace broker::app
