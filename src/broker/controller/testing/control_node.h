// One broker's control side over a fake ZooKeeper, with the test as its control thread.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/controller/controller.h"
#include "broker/controller/testing/fake_partitions.h"
#include "zk/client/testing/fake_zookeeper.h"

namespace broker::controller::testing {

using zk::client::testing::FakeZooKeeper;

struct Node {
  explicit Node(FakeZooKeeper& zookeeper, std::int32_t id = 1, const std::string& session_file = "")
      : server(zookeeper) {
    self.id = id;
    self.endpoints.push_back(metadata::Endpoint{"PLAINTEXT", "PLAINTEXT", "127.0.0.1", 9092});
    ZooKeeperAccess access;
    access.prepare = []() -> base::Task<bool> { co_return true; };
    access.registration_poll_ms = 1;
    access.renewal_pause_ms = 1;
    access.session_file = session_file;
    access.open = [this](zk::client::SessionEvents events) {
      return server.open(loop.get_executor(), std::move(events));
    };
    ControlHooks hooks;
    hooks.config_changed = [this](ConfigEntityType type, const std::string& name, const StringMap& overrides) {
      std::string text = std::to_string(static_cast<int>(type)) + " " + name;
      for (const auto& [key, value] : overrides) text += " " + key + "=" + value;
      configs.push_back(std::move(text));
    };
    hooks.topic_defaults = [] {
      TopicDefaults defaults;
      defaults.partitions = 2;
      defaults.offsets_partitions = 3;
      defaults.offsets_replication_factor = 1;
      defaults.offsets_configs["cleanup.policy"] = "compact";
      return defaults;
    };
    hooks.unclean_election_allowed = [this](std::string_view topic) { return unclean && (unclean->empty() || *unclean == topic); };
    hooks.fatal = [this](const std::string& reason) { fatal = reason; };
    controller =
        std::make_unique<Controller>(loop.get_executor(), std::move(access), clock, cache, sink, std::move(hooks));
  }

  template <class T>
  T run(base::Task<T> task) {
    auto result = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
    settle();
    return result.get();
  }
  void settle() {
    loop.restart();
    loop.run();
  }
  Node& start(std::optional<std::string> cluster_id = std::nullopt) {
    opened_as = run(controller->open(std::move(cluster_id)));
    run(controller->start(self));
    return *this;
  }
  TopicCreated create(std::string name, std::int32_t partitions, StringMap topic_configs = {}, bool validate = false) {
    NewTopic topic;
    topic.name = std::move(name);
    topic.partitions = partitions;
    topic.configs = std::move(topic_configs);
    std::vector<NewTopic> topics;
    topics.push_back(std::move(topic));
    return run(controller->create_topics(std::move(topics), validate, INT32_MAX)).front();
  }
  const metadata::Topic* topic(std::string_view name) {
    shown = cache.get();
    return shown->topic(name);
  }

  FakeZooKeeper& server;
  boost::asio::io_context loop;
  base::ManualClock clock;
  metadata::MetadataCache cache;
  FakePartitions sink;
  metadata::Broker self;
  std::vector<std::string> configs;
  std::string fatal;
  std::optional<std::string> unclean;  // the topic whose elections may be so; empty: all
  std::string opened_as;
  std::shared_ptr<const metadata::ClusterMetadata> shown;
  std::unique_ptr<Controller> controller;
};

}  // namespace broker::controller::testing
