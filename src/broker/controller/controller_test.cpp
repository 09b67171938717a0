#include "broker/controller/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/controller/testing/control_node.h"

namespace broker::controller {
namespace {

using protocol::ErrorCode;
using testing::FakeZooKeeper;
using testing::Node;
using zk::client::Error;
using zk::client::Request;

using Log = std::vector<std::string>;

ConfigEdit replace_by(StringMap config) {
  return [config = std::move(config)](StringMap& stored) {
    stored = config;
    return Outcome();
  };
}

TEST(Controller, StartsOnAnEmptyZooKeeper) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  for (const auto& path : metadata::znodes::persistent_paths()) EXPECT_TRUE(server.nodes().contains(std::string(path)));
  EXPECT_EQ(server.data("/cluster/id"), R"({"version":"1","id":")" + node.opened_as + "\"}");
  EXPECT_EQ(server.data("/brokers/ids/1"),
            R"({"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":)"
            R"(["PLAINTEXT://127.0.0.1:9092"],"jmx_port":-1,"port":9092,"host":"127.0.0.1","version":5,)"
            R"("timestamp":"1700000000000"})");
  EXPECT_EQ(server.nodes()["/brokers/ids/1"].stat.version, 1);
  EXPECT_NE(server.nodes()["/brokers/ids/1"].stat.ephemeral_owner, 0);
  EXPECT_EQ(node.controller->broker_epoch(), server.nodes()["/brokers/ids/1"].stat.czxid);
  EXPECT_EQ(server.data("/controller"),
            R"({"version":2,"brokerid":1,"timestamp":"1700000000000","kraftControllerEpoch":-1})");
  EXPECT_EQ(server.data("/controller_epoch"), "1");
  EXPECT_EQ(server.data("/feature"), R"({"features":{},"version":2,"status":1})");
  const auto seen = node.cache.get();
  EXPECT_EQ(seen->cluster_id, node.opened_as);
  EXPECT_EQ(seen->controller_id, 1);
  EXPECT_EQ(seen->brokers.at(1).endpoints.at(0).port, 9092);
}

TEST(Controller, CreatesATopicAsKafkaDoes) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  EXPECT_EQ(node.create("t", 2, {}, true).partitions, 2);
  EXPECT_EQ(server.data("/brokers/topics/t"), "<none>");
  const TopicCreated created = node.create("t", -1, {{"retention.ms", "7200000"}});
  EXPECT_EQ(created.error, ErrorCode::none);
  EXPECT_EQ(created.partitions, 2);
  EXPECT_EQ(created.replication_factor, 1);
  EXPECT_EQ(server.data("/config/topics/t"), R"({"version":1,"config":{"retention.ms":"7200000"}})");
  EXPECT_LE(server.nodes()["/config/topics/t"].stat.czxid, server.nodes()["/brokers/topics/t"].stat.czxid);
  EXPECT_EQ(server.data("/brokers/topics/t"), R"({"partitions":{"0":[1],"1":[1]},"topic_id":")" +
                                                  created.topic_id.to_string() +
                                                  R"(","adding_replicas":{},"removing_replicas":{},"version":3})");
  EXPECT_EQ(server.data("/brokers/topics/t/partitions"), "<null>");
  EXPECT_EQ(server.data("/brokers/topics/t/partitions/1"), "<null>");
  EXPECT_EQ(server.data("/brokers/topics/t/partitions/1/state"),
            R"({"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]})");
  EXPECT_EQ(node.sink.take(), (Log{"new t-0 epoch 0/0", "new t-1 epoch 0/0"}));
  EXPECT_EQ(node.configs, Log{"0 t retention.ms=7200000"});
  EXPECT_EQ(node.controller->config_overrides(ConfigEntityType::topic, "t").at("retention.ms"), "7200000");
  ASSERT_NE(node.topic("t"), nullptr);
  EXPECT_EQ(node.topic("t")->id, created.topic_id);
  EXPECT_EQ(node.shown->topic(created.topic_id), node.shown->topic("t"));
  EXPECT_EQ(node.topic("t")->partitions.at(1).leader, 1);

  const TopicCreated again = node.create("t", 1);
  EXPECT_EQ(again.error, ErrorCode::topic_already_exists);
  EXPECT_EQ(node.create("bad name", 1).error, ErrorCode::invalid_topic_exception);
  EXPECT_TRUE(node.sink.take().empty());
}

