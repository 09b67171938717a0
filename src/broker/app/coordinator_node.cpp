#include <fmt/format.h>

#include <atomic>

#include "base/file_system.h"
#include "base/logging.h"
#include "broker/app/node.h"
#include "zk/admin/admin_server.h"
#include "zk/server/server.h"

namespace broker::app {
namespace {

constexpr std::string_view kLogger = "org.apache.zookeeper.server.ZooKeeperServerMain";

class Coordinator final : public CoordinatorNode {
 public:
  Coordinator(const zk::server::ZooKeeperServerConfig& config, FailureHandler on_failure)
      : server_(config), admin_(config, server_) {
    server_.set_on_failure(
        [this, on_failure = std::move(on_failure)](const std::string& reason, zk::server::ExitCode code) {
          exit_code_ = static_cast<int>(code);
          on_failure(reason);
        });
  }
  void start() override {
    admin_.start();
    server_.start();
    if (server_.port() != 0) base::log_info(kLogger, "The coordinator serves clients on port {}", server_.port());
    if (server_.secure_port() != 0) {
      base::log_info(kLogger, "The coordinator serves clients over TLS on port {}", server_.secure_port());
    }
  }
  void stop() override {
    admin_.stop();
    server_.stop();
    base::log_info(kLogger, "The coordinator has stopped");
  }
  std::uint16_t port() const override { return server_.port(); }
  int failure_exit_code() const override { return exit_code_; }

 private:
  std::atomic<int> exit_code_ = static_cast<int>(zk::server::ExitCode::unexpected_error);
  zk::server::Server server_;
  zk::admin::AdminServer admin_;
};

}  // namespace

std::unique_ptr<CoordinatorNode> make_coordinator_node(zk::server::ZooKeeperServerConfig config,
                                                       FailureHandler on_failure) {
  return std::make_unique<Coordinator>(std::move(config), std::move(on_failure));
}

zk::server::ZooKeeperServerConfig load_coordinator_config(const std::string& path) {
  try {
    base::Properties properties = config::load_properties(path);
    const base::JavaOptions options = base::JavaOptions::from_environment();
    zk::server::add_java_options(properties, options);
    zk::server::ZooKeeperServerConfig config = zk::server::ZooKeeperServerConfig::from(properties, &base::real_file_system());
    config.security.load_login(options);
    zk::server::check_tls_files(config.tls, properties);
    config.text = zk::server::without_secrets(base::as_text(base::read_file(base::real_file_system(), path)));
    for (const std::string& warning : config.warnings) base::log_warn(kLogger, "{}: {}", path, warning);
    return config;
  } catch (const zk::server::ConfigError& error) {
    const std::string line = error.line() == 0 ? "" : fmt::format(":{}", error.line());
    throw config::ConfigError(fmt::format("{}{}: {}", path, line, error.what()));
  }
}

}  // namespace broker::app
