// For tests of handlers: real partitions over a log in memory or on disk, a cluster that does nothing and hands out producer ids,
// groups over a log in memory, and a way to send one request through the dispatcher and read its answer.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/faulty_file_system.h"
#include "base/file_system.h"
#include "base/testing/temp_dir.h"
#include "broker/api/dispatcher.h"
#include "broker/api/fetch_session.h"
#include "broker/api/partition_marker_writer.h"
#include "broker/api/producer_ids.h"
#include "broker/config/config_store.h"
#include "broker/group/group_coordinator.h"
#include "broker/coordinator/testing/memory_log.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/partition/partition_manager.h"
#include "broker/transaction/transaction_coordinator.h"
#include "protocol/codec/frame.h"

namespace broker::api::testing {

class FakeCluster : public controller::Cluster {
 public:
  using Outcomes = std::vector<controller::Outcome>;
  base::Task<std::vector<controller::TopicCreated>> create_topics(std::vector<controller::NewTopic> topics,
                                                                  bool, std::int32_t) override {
    co_return std::vector<controller::TopicCreated>(topics.size());
  }
  base::Task<Outcomes> delete_topics(std::vector<std::string> topics, std::int32_t) override {
    if (deletion) co_await deletion->wait();
    co_return Outcomes(topics.size());
  }
  base::Task<Outcomes> create_partitions(std::vector<controller::NewPartitions> topics, bool, std::int32_t) override {
    co_return Outcomes(topics.size());
  }
  base::Task<controller::Outcome> ensure_internal_topic(std::string) override { co_return controller::Outcome(); }
  base::Task<controller::Outcome> auto_create_topic(std::string) override { co_return controller::Outcome(); }
  base::Task<controller::Outcome> change_config(controller::ConfigEntityType, std::string,
                                                controller::ConfigEdit) override {
    co_return controller::Outcome();
  }
  base::Task<protocol::Result<controller::ProducerIdBlock>> allocate_producer_ids() override {
    ++blocks_asked;
    if (block_error != protocol::ErrorCode::none) {
      co_return protocol::Result<controller::ProducerIdBlock>(block_error);
    }
    controller::ProducerIdBlock block;
    block.first = 1000 * blocks_asked;
    block.size = 3;
    co_return protocol::Result<controller::ProducerIdBlock>(block);
  }
  base::Task<protocol::Result<controller::ProducerIdBlock>> allocate_producer_ids_for(std::int32_t, std::int64_t) override {
    return allocate_producer_ids();
  }
  base::Task<std::map<controller::TopicPartition, controller::Outcome>> elect_leaders(
      std::vector<controller::TopicPartition> partitions, bool, std::int32_t) override {
    std::map<controller::TopicPartition, controller::Outcome> answers;
    for (const auto& each : partitions) answers[each];
    co_return answers;
  }
  controller::StringMap config_overrides(controller::ConfigEntityType, std::string_view) const override { return {}; }
  std::vector<std::string> configured_entities(controller::ConfigEntityType type) const override {
    return type == controller::ConfigEntityType::group ? groups_with_configs : std::vector<std::string>();
  }
  std::int64_t broker_epoch() const override { return 1; }

  std::vector<std::string> groups_with_configs;
  int blocks_asked = 0;
  std::optional<base::OneShot<bool>> deletion;  // takes until this is set
  protocol::ErrorCode block_error = protocol::ErrorCode::none;
};

class TestBroker {
 public:
  static constexpr std::int32_t kBrokerId = 1;

  // `settings` as in its file.
  explicit TestBroker(std::map<std::string, std::string> settings = {}) : settings_in_file(std::move(settings)) {
    logs.open_directories();
    logs.check_identity(kBrokerId, "test-cluster");
    logs.load([](const std::string&) { return storage::LogConfig(); });
    auto cluster_metadata = std::make_shared<metadata::ClusterMetadata>();
    metadata::Broker self;
    self.id = kBrokerId;
    self.endpoints.push_back({"PLAINTEXT", "PLAINTEXT", "broker.example", 9092});
    cluster_metadata->brokers[kBrokerId] = self;
    metadata.set(cluster_metadata);
  }

  // Whose threads answer the loop end before it: they may still hold what keeps it running when an answer is there.
  ~TestBroker() {
    groups.stop();
    transactions.stop();
  }
  TestBroker(const TestBroker&) = delete;
  TestBroker& operator=(const TestBroker&) = delete;