// The znodes are those that Kafka 3.9.2 writes when a lone broker loses one of its log directories.
TEST(Controller, PartitionsOnAFailedDiskHaveNoLeader) {
  FakeZooKeeper server;
  {
    Node node(server);
    node.start();
    node.create("t", 2);
    node.sink.on_failed_disk = {"t-1"};
    node.controller->log_directory_failed();
    node.settle();
    EXPECT_EQ(server.data("/log_dir_event_notification/log_dir_event_0000000000"), "<none>") << "read and removed";
    EXPECT_EQ(server.data("/brokers/topics/t/partitions/0/state"),
              R"({"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]})");
    EXPECT_EQ(server.data("/brokers/topics/t/partitions/1/state"),
              R"({"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":1,"isr":[1]})");
    EXPECT_EQ(node.topic("t")->partitions.at(1).leader, -1);
    EXPECT_EQ(node.topic("t")->partitions.at(1).offline_replicas, std::vector<std::int32_t>{1});
    EXPECT_TRUE(node.topic("t")->partitions.at(0).offline_replicas.empty());
    // Nobody can be elected, and a second event changes nothing.
    node.controller->log_directory_failed();
    node.settle();
    std::vector<TopicPartition> asked = {{"t", 1}};
    EXPECT_EQ(node.run(node.controller->elect_leaders(asked, true, INT32_MAX)).at(asked[0]).error,
              ErrorCode::eligible_leaders_not_available);
    EXPECT_EQ(server.nodes()["/brokers/topics/t/partitions/1/state"].stat.version, 1);
    node.run(node.controller->close());
  }
  // With the disk mended the next start leads it again.
  server.apply(zk::client::create("/log_dir_event_notification/log_dir_event_0000000009", "{}"));
  Node again(server);
  again.start();
  EXPECT_EQ(server.data("/brokers/topics/t/partitions/1/state"),
            R"({"controller_epoch":2,"leader":1,"version":1,"leader_epoch":2,"isr":[1]})");
  EXPECT_TRUE(again.topic("t")->partitions.at(1).offline_replicas.empty());
  EXPECT_EQ(server.data("/log_dir_event_notification/log_dir_event_0000000009"), "<none>");
}

// As in Kafka, it acts when it is set, not at the next change of the brokers.
TEST(Controller, UncleanElectionsThatAreAllowedTakePlace) {
  for (const ConfigEntityType type : {ConfigEntityType::topic, ConfigEntityType::broker_default}) {
    FakeZooKeeper server;
    Node node(server);
    node.start();
    for (const char* topic : {"t", "u"}) {  // their last leader was another broker, which is gone
      const std::string path = std::string("/brokers/topics/") + topic;
      server.apply(zk::client::create(path, R"({"version":1,"partitions":{"0":[7,1]}})"));
      for (const char* folder : {"/partitions", "/partitions/0"}) server.apply(zk::client::create(path + folder, std::nullopt));
      server.apply(zk::client::create(path + "/partitions/0/state",
                                      R"({"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":4,"isr":[7]})"));
    }
    node.settle();
    ASSERT_EQ(node.topic("t")->partitions.at(0).leader, -1);
    node.sink.take();
    node.unclean = type == ConfigEntityType::topic ? "t" : "";
    const std::string name = type == ConfigEntityType::topic ? "t" : "<default>";
    EXPECT_EQ(node.run(node.controller->change_config(type, name, replace_by({{"x", "y"}}))).error, ErrorCode::none);
    node.settle();
    EXPECT_EQ(node.topic("t")->partitions.at(0).leader, 1);
    EXPECT_EQ(node.topic("u")->partitions.at(0).leader, type == ConfigEntityType::topic ? -1 : 1);
    EXPECT_EQ(server.data("/brokers/topics/t/partitions/0/state"),
              R"({"controller_epoch":1,"leader":1,"version":1,"leader_epoch":5,"isr":[1],"leader_recovery_state":1})");
  }
}

TEST(Controller, LeftoverConfigOfNoTopicIsReplaced) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  server.apply(zk::client::create("/config/topics/t", R"({"version":1,"config":{"a":"b"}})"));
  EXPECT_EQ(node.create("t", 1).error, ErrorCode::none);
  EXPECT_EQ(server.data("/config/topics/t"), R"({"version":1,"config":{}})");
}

