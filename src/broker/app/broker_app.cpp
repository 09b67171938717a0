#include "broker/app/broker_app.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <stdexcept>

#include "base/logging.h"
#include "base/run_loop.h"
#include "broker/app/broker_parts.h"
#include "broker/app/broker_settings.h"
#include "broker/app/zookeeper_login.h"
#include "broker/config/group_config.h"
#include "broker/partition/read_ahead.h"

namespace broker::app {
namespace {

constexpr char kLogger[] = "kafka.server.KafkaServer";

partition::TopicSettings settings_of(const config::ConfigStore& configs, const std::string& topic) {
  const auto config = configs.topic(topic);
  partition::TopicSettings settings;
  settings.log = config->log();
  settings.min_insync_replicas = config->min_insync_replicas();
  return settings;
}

}  // namespace

BrokerApp::Parts::Parts(std::shared_ptr<const config::BrokerConfig> config)
    : configs(config),
      logs(base::real_file_system(), clock, log_manager_config(*config)),
      cleaner(logs, clock, log_cleaner_config(*config)),
      partitions(config->hot().broker_id, logs,
                 [this](const std::string& topic) { return settings_of(configs, topic); }),
      mover(clock, logs, partitions, log_mover_threads(*config)),
      group_log(metadata::kOffsetsTopic, clock, partitions, metadata),
      transaction_log(metadata::kTransactionsTopic, clock, partitions, metadata),
      groups(group_log, clock, metadata, group::limits_from(*config)),
      markers(clock, partitions, metadata, groups),
      transactions({transaction_log, clock, producer_ids, markers}, transaction::limits_from(*config)),
      router(partitions, groups, transactions),
      fetch_sessions(static_cast<std::size_t>(config->get_int("max.incremental.fetch.session.cache.slots"))) {}

BrokerApp::Parts::~Parts() {
  control_work.reset();
  control_loop.stop();
  if (control_thread.joinable()) control_thread.join();
}

template <class T>
T BrokerApp::Parts::run_on_control(base::Task<T> task) {
  return boost::asio::co_spawn(control_loop, std::move(task), boost::asio::use_future).get();
}

void BrokerApp::Parts::fatal(const std::string& reason) {
  {
    std::lock_guard lock(fatal_mutex_);
    if (fatal_reported_) return;
    fatal_reported_ = true;
  }
  if (on_fatal) on_fatal(reason);
}

void BrokerApp::Parts::open_logs() {
  logs.on_directory_failure([this](const std::string& directory) {
    const auto all = logs.directories();
    const bool none_left = std::all_of(all.begin(), all.end(), [](const auto& one) { return one.offline; });
    // The words are Kafka's: scripts look for them.
    if (none_left) fatal("Shutdown broker because all log dirs in " + directory + " have failed");
    // The thread that met the failure holds the partition's lock.
    boost::asio::post(control_loop, [this, directory] {
      partitions.directory_failed(directory);
      if (controller) controller->log_directory_failed();
    });
  });
  const storage::MetaProperties stored = logs.open_directories();
  stored_broker_id_ = stored.broker_id;
  stored_cluster_id_ = stored.cluster_id;
}

void BrokerApp::Parts::make_controller() {
  controller::ControlHooks hooks;
  hooks.config_changed = [this](controller::ConfigEntityType type, const std::string& name,
                                const controller::StringMap& overrides) {
    const config::StringMap values(overrides.begin(), overrides.end());
    if (type == controller::ConfigEntityType::topic) {
      configs.set_topic_overrides(name, values);
    } else if (type == controller::ConfigEntityType::group) {
      std::optional<group::ConsumerGroupTimes> times;
      if (!values.empty()) {
        const config::GroupTimes own = config::group_times(*configs.broker(), values);
        times = group::ConsumerGroupTimes{own.session_timeout_ms, own.heartbeat_interval_ms, own.assignment_interval_ms};
      }
      groups.set_times(name, times);
    } else if (type == controller::ConfigEntityType::broker_default) {
      configs.set_dynamic_default(values);
    } else if (name == std::to_string(configs.broker()->hot().broker_id)) {
      configs.set_dynamic_broker(values);
    }
  };
  hooks.check_topic_configs = [this](const controller::StringMap& overrides) {
    controller::Outcome outcome;
    try {
      config::validate_topic_config(*configs.broker(), config::StringMap(overrides.begin(), overrides.end()));
    } catch (const config::ConfigError& error) {
      outcome.error = protocol::ErrorCode::invalid_config;
      outcome.message = error.what();
    }
    return outcome;
  };
  hooks.topic_defaults = [this] { return topic_defaults(*configs.broker()); };
  hooks.unclean_election_allowed = [this](std::string_view topic) {
    return configs.topic(topic)->unclean_leader_election_enable();
  };
  hooks.topic_deletion_enabled = [this] { return configs.broker()->hot().delete_topic_enable; };
  hooks.fatal = [this](const std::string& reason) { fatal(reason); };

  const auto config = configs.broker();
  const auto executor = control_loop.get_executor();
  const base::JavaOptions java_options = base::JavaOptions::from_environment();
  zk::client::SessionOptions session = session_options(*config, java_options);
  add_login(session, *config, java_options);
  if (session.login) base::log_info(kLogger, "SASL with ZooKeeper by {}", session.login->mechanism());
  auto access = controller::zookeeper_access(executor, std::move(session),
                                             static_cast<std::int32_t>(config->zookeeper_connection_timeout_ms()));
  access.session_file = config->log_dirs().front() + "/.zookeeper-session";
  controller =
      std::make_unique<controller::Controller>(executor, std::move(access), clock, metadata, router, std::move(hooks));
  group_log.set_cluster(*controller);
  transaction_log.set_cluster(*controller);
  producer_ids.set_cluster(*controller);
  control_work.emplace(control_loop.get_executor());
  control_thread = std::thread([this] { base::run_loop(control_loop, kLogger); });
  pthread_setname_np(control_thread.native_handle(), "control");
}

// The id of this broker and of its cluster, as configuration, meta.properties and ZooKeeper tell them.
void BrokerApp::Parts::agree_on_identity() {
  const std::string cluster_id = run_on_control(controller->open(stored_cluster_id_));
  std::int32_t broker_id = configs.broker()->hot().broker_id;
  if (broker_id < 0) {
    if (stored_broker_id_) {
      broker_id = *stored_broker_id_;
    } else if (configs.broker()->get_bool("broker.id.generation.enable")) {
      broker_id =
          configs.broker()->get_int("reserved.broker.max.id") + run_on_control(controller->next_broker_sequence());
    } else {
      throw std::runtime_error("broker.id is not set, and broker.id.generation.enable is false");
    }
    configs.set_broker_id(broker_id);
    partitions.set_broker_id(broker_id);
    const auto own = controller->config_overrides(controller::ConfigEntityType::broker, std::to_string(broker_id));
    configs.set_dynamic_broker(config::StringMap(own.begin(), own.end()));
  }
  logs.check_identity(broker_id, cluster_id);
}

void BrokerApp::Parts::follow_config_changes() {
  configs.on_topic_change(
      [this](const std::string& topic, const config::TopicConfig&) { partitions.topic_settings_changed(topic); });
  // Each by itself: one that can't, as without another thread, keeps none from following.
  configs.on_broker_change([this](const config::BrokerConfig&, const config::BrokerConfig& after) {
    server->set_limits(connection_limits(after, host_limits_));
  });
  configs.on_broker_change([this](const config::BrokerConfig&, const config::BrokerConfig& after) {
    server->set_network_threads(after.get_int("num.network.threads"));
  });
  configs.on_broker_change([this](const config::BrokerConfig& before, const config::BrokerConfig& after) {
    const bool same = before.listeners() == after.listeners() &&
                      before.advertised_listeners() == after.advertised_listeners();
    // The first time, they may have changed since the server was made.
    if (!same || &before == &after) change_listeners(after);
  });
  configs.on_broker_change([this](const config::BrokerConfig&, const config::BrokerConfig& after) {
    logs.set_producer_id_expiration(after.get_int("producer.id.expiration.ms"));
  });
  configs.on_broker_change([this](const config::BrokerConfig&, const config::BrokerConfig& after) {
    mover.set_bytes_per_second(log_mover_rate(after));
  });
  configs.on_broker_change(
      [this](const config::BrokerConfig&, const config::BrokerConfig&) { partitions.all_settings_changed(); });
  configs.on_broker_change([this](const config::BrokerConfig&, const config::BrokerConfig& after) {
    cleaner.reconfigure(log_cleaner_config(after));
  });
}

void BrokerApp::Parts::change_listeners(const config::BrokerConfig& config) {
  const std::optional<net::ListenerFailures> failures = server->set_listeners(listener_options(config));
  if (!failures) return;  // the broker is at its end
  for (const auto& [listener, reason] : *failures) {
    base::log_error(kLogger,
                    "Listener {} is not where the dynamic config wants it: {} Set listeners to an address of this machine "
                    "and a free port.",
                    listener, reason);
  }
  std::vector<metadata::Endpoint> reachable = reachable_endpoints(config);
  if (reachable.empty()) {
    base::log_error(kLogger, "No advertised listener is open; the broker stays registered as it was.");
    return;
  }
  endpoints_ = reachable;
  controller->change_endpoints(std::move(reachable));
}

// Unlike Kafka 3.9.2, which goes on listening at the old address of a listener that is moved and advertises addresses
// that it couldn't bind: what is registered is what clients can reach.
std::vector<metadata::Endpoint> BrokerApp::Parts::reachable_endpoints(const config::BrokerConfig& config) const {
  const std::vector<net::ListenerOptions> wanted = listener_options(config);
  const std::vector<net::ListenerOptions> open = server->open_listeners();
  const auto is_open = [&](const std::string& name) {
    return std::ranges::find(open, name, &net::ListenerOptions::name) != open.end();
  };
  const auto advertised = advertised_endpoints(
      config, [&](const std::string& name) { return is_open(name) ? server->port(name) : std::uint16_t{0}; });
  std::vector<metadata::Endpoint> reachable;
  for (const metadata::Endpoint& endpoint : advertised) {
    if (!is_open(endpoint.listener)) continue;
    const auto as_wanted = std::ranges::find(wanted, endpoint.listener, &net::ListenerOptions::name);
    const auto before = std::ranges::find(endpoints_, endpoint.listener, &metadata::Endpoint::listener);
    if (std::ranges::find(open, *as_wanted) != open.end()) {
      reachable.push_back(endpoint);
    } else if (before != endpoints_.end()) {
      reachable.push_back(*before);  // where it still is
    }
  }
  return reachable;
}

void BrokerApp::Parts::listen() {
  const auto config = configs.broker();
  services = std::unique_ptr<api::Services>(new api::Services{clock, configs, metadata, partitions, *controller, groups,
                                                              transactions, markers, fetch_sessions, producer_ids,
                                                              config->hot().broker_id});
  dispatcher = std::make_unique<api::Dispatcher>(*services);
  server = std::make_unique<net::Server>(server_options(*config, host_limits_), *dispatcher);
}

void BrokerApp::Parts::serve_metrics() {
  const auto config = configs.broker();
  const auto port = config->find_long("milena.prometheus.port");
  if (!port) return;
  const auto offline = [this] {
    return static_cast<std::int64_t>(std::ranges::count_if(logs.directories(), &storage::LogDirectoryInfo::offline));
  };
  const auto uncleanable = [this] {
    const auto found = cleaner.uncleanable_partitions();
    std::map<std::string, std::int64_t> counts;
    for (const storage::LogDirectoryInfo& each : logs.directories()) {
      const auto here = found.find(each.path);
      counts[each.path] = here == found.end() ? 0 : static_cast<std::int64_t>(here->second.size());
    }
    return counts;
  };
  const auto session_events = [this] {
    using zk::client::SessionState;
    return metrics::SessionEvents{
        controller->session_count(SessionState::connected), controller->session_count(SessionState::disconnected),
        controller->session_count(SessionState::expired), controller->session_count(SessionState::auth_failed)};
  };
  metrics::Sources sources{clock,
                           metadata,
                           partitions,
                           groups,
                           dispatcher->metrics(),
                           config->hot().broker_id,
                           [this] { return state.load(); },
                           [this] { return server->connection_count(); },
                           offline,
                           uncleanable,
                           [this] { return server->cpu_times(); },
                           session_events};
  metrics_endpoint = std::make_unique<metrics::MetricsEndpoint>(
      config->get_string("milena.prometheus.host"), static_cast<std::uint16_t>(*port), std::move(sources));
  metrics_endpoint->start();
}

void BrokerApp::Parts::register_in_cluster() {
  // On the control thread, as the changes of the configuration are: none can get between reading it and registering.
  const auto start = [this]() -> base::Task<void> {
    const auto config = configs.broker();
    metadata::Broker self;
    self.id = config->hot().broker_id;
    self.rack = config->find_string("broker.rack");
    self.endpoints = endpoints_;
    co_await controller->start(self);
  };
  run_on_control(start());
}

void BrokerApp::Parts::start() {
  base::log_info(kLogger, "starting");
  open_logs();
  make_controller();
  base::log_info(kLogger, "Connecting to zookeeper on {}", configs.broker()->get_string("zookeeper.connect"));
  agree_on_identity();
  logs.set_producer_id_expiration(configs.broker()->get_int("producer.id.expiration.ms"));  // perhaps a dynamic one
  logs.load([this](const std::string& topic) { return settings_of(configs, topic).log; });
  logs_loaded_ = true;
  // The sockets are bound before the broker registers, so that a port in use costs the cluster nothing; clients are
  // read from once this broker knows what it leads.
  listen();
  serve_metrics();
  mover.set_bytes_per_second(log_mover_rate(*configs.broker()));
  partitions.on_move([this](const storage::TopicPartition& name) { mover.add(name); });
  follow_config_changes();
  register_in_cluster();
  server->start();
  housekeeping.emplace(logs, housekeeping_times(*configs.broker()));
  cleaner.start();
  mover.resume();
  state = metrics::BrokerState::running;
  base::log_info(kLogger, "[KafkaServer id={}] started", configs.broker()->hot().broker_id);
}

void BrokerApp::Parts::stop() {
  base::log_info(kLogger, "[KafkaServer id={}] shutting down", configs.broker()->hot().broker_id);
  state = metrics::BrokerState::shutting_down;
  transactions.stop();
  groups.stop();
  partitions.shutdown();
  if (controller) controller->let_nobody_wait();
  if (server) server->stop();
  partition::wait_until_nothing_runs_aside();
  if (metrics_endpoint) metrics_endpoint->stop();
  mover.stop();
  housekeeping.reset();
  cleaner.stop();
  if (logs_loaded_) logs.shutdown();
  // Last, as in Kafka: the others hear that this broker is gone when its logs are safe.
  if (controller) run_on_control(controller->close());
  base::log_info(kLogger, "[KafkaServer id={}] shut down completed", configs.broker()->hot().broker_id);
}

BrokerApp::BrokerApp(std::shared_ptr<const config::BrokerConfig> config)
    : parts_(std::make_unique<Parts>(std::move(config))) {}

BrokerApp::~BrokerApp() = default;

void BrokerApp::on_fatal(std::function<void(const std::string& reason)> callback) {
  parts_->on_fatal = std::move(callback);
}

void BrokerApp::start() {
  try {
    parts_->start();
  } catch (...) {
    parts_->stop();
    throw;
  }
}

void BrokerApp::stop() { parts_->stop(); }

std::uint16_t BrokerApp::port(const std::string& listener) const { return parts_->server->port(listener); }

}  // namespace broker::app
