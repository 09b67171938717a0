#include "broker/app/application.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>

#include "base/java_options.h"
#include "base/linker_tables.h"
#include "base/logging.h"
#include "base/process_limits.h"
#include "broker/app/broker_settings.h"
#include "broker/app/command_line.h"
#include "broker/app/node.h"
#include "broker/app/zookeeper_login.h"
#include "broker/config/broker_config.h"
#include "zk/server/exit_code.h"

namespace broker::app {
namespace {

constexpr int kFailed = 1;

std::string_view logger_of(CommandKind kind) {
  return kind == CommandKind::coordinator ? "org.apache.zookeeper.server.ZooKeeperServerMain" : "kafka.Kafka$";
}

void print(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

// The first failure of a node that has started; it ends the process as a signal does.
class Failure {
 public:
  FailureHandler handler() {
    return [this](const std::string& reason) {
      {
        std::lock_guard lock(mutex_);
        if (reason_) return;
        reason_ = reason;
      }
      ::kill(::getpid(), SIGTERM);
    };
  }
  std::optional<std::string> reason() {
    std::lock_guard lock(mutex_);
    return reason_;
  }

 private:
  std::mutex mutex_;
  std::optional<std::string> reason_;
};

// The signals that end the process, which a thread of its own takes. Made before any other thread, so that all block them.
class StopSignals {
 public:
  StopSignals(Failure& failure, std::string_view logger) : failure_(failure), logger_(logger) {
    // A background job of a shell starts with SIGINT ignored, and an ignored signal can't be waited for.
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error of the write, as in a JVM
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    // The terminal is gone: a stop as well, but not for what nohup started. As a JVM does.
    struct sigaction hangup {};
    ::sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) sigaddset(&signals_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this] { take_first(); });
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() {
    ::kill(::getpid(), SIGTERM);
    thread_.join();
  }

  // From here on a signal means an orderly stop, also one that a node's failure has sent meanwhile.
  void wait() {
    starting_ = false;
    taken_.acquire();
    taken_.release();
  }
  // The start has failed: what was started is being stopped.
  void no_longer_starting() { starting_ = false; }

 private:
  void take_first() {
    int signal = 0;
    while (sigwait(&signals_, &signal) != 0) {
    }
    if (starting_ && !failure_.reason()) halt();
    taken_.release();
  }
  // A start may take long, in a recovery for example. It leaves nothing that the next one doesn't find its way with.
  [[noreturn]] void halt() const {
    base::log_fatal(logger_, "Halting: the start was not through when the signal to stop came");
    base::flush_log();
    ::_exit(kFailed);
  }

  Failure& failure_;
  const std::string_view logger_;
  std::atomic<bool> starting_ = true;
  sigset_t signals_;
  std::binary_semaphore taken_{0};
  std::thread thread_;
};

// Where clients of this machine find the broker.
std::string first_address(const config::BrokerConfig& config) {
  const config::Listener& listener = config.advertised_listeners().front();
  return fmt::format("{}:{}", listener.host.empty() ? "localhost" : listener.host, listener.port);
}

void print_first_steps(const config::BrokerConfig& config) {
  const std::string address = first_address(config);
  print(stdout, fmt::format("\nMilena is ready on {0}. Publish and consume from another terminal "
                            "(kcat: apt-get install kcat):\n\n"
                            "  echo hello | kcat -P -b {0} -t greetings\n"
                            "  kcat -C -b {0} -t greetings -o beginning -e\n\n"
                            "Stop it with Ctrl-C.\n\n",
                            address));
}

// Throws ConfigError of what only the parts would find, so that its place in the file is told.
void check_broker_config(const config::BrokerConfig& config) {
  const base::JavaOptions java_options = base::JavaOptions::from_environment();
  zk::client::SessionOptions session = session_options(config, java_options);
  add_login(session, config, java_options);
  check_hosts(config);
}

class Process {
 public:
  explicit Process(std::string_view logger) : logger_(logger) {}

  int run(const Command& command) {
    if (command.kind == CommandKind::coordinator || command.kind == CommandKind::start) {
      coordinator_ = make_coordinator_node(load_coordinator_config(command.coordinator_file), failure_.handler());
    }
    std::shared_ptr<const config::BrokerConfig> config;
    if (command.kind != CommandKind::coordinator) {
      config = config::load_broker_config(command.server_file, command.overrides, check_broker_config);
    }
    if (coordinator_) start(*coordinator_);
    if (config) {
      broker_ = make_broker_node(config, failure_.handler());
      start(*broker_);
    }
    if (command.kind == CommandKind::start) print_first_steps(*config);
    base::release_linker_tables();
    signals_.wait();
    const std::optional<std::string> reason = failure_.reason();
    if (reason) base::log_fatal(logger_, "{}", *reason);
    stop_all();
    if (!reason) return 0;
    return command.kind == CommandKind::coordinator ? coordinator_->failure_exit_code() : kFailed;
  }

  // In reverse: the broker still needs its coordinator while it stops.
  void stop_all() {
    signals_.no_longer_starting();
    std::ranges::reverse(started_);
    for (Node* node : std::exchange(started_, {})) node->stop();
  }

 private:
  void start(Node& node) {
    node.start();
    started_.push_back(&node);
  }

  const std::string_view logger_;
  Failure failure_;
  StopSignals signals_{failure_, logger_};
  std::unique_ptr<CoordinatorNode> coordinator_;
  std::unique_ptr<Node> broker_;
  std::vector<Node*> started_;
};

// Kerberos' own library looks for its configuration there. Before any thread starts.
void set_kerberos_config() {
  const auto path = base::JavaOptions::from_environment().get("java.security.krb5.conf");
  if (path && !path->empty()) ::setenv("KRB5_CONFIG", path->c_str(), 0);
}

int run_nodes(const Command& command) {
  set_kerberos_config();
  base::raise_open_files_limit();
  const std::string_view logger = logger_of(command.kind);
  Process process(logger);
  std::string problem;
  int code = kFailed;
  const bool alone = command.kind == CommandKind::coordinator;  // then ZooKeeper's exit codes are the right ones
  try {
    return process.run(command);
  } catch (const config::ConfigError& error) {
    problem = error.what();
    if (alone) code = static_cast<int>(zk::server::ExitCode::invalid_invocation);
  } catch (const zk::server::StartError& error) {
    problem = error.what();
    if (alone) code = static_cast<int>(error.code());
  } catch (const std::exception& error) {
    problem = fmt::format("The start failed: {}", error.what());
  }
  base::log_fatal(logger, "{}", problem);
  try {
    process.stop_all();
  } catch (const std::exception& error) {
    base::log_error(logger, "The stop failed as well: {}", error.what());
  }
  return code;
}

}  // namespace

int run(const std::vector<std::string>& arguments) {
  const Command command = parse_command_line(arguments);
  int code = 0;
  switch (command.kind) {
    case CommandKind::help:
      print(stdout, usage());
      break;
    case CommandKind::version:
      print(stdout, "Milena " MILENA_VERSION " (compatible with Kafka 3.9.2)\n");
      break;
    case CommandKind::wrong:
      print(stderr, fmt::format("milena: {}\n{}", command.problem, usage()));
      code = !arguments.empty() && arguments[0] == "log" ? 2 : 1;  // 1 there: a log with faults
      break;
    case CommandKind::log:
      code = run_log_command(command.log);
      break;
    default:
      code = run_nodes(command);
      break;
  }
  base::flush_log();
  return code;
}

}  // namespace broker::app