TEST(Controller, RestartKeepsLeaderEpochsAndTheClusterId) {
  FakeZooKeeper server;
  std::string cluster_id;
  {
    Node first(server);
    first.start();
    cluster_id = first.opened_as;
    first.create("t", 2, {{"retention.ms", "5"}});
    first.run(first.controller->close());
    EXPECT_EQ(server.data("/brokers/ids/1"), "<none>");
    EXPECT_EQ(server.data("/controller"), "<none>");
  }
  Node second(server);
  second.start(cluster_id);
  EXPECT_EQ(server.data("/controller_epoch"), "2");
  EXPECT_EQ(second.sink.take(), (Log{"lead t-0 epoch 0/0", "lead t-1 epoch 0/0"}));
  EXPECT_EQ(second.configs, Log{"0 t retention.ms=5"});
  EXPECT_EQ(server.data("/brokers/topics/t/partitions/0/state"),
            R"({"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]})");
}

TEST(Controller, ReactsToWhatOtherToolsWrite) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  server.apply(zk::client::create("/config/topics/f", R"({"version":1,"config":{}})"));
  server.apply(zk::client::create("/brokers/topics/f", R"({"version":1,"partitions":{"0":[1]}})"));
  node.settle();
  EXPECT_EQ(node.sink.take(), Log{"new f-0 epoch 0/0"});
  EXPECT_NE(server.data("/brokers/topics/f").find(node.sink.ids["f"].to_string()), std::string::npos);

  metadata::znodes::TopicAssignment grown = *metadata::znodes::decode_topic(server.data("/brokers/topics/f"));
  grown.partitions[1].replicas = {1};
  server.apply(zk::client::set_data("/brokers/topics/f", encode_topic(grown)));
  node.settle();
  EXPECT_EQ(node.sink.take(), Log{"new f-1 epoch 0/0"});
  EXPECT_EQ(node.topic("f")->partitions.size(), 2U);

  server.apply(zk::client::set_data("/config/topics/f", R"({"version":1,"config":{"retention.ms":"9"}})"));
  server.apply(zk::client::create("/config/changes/config_change_", R"({"version":2,"entity_path":"topics/f"})",
                                  zk::client::CreateMode::persistent_sequential));
  node.settle();
  EXPECT_EQ(node.configs, Log{"0 f retention.ms=9"});

  server.apply(zk::client::create("/admin/delete_topics/f", std::nullopt));
  server.apply(zk::client::create("/admin/delete_topics/ghost", std::nullopt));
  node.settle();
  EXPECT_EQ(node.sink.take(), (Log{"delete f-0", "delete f-1"}));
  for (const char* path :
       {"/brokers/topics/f", "/config/topics/f", "/admin/delete_topics/f", "/admin/delete_topics/ghost"}) {
    EXPECT_EQ(server.data(path), "<none>") << path;
  }
  EXPECT_EQ(node.topic("f"), nullptr);

  ::testing::internal::CaptureStdout();
  server.apply(zk::client::create("/admin/reassign_partitions", R"({"version":1,"partitions":[]})"));
  node.settle();
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), ::testing::HasSubstr("/admin/reassign_partitions is there"));
  EXPECT_NE(server.data("/admin/reassign_partitions"), "<none>");

  server.apply(zk::client::create("/admin/preferred_replica_election", R"({"version":1,"partitions":[]})"));
  node.settle();
  EXPECT_EQ(server.data("/admin/preferred_replica_election"), "<none>");
}

TEST(Controller, DeletesAndGrows) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  node.sink.take();
  NewPartitions more;
  more.topic = "t";
  more.count = 3;
  const std::vector<NewPartitions> request = {more};
  EXPECT_EQ(node.run(node.controller->create_partitions(request, true, INT32_MAX)).front().error, ErrorCode::none);
  EXPECT_TRUE(node.sink.take().empty());
  EXPECT_EQ(node.run(node.controller->create_partitions(request, false, INT32_MAX)).front().error, ErrorCode::none);
  EXPECT_EQ(node.sink.take(), (Log{"new t-1 epoch 0/0", "new t-2 epoch 0/0"}));
  EXPECT_EQ(node.topic("t")->partitions.size(), 3U);
  EXPECT_EQ(node.run(node.controller->create_partitions(request, false, INT32_MAX)).front().message,
            "Topic already has 3 partitions.");

  const std::vector<std::string> names = {"nope", "t"};
  const std::vector<Outcome> outcomes = node.run(node.controller->delete_topics(names, INT32_MAX));
  EXPECT_EQ(outcomes[0].error, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(outcomes[1].error, ErrorCode::none);
  EXPECT_EQ(node.sink.take(), (Log{"delete t-0", "delete t-1", "delete t-2"}));
  EXPECT_EQ(server.data("/brokers/topics/t"), "<none>");
  EXPECT_EQ(server.data("/admin/delete_topics/t"), "<none>");
  EXPECT_EQ(node.create("t", 1).error, ErrorCode::none);
  EXPECT_EQ(node.sink.take(), Log{"new t-0 epoch 0/0"});
}

