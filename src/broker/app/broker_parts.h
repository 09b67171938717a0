// The parts of one broker in the order of their making; each only refers to those above it. Private to BrokerApp.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "broker/api/dispatcher.h"
#include "broker/api/fetch_session.h"
#include "broker/api/producer_ids.h"
#include "broker/api/request_context.h"
#include "broker/app/broker_app.h"
#include "broker/app/broker_settings.h"
#include "broker/app/housekeeping.h"
#include "broker/app/partition_coordinator_log.h"
#include "broker/api/partition_marker_writer.h"
#include "broker/app/partition_router.h"
#include "broker/config/config_store.h"
#include "broker/controller/controller.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/metrics/metrics_endpoint.h"
#include "broker/net/server.h"
#include "broker/partition/log_mover.h"
#include "broker/partition/partition_manager.h"
#include "broker/transaction/transaction_coordinator.h"
#include "log/cleaner/log_cleaner.h"
#include "log/log_manager.h"

namespace broker::app {

struct BrokerApp::Parts {
  explicit Parts(std::shared_ptr<const config::BrokerConfig> config);
  ~Parts();

  void start();
  void stop();
  void fatal(const std::string& reason);  // once; later calls do nothing

  base::SystemClock clock;
  config::ConfigStore configs;
  std::function<void(const std::string&)> on_fatal;

  // The control thread: the ZooKeeper session and all decisions that come from it.
  boost::asio::io_context control_loop{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> control_work;
  std::thread control_thread;

  metadata::MetadataCache metadata;
  storage::LogManager logs;
  storage::LogCleaner cleaner;
  partition::PartitionManager partitions;
  partition::LogMover mover;
  PartitionCoordinatorLog group_log;
  PartitionCoordinatorLog transaction_log;
  group::GroupCoordinator groups;
  api::PartitionMarkerWriter markers;
  api::ProducerIds producer_ids;
  transaction::TransactionCoordinator transactions;
  PartitionRouter router;
  std::unique_ptr<controller::Controller> controller;
  api::FetchSessions fetch_sessions;
  std::unique_ptr<api::Services> services;
  std::unique_ptr<api::Dispatcher> dispatcher;
  std::unique_ptr<net::Server> server;
  std::atomic<metrics::BrokerState> state = metrics::BrokerState::starting;
  std::unique_ptr<metrics::MetricsEndpoint> metrics_endpoint;  // null: none is configured
  std::optional<Housekeeping> housekeeping;

 private:
  void open_logs();
  void agree_on_identity();
  void make_controller();
  void follow_config_changes();
  void change_listeners(const config::BrokerConfig& config);
  std::vector<metadata::Endpoint> reachable_endpoints(const config::BrokerConfig& config) const;
  void listen();
  void serve_metrics();
  void register_in_cluster();
  // Runs a coroutine on the control thread and waits for it; what it throws comes out here.
  template <class T>
  T run_on_control(base::Task<T> task);

  std::mutex fatal_mutex_;
  bool fatal_reported_ = false;
  std::optional<std::int32_t> stored_broker_id_;
  std::optional<std::string> stored_cluster_id_;
  bool logs_loaded_ = false;
  HostLimits host_limits_;                     // as set last; the control thread's, once it follows config changes
  std::vector<metadata::Endpoint> endpoints_;  // as registered last; the control thread's
};

}  // namespace broker::app