  // Leads the partitions and tells the metadata.
  base::Uuid add_topic(const std::string& name, std::int32_t partitions = 1) {
    base::Uuid id = base::Uuid::random();
    auto topic = std::make_shared<metadata::Topic>();
    topic->name = name;
    topic->id = id;
    std::vector<metadata::LeaderState> states;
    for (std::int32_t i = 0; i < partitions; ++i) {
      metadata::LeaderState state;
      state.topic = name;
      state.topic_id = id;
      state.partition = i;
      state.replicas = {kBrokerId};
      state.isr = {kBrokerId};
      state.is_new = true;
      states.push_back(state);
      metadata::Partition& partition = topic->partitions[i];
      partition.leader = kBrokerId;
      partition.replicas = {kBrokerId};
      partition.isr = {kBrokerId};
    }
    for (protocol::ErrorCode error : manager.become_leader(states)) EXPECT_EQ(error, protocol::ErrorCode::none);
    auto next = std::make_shared<metadata::ClusterMetadata>(*metadata.get());
    next->topics[name] = topic;
    next->topics_by_id[id] = topic;
    metadata.set(next);
    return id;
  }

  // Runs the loop until the reply is there. Nothing if the connection would be closed or isn't answered.
  Reply serve(base::Bytes frame) {
    std::optional<Reply> reply;
    boost::asio::co_spawn(loop, dispatcher.serve(*through, framed(std::move(frame))).task(),
                          [&reply](const std::exception_ptr& failure, Reply answer) {
                            if (failure) std::rethrow_exception(failure);
                            reply = std::move(answer);
                          });
    loop.restart();
    while (!reply && loop.run_one() > 0) {
    }
    if (!reply) throw std::runtime_error("no reply");
    reply->until_sent = {};  // the peer takes it at once
    return std::move(*reply);
  }

  template <class Response, class Request>
  std::optional<Response> ask(const Request& request, std::int16_t version) {
    last_reply = serve(frame_of(request, version));
    if (last_reply.kind != Reply::Kind::response) return std::nullopt;
    return read<Response>(last_reply, version);
  }

  template <class Request>
  static base::Bytes frame_of(const Request& request, std::int16_t version) {
    base::Bytes bytes = protocol::encode_request(request, version, 7, "test").to_bytes();
    return {bytes.begin() + 4, bytes.end()};
  }

  template <class Response>
  Response read(const Reply& reply, std::int16_t version) {
    answer_bytes = reply.message.to_bytes();
    std::size_t prefix = protocol::response_prefix_bytes(
        protocol::response_header_version(protocol::api_info(Response::kApiKey), version));
    Response response;
    protocol::Decoded decoded = protocol::decode(response, version, base::ByteView(answer_bytes).subspan(prefix));
    EXPECT_TRUE(decoded) << decoded.error;
    EXPECT_EQ(decoded.bytes_left, 0u);
    return response;
  }

  static Frame framed(base::Bytes bytes) {
    auto owner = std::make_shared<base::Bytes>(std::move(bytes));
    base::ByteView view(*owner);
    return Frame(view, std::move(owner));
  }

  const std::map<std::string, std::string> settings_in_file;
  base::testing::TempDir directory;
  base::SystemClock clock;
  base::FaultyFileSystem files{base::real_file_system()};
  storage::LogManager logs{files, clock, log_manager_config()};
  config::ConfigStore configs{config::BrokerConfig::create(properties())};
  metadata::MetadataCache metadata;
  partition::PartitionManager manager{kBrokerId, logs, [this](const std::string&) { return topic_settings; }};
  partition::TopicSettings topic_settings;
  FakeCluster cluster;
  FetchSessions fetch_sessions{2};
  ProducerIds producer_ids{cluster};
  coordinator::testing::MemoryLog group_log;
  group::GroupCoordinator groups{group_log, clock, metadata, group_limits()};
  coordinator::testing::MemoryLog transaction_log;
  PartitionMarkerWriter markers{clock, manager, metadata, groups};
  transaction::TransactionCoordinator transactions{{transaction_log, clock, producer_ids, markers},
                                                   transaction::TransactionLimits(),
                                                   transaction::TransactionCoordinator::Threads::none};
  Services services{clock,        configs, metadata,       manager,      cluster,  groups,
                    transactions, markers, fetch_sessions, producer_ids, kBrokerId};
  Dispatcher dispatcher{services};
  ConnectionInfo connection{"127.0.0.1:5", "/127.0.0.1", "PLAINTEXT"};  // requests that are never answered look at it to the end
  ConnectionInfo another{"127.0.0.1:6", "/127.0.0.1", "PLAINTEXT"};
  ConnectionInfo* through = &connection;  // for serve() and what calls it
  boost::asio::io_context loop;
  Reply last_reply;
  base::Bytes answer_bytes;  // what the views in the last response point into

 private:
  static group::GroupLimits group_limits() {
    group::GroupLimits limits;
    limits.initial_rebalance_delay_ms = 0;
    return limits;
  }
  storage::LogManagerConfig log_manager_config() const {
    storage::LogManagerConfig config;
    config.log_dirs = {directory.path() + "/log"};
    return config;
  }
  base::Properties properties() const {
    base::Properties file;
    file.set("zookeeper.connect", "localhost:2181");
    for (const auto& [key, value] : settings_in_file) file.set(key, value);
    return file;
  }
};

}  // namespace broker::api::testing