TEST(Controller, InternalTopicsAndProducerIds) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  EXPECT_EQ(node.run(node.controller->ensure_internal_topic("__consumer_offsets")).error, ErrorCode::none);
  EXPECT_EQ(node.run(node.controller->ensure_internal_topic("__consumer_offsets")).error, ErrorCode::none);
  EXPECT_EQ(node.topic("__consumer_offsets")->partitions.size(), 3U);
  EXPECT_EQ(server.data("/config/topics/__consumer_offsets"), R"({"version":1,"config":{"cleanup.policy":"compact"}})");

  EXPECT_EQ(node.run(node.controller->allocate_producer_ids())->first, 0);
  EXPECT_EQ(server.data("/latest_producer_id_block"),
            R"({"version":1,"broker":1,"block_start":"0","block_end":"999"})");
  bool once = true;
  server.before = [&](const Request& request) -> std::optional<Error> {
    if (!once || request.op != zk::client::OpCode::set_data) return std::nullopt;
    once = false;
    server.apply(zk::client::set_data("/latest_producer_id_block",
                                      R"({"version":1,"broker":2,"block_start":"1000","block_end":"1999"})"));
    return std::nullopt;
  };
  const auto block = node.run(node.controller->allocate_producer_ids());
  EXPECT_EQ(block->first, 2000);
  EXPECT_EQ(block->size, 1000);
}

TEST(Controller, WritesConfigsAndNotifies) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const auto set = [&](ConfigEntityType type, std::string name, StringMap config) {
    return node.run(node.controller->change_config(type, std::move(name), replace_by(std::move(config)))).error;
  };
  EXPECT_EQ(set(ConfigEntityType::broker, "1", {{"log.segment.bytes", "104857600"}}), ErrorCode::none);
  EXPECT_EQ(set(ConfigEntityType::broker_default, "<default>", {{"a", "b"}}), ErrorCode::none);
  EXPECT_EQ(server.data("/config/brokers/1"), R"({"version":1,"config":{"log.segment.bytes":"104857600"}})");
  EXPECT_EQ(server.data("/config/brokers/<default>"), R"({"version":1,"config":{"a":"b"}})");
  EXPECT_EQ(server.data("/config/changes/config_change_0000000001"),
            R"({"version":2,"entity_path":"brokers/<default>"})");
  EXPECT_EQ(set(ConfigEntityType::broker, "1", {}), ErrorCode::none);
  EXPECT_EQ(node.configs, (Log{"1 1 log.segment.bytes=104857600", "2 <default> a=b", "1 1"}));

  server.now_ms += 15 * 60 * 1000 + 1;
  node.clock.advance_ms(15 * 60 * 1000 + 1);
  EXPECT_EQ(set(ConfigEntityType::broker, "1", {{"c", "d"}}), ErrorCode::none);
  EXPECT_EQ(server.data("/config/changes/config_change_0000000001"), "<none>");
  EXPECT_NE(server.data("/config/changes/config_change_0000000003"), "<none>");
}

// Numbers of change notifications go on from how often their folder has changed, and that begins anew with it.
TEST(Controller, FollowsChangesOfAZooKeeperWhoseNumbersAreLower) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const auto notify = [&] {
    server.apply(zk::client::create("/config/changes/config_change_", R"({"version":2,"entity_path":"topics/t"})",
                                    zk::client::CreateMode::persistent_sequential));
    node.settle();
  };
  for (int i = 0; i < 3; ++i) notify();
  for (const char* change : {"0000000000", "0000000001", "0000000002"}) {
    server.apply(zk::client::remove(std::string("/config/changes/config_change_") + change));
  }
  server.apply(zk::client::remove("/config/changes"));
  server.apply(zk::client::create("/config/changes", std::nullopt));
  server.expire(server.nodes()["/controller"].stat.ephemeral_owner);
  node.settle();
  server.apply(zk::client::create("/config/topics/t", R"({"version":1,"config":{"retention.ms":"5"}})"));
  notify();
  EXPECT_EQ(node.configs, (Log{"0 t retention.ms=5"}));
}

