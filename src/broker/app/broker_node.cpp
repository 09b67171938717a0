#include <stdexcept>

#include "broker/app/node.h"
#if __has_include("broker/app/broker_app.h")
#include "broker/app/broker_app.h"
#endif

namespace broker::app {

#if __has_include("broker/app/broker_app.h")
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
#else
std::unique_ptr<Node> make_broker_node(std::shared_ptr<const config::BrokerConfig>, FailureHandler) {
  throw std::runtime_error("this build has no broker yet");
}
#endif

}  // namespace broker::app