// Of Kafka's quotas and SCRAM credentials nothing acts here: the log says so, at the start and as they are changed, and not what
// they are.
TEST(Controller, StoredQuotasAreSaidNotToHold) {
  FakeZooKeeper server;
  for (const char* path : {"/config", "/config/users", "/config/clients"}) server.apply(zk::client::create(path, std::nullopt));
  server.apply(zk::client::create("/config/users/alice", R"({"version":1,"config":{"SCRAM-SHA-256":"secret"}})"));
  server.apply(zk::client::create("/config/clients/slow", R"({"version":1,"config":{"producer_byte_rate":"1024"}})"));
  server.apply(zk::client::create("/config/clients/was-slow", R"({"version":1,"config":{}})"));
  Node node(server);
  ::testing::internal::CaptureStdout();
  node.start();
  const std::string at_start = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(at_start, ::testing::HasSubstr("/config/users/alice"));
  EXPECT_THAT(at_start, ::testing::HasSubstr("/config/clients/slow"));
  EXPECT_THAT(at_start, ::testing::Not(::testing::HasSubstr("was-slow")));
  EXPECT_THAT(at_start, ::testing::Not(::testing::HasSubstr("secret")));
  ::testing::internal::CaptureStdout();
  server.apply(zk::client::create("/config/changes/config_change_", R"({"version":2,"entity_path":"ips/127.0.0.1"})",
                                  zk::client::CreateMode::persistent_sequential));
  node.settle();
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), ::testing::HasSubstr("/config/ips/127.0.0.1"));
}

// With zookeeper.set.acl of Kafka, /config/users is for its owner alone.
TEST(Controller, QuotasThatItMayNotReadAreNoHindrance) {
  FakeZooKeeper server;
  for (const char* path : {"/config", "/config/users"}) server.apply(zk::client::create(path, std::nullopt));
  server.before = [](const Request& request) -> std::optional<Error> {
    const bool lists = request.op == zk::client::OpCode::get_children || request.op == zk::client::OpCode::get_children2;
    return lists && request.path == "/config/users" ? std::optional(Error::no_auth) : std::nullopt;
  };
  Node node(server);
  node.start();
  EXPECT_NE(server.data("/controller"), "<none>");
  EXPECT_EQ(node.fatal, "");
}

// What the session answers for what it sends once at most, and not at all.
TEST(Controller, ConfigsThatZooKeeperDoesNotTakeAreRefused) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const auto set = [&](std::string value) {
    return node.run(node.controller->change_config(ConfigEntityType::broker, "1", replace_by({{"a", std::move(value)}})));
  };
  ASSERT_EQ(set("b").error, ErrorCode::none);
  for (const auto& [answer, expected] :
       {std::pair(zk::client::Error::connection_loss, ErrorCode::request_timed_out),
        std::pair(zk::client::Error::marshalling_error, ErrorCode::invalid_config)}) {
    server.before = [answer = answer](const zk::client::Request& request) -> std::optional<zk::client::Error> {
      const bool writes = request.op == zk::client::OpCode::multi && request.operations.back().path == "/config/brokers/1";
      return writes ? std::optional(answer) : std::nullopt;
    };
    const Outcome refused = set("c");
    EXPECT_EQ(refused.error, expected);
    EXPECT_NE(refused.message.value_or("").find("jute.maxbuffer"), std::string::npos);
  }
  server.before = nullptr;
  EXPECT_EQ(server.data("/config/brokers/1"), R"({"version":1,"config":{"a":"b"}})");
  EXPECT_EQ(set("c").error, ErrorCode::none);
}

// A Kafka 3.9 broker could follow no other change after one of a kind that it doesn't know.
TEST(Controller, KeepsConfigsOfGroupsAndNotifiesNobody) {
  FakeZooKeeper server;
  {
    Node node(server);
    node.start();
    const StringMap config = {{"consumer.session.timeout.ms", "50000"}};
    EXPECT_EQ(node.run(node.controller->change_config(ConfigEntityType::group, "a/b", replace_by(config))).error,
              ErrorCode::none);
    EXPECT_EQ(server.data("/config/groups/a%2Fb"), R"({"version":1,"config":{"consumer.session.timeout.ms":"50000"}})");
    EXPECT_EQ(server.data("/config/changes/config_change_0000000000"), "<none>");
    EXPECT_EQ(node.configs, Log{"3 a/b consumer.session.timeout.ms=50000"});
    node.run(node.controller->close());
  }
  Node again(server);
  again.start();
  EXPECT_EQ(again.configs, Log{"3 a/b consumer.session.timeout.ms=50000"});
  EXPECT_EQ(again.controller->config_overrides(ConfigEntityType::group, "a/b").size(), 1u);
  EXPECT_EQ(again.controller->configured_entities(ConfigEntityType::group), std::vector<std::string>{"a/b"});
  EXPECT_EQ(again.controller->configured_entities(ConfigEntityType::broker), std::vector<std::string>());
}

TEST(Controller, ConfigsAreChangedAsTheyAreStored) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const auto change = [&](const std::string& key, ConfigEdit between = nullptr) {
    ConfigEdit edit = [key, between](StringMap& config) {
      if (between) between(config);
      config[key] = "1";
      return Outcome();
    };
    return node.controller->change_config(ConfigEntityType::broker, "1", std::move(edit));
  };
  // Both asked before either is done.
  auto first = boost::asio::co_spawn(node.loop, change("a"), boost::asio::use_future);
  EXPECT_EQ(node.run(change("b")).error, ErrorCode::none);
  EXPECT_EQ(first.get().error, ErrorCode::none);
  EXPECT_EQ(server.data("/config/brokers/1"), R"({"version":1,"config":{"a":"1","b":"1"}})");
  // Another broker has written what this one hasn't heard of, and does so again before ours is written.
  int times = 0;
  const auto write_other = [&](StringMap&) {
    if (times++ == 0) server.apply(zk::client::set_data("/config/brokers/1", R"({"version":1,"config":{"other":"2"}})"));
    return Outcome();
  };
  EXPECT_EQ(node.run(change("c", write_other)).error, ErrorCode::none);
  EXPECT_EQ(times, 2);
  EXPECT_EQ(server.data("/config/brokers/1"), R"({"version":1,"config":{"c":"1","other":"2"}})");
  EXPECT_EQ(node.controller->config_overrides(ConfigEntityType::broker, "1").size(), 2u);
  // What is refused isn't written.
  ConfigEdit refuse = [](StringMap& config) {
    config.clear();
    Outcome outcome;
    outcome.error = ErrorCode::invalid_config;
    return outcome;
  };
  EXPECT_EQ(node.run(node.controller->change_config(ConfigEntityType::broker, "1", refuse)).error,
            ErrorCode::invalid_config);
  EXPECT_EQ(server.data("/config/brokers/1"), R"({"version":1,"config":{"c":"1","other":"2"}})");
}

TEST(Controller, WaitsWhileAnotherBrokerIsController) {
  FakeZooKeeper server;
  Node other(server, 7);
  other.start();
  other.create("t", 1);
  Node node(server);
  node.start(other.opened_as);
  other.settle();
  EXPECT_EQ(node.cache.get()->controller_id, 7);
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::not_controller);
  EXPECT_TRUE(node.sink.take().empty());
  other.run(other.controller->close());
  node.settle();
  EXPECT_EQ(node.cache.get()->controller_id, 1);
  EXPECT_EQ(node.topic("t")->partitions.at(0).leader, -1);
  EXPECT_EQ(node.topic("t")->partitions.at(0).isr, std::vector<std::int32_t>{7});
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::none);
}

TEST(Controller, FencedOffByAnotherEpochStandsAgain) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  server.apply(zk::client::set_data("/controller_epoch", "5"));
  EXPECT_EQ(node.create("t", 1).error, ErrorCode::not_controller);
  node.settle();
  EXPECT_EQ(server.data("/controller_epoch"), "6");
  EXPECT_EQ(node.sink.take(), Log{"new t-0 epoch 0/0"});
}

TEST(Controller, Elections) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  const std::vector<TopicPartition> asked = {{"t", 0}, {"t", 9}, {"x", 0}};
  const auto answers = node.run(node.controller->elect_leaders(asked, false, INT32_MAX));
  EXPECT_EQ(answers.at(asked[0]).error, ErrorCode::election_not_needed);
  EXPECT_EQ(answers.at(asked[0]).message, "Leader election not needed for topic partition.");
  EXPECT_EQ(answers.at(asked[1]).error, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(answers.at(asked[1]).message, "The partition does not exist.");
  EXPECT_EQ(answers.at(asked[2]).error, ErrorCode::unknown_topic_or_partition);
}

TEST(Controller, CallsAfterTheEndAreAnswered) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.run(node.controller->close());
  EXPECT_EQ(node.create("t", 1).error, ErrorCode::not_controller);
}

}  // namespace
}  // namespace broker::controller
