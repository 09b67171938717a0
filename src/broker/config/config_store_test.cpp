#include "broker/config/config_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "broker/config/dynamic_config.h"

namespace broker::config {
namespace {

std::shared_ptr<const BrokerConfig> broker_of(const StringMap& pairs = {}) {
  base::Properties file;
  file.set("zookeeper.connect", "z");
  for (const auto& [key, value] : pairs) file.set(key, value);
  return BrokerConfig::create(file);
}

TEST(ConfigStore, TopicsComeAndGo) {
  ConfigStore store(broker_of());
  std::vector<std::string> heard;
  store.on_topic_change([&](const std::string& topic, const TopicConfig& config) {
    heard.push_back(topic + " " + std::to_string(config.log().retention_ms));
  });
  const auto before = store.topic("a");
  store.set_topic_overrides("a", {{"retention.ms", "5"}});
  EXPECT_EQ(store.topic("a")->log().retention_ms, 5);
  EXPECT_NE(before->log().retention_ms, 5);
  store.set_topic_overrides("a", {});
  EXPECT_EQ(store.topic("a")->log().retention_ms, before->log().retention_ms);
  store.set_topic_overrides("never seen", {});
  EXPECT_EQ(heard, (std::vector<std::string>{"a 5", "a 604800000"}));
}

TEST(ConfigStore, BrokerChangesReachTopics) {
  ConfigStore store(broker_of());
  store.set_topic_overrides("a", {{"retention.ms", "5"}});
  int changes = 0;
  store.on_broker_change([&](const BrokerConfig& before, const BrokerConfig& after) {
    if (++changes == 1) {
      EXPECT_EQ(&before, &after) << "at once, with what there is";
      return;
    }
    EXPECT_EQ(before.hot().message_max_bytes, 1048588);
    EXPECT_EQ(after.hot().message_max_bytes, 70);
    EXPECT_EQ(store.topic("b")->log().max_message_bytes, 70);
  });
  store.set_dynamic_default({{"message.max.bytes", "70"}});
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(store.topic("a")->log().max_message_bytes, 70);
  EXPECT_EQ(store.topic("a")->log().retention_ms, 5);
  EXPECT_EQ(store.broker()->hot().message_max_bytes, 70);
}

// A part that needs a thread, say, and gets none.
TEST(ConfigStore, WhoFailsToFollowAChangeKeepsNobodyFromIt) {
  ConfigStore store(broker_of());
  store.on_broker_change([](const BrokerConfig& before, const BrokerConfig& after) {
    if (&before != &after) throw std::runtime_error("no more threads");
  });
  std::int32_t heard = 0;
  store.on_broker_change([&](const BrokerConfig&, const BrokerConfig& after) { heard = after.hot().message_max_bytes; });
  ::testing::internal::CaptureStdout();
  store.set_dynamic_default({{"message.max.bytes", "70"}});
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), ::testing::HasSubstr("no more threads"));
  EXPECT_EQ(heard, 70);
  EXPECT_THROW(store.on_broker_change([](const BrokerConfig&, const BrokerConfig&) { throw std::runtime_error("at once"); }),
               std::runtime_error);
}

TEST(ConfigStore, ThisBrokerGoesOverTheCluster) {
  ConfigStore store(broker_of({{"message.max.bytes", "10"}}));
  store.set_dynamic_broker({{"message.max.bytes", "30"}});
  store.set_dynamic_default({{"message.max.bytes", "20"}});
  EXPECT_EQ(store.broker()->hot().message_max_bytes, 30);
  store.set_dynamic_broker({});
  EXPECT_EQ(store.broker()->hot().message_max_bytes, 20);
  store.set_dynamic_default({});
  EXPECT_EQ(store.broker()->hot().message_max_bytes, 10);
}

TEST(ConfigStore, GeneratedBrokerIdStays) {
  ConfigStore store(broker_of());
  store.set_broker_id(1001);
  store.set_dynamic_default({{"message.max.bytes", "20"}});
  EXPECT_EQ(store.broker()->hot().broker_id, 1001);
  EXPECT_EQ(store.broker()->get_int("broker.id"), 1001);
}

TEST(ConfigStore, StoredNonsenseIsLeftOut) {
  ConfigStore store(broker_of());
  store.set_dynamic_broker({{"message.max.bytes", "x"}, {"log.roll.ms", "0"}, {"num.io.threads", "4"}});
  EXPECT_EQ(store.broker()->hot().message_max_bytes, 1048588);
  EXPECT_EQ(store.broker()->get_int("num.io.threads"), 4);
}

TEST(ConfigStore, SaysWhichTopicHasNonsenseStored) {
  ConfigStore store(broker_of());
  ::testing::internal::CaptureStdout();
  store.set_topic_overrides("orders", {{"retention.ms", "abc"}});
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              ::testing::HasSubstr("Ignoring a stored config of topic orders: Invalid value abc for configuration retention.ms"));
}

// Each once, when it comes: at the start, or as somebody alters it.
TEST(ConfigStore, SaysWhichDynamicConfigsHaveNoEffect) {
  ConfigStore store(broker_of());
  const auto log_of = [&](const StringMap& configs) {
    ::testing::internal::CaptureStdout();
    store.set_dynamic_default(configs);
    return ::testing::internal::GetCapturedStdout();
  };
  EXPECT_THAT(log_of({{"num.io.threads", "16"}, {"message.max.bytes", "70"}}), ::testing::HasSubstr("num.io.threads=16 is stored"));
  EXPECT_EQ(log_of({{"num.io.threads", "16"}, {"message.max.bytes", "80"}}), "");
  EXPECT_THAT(log_of({{"num.io.threads", "17"}}), ::testing::HasSubstr("num.io.threads=17 is stored"));
}

// Whoever uses them relies on it.
TEST(ConfigStore, StoredNonsenseOfOneListenerIsLeftOut) {
  ConfigStore store(broker_of());
  constexpr auto kRate = "replica.alter.log.dirs.io.max.bytes.per.second";
  store.set_dynamic_default({{kRate, "fast"}});
  store.set_dynamic_broker({{"listener.name.plaintext.max.connections", "x"}, {"listener.name.b.num.io.threads", "4"}, {"own", "x"}});
  EXPECT_TRUE(store.broker()->dynamic_default().empty());
  EXPECT_EQ(store.broker()->dynamic_broker(), (StringMap{{"listener.name.b.num.io.threads", "4"}, {"own", "x"}}));
  store.set_dynamic_default({{kRate, " 99999999999999999999"}});
  EXPECT_TRUE(store.broker()->dynamic_default().empty());
  store.set_dynamic_default({{kRate, "7"}});
  EXPECT_EQ(store.broker()->dynamic_default().count(kRate), 1u);
}

// As Kafka's DynamicBrokerConfig.fromPersistentProps: somebody wrote them to ZooKeeper without asking a broker.
TEST(ConfigStore, StoredConfigsThatArentDynamicAreLeftOut) {
  ConfigStore store(broker_of({{"broker.id", "7"}}));
  store.set_dynamic_broker({{"broker.id", "9"},
                            {"log.retention.check.interval.ms", "5"},
                            {"ssl.keystore.location", "/x"},
                            {"listener.name.external.ssl.keystore.location", "/x"},
                            {"message.max.bytes", "70"}});
  EXPECT_EQ(store.broker()->hot().broker_id, 7);
  EXPECT_EQ(store.broker()->get_long("log.retention.check.interval.ms"), 300'000);
  EXPECT_EQ(store.broker()->dynamic_broker(),
            (StringMap{{"listener.name.external.ssl.keystore.location", "/x"}, {"message.max.bytes", "70"}}));
}

TEST(ConfigStore, StoredConfigsOfOneBrokerAreLeftOutOfTheClusters) {
  ConfigStore store(broker_of());
  store.set_dynamic_default({{"listeners", "PLAINTEXT://127.0.0.1:1"},
                             {"advertised.listeners", "PLAINTEXT://127.0.0.1:2"},
                             {"listener.name.external.ssl.keystore.location", "/x"},
                             {"listener.name.external.own", "x"},
                             {"listener.name.external.max.connections", "7"},
                             {"max.connections", "8"},
                             {"leader.replication.throttled.rate", "9"}});
  EXPECT_EQ(store.broker()->dynamic_default(), (StringMap{{"listener.name.external.max.connections", "7"},
                                                          {"max.connections", "8"},
                                                          {"leader.replication.throttled.rate", "9"}}));
}

TEST(ConfigStore, ReadersWhileWriting) {
  ConfigStore store(broker_of());
  std::thread writer([&] {
    for (int i = 1; i <= 200; ++i) {
      store.set_topic_overrides("a", {{"retention.ms", std::to_string(i)}});
      store.set_dynamic_default({{"message.max.bytes", std::to_string(i)}});
    }
  });
  for (int i = 0; i < 2000; ++i) {
    EXPECT_GT(store.topic("a")->log().retention_ms, 0);
    EXPECT_GT(store.broker()->hot().message_max_bytes, 0);
  }
  writer.join();
}

std::string error_of(const StringMap& proposed, bool cluster_wide, const StringMap& file = {}) {
  try {
    validate_dynamic_config(*broker_of(file), proposed, cluster_wide);
    return "ok";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

// Messages of Kafka 3.9.2 for the same changes of a broker with two threads of each kind.
TEST(DynamicConfig, ValidatesAsKafka) {
  const auto broker = [](const StringMap& proposed) {
    return error_of(proposed, false, {{"num.io.threads", "2"}, {"num.network.threads", "2"}});
  };
  const std::string wrapped = "Invalid value org.apache.kafka.common.config.ConfigException: ";
  const std::string end = " for configuration Invalid dynamic configuration";
  EXPECT_EQ(broker({{"num.io.threads", "4"}}), "ok");
  EXPECT_EQ(broker({{"num.io.threads", "100"}}),
            wrapped +
                "Dynamic thread count update validation failed for num.io.threads=100, value should not be greater "
                "than double the current value 2" +
                end);
  EXPECT_EQ(error_of({{"num.io.threads", "3"}}, false),
            wrapped +
                "Dynamic thread count update validation failed for num.io.threads=3, value should be at least half "
                "the current value 8" +
                end);
  EXPECT_EQ(broker({{"num.io.threads", "0"}}),
            "Invalid value 0 for configuration num.io.threads: Value must be at least 1");
  EXPECT_EQ(broker({{"num.replica.fetchers", "0"}}),
            wrapped +
                "Dynamic thread count update validation failed for num.replica.fetchers=0, value should be at least "
                "1" +
                end);
  EXPECT_EQ(broker({{"broker.id", "4"}, {"log.dirs", "x"}}),
            "Cannot update these configs dynamically: Set(broker.id, log.dirs)");
  EXPECT_EQ(broker({{"foo.bar", "4"}}), "ok");
  EXPECT_EQ(broker({{"ssl.keystore.location", "/x"}}),
            "These security configs can be dynamically updated only per-listener using the listener prefix: "
            "HashSet(ssl.keystore.location)");
  EXPECT_EQ(broker({{"listener.name.plaintext.ssl.keystore.location", "/x"}}), "ok");
  EXPECT_EQ(broker({{"max.connections", "0"}}), wrapped + "Invalid max.connections 0" + end);
  EXPECT_EQ(broker({{"log.cleaner.threads", "10"}}),
            wrapped + "Log cleaner threads cannot be increased to more than double the current value 1" + end);
  EXPECT_EQ(broker({{"log.local.retention.ms", "10000000000"}, {"log.retention.ms", "5000"}}),
            wrapped +
                "Invalid value 10000000000 for configuration log.local.retention.ms: Value must not be more than "
                "log.retention.ms property value: 5000" +
                end);
  EXPECT_EQ(broker({{"log.local.retention.ms", "100"}}), "ok");
  EXPECT_EQ(broker({{"log.roll.ms", "0"}}), "requirement failed: log.roll.ms must be greater than or equal to 1");
  EXPECT_EQ(broker({{"leader.replication.throttled.rate", "100"}}), "ok");
  EXPECT_EQ(broker({{"follower.replication.throttled.rate", "abc"}}),
            "Invalid value abc for configuration follower.replication.throttled.rate: Not a number of type LONG");
  EXPECT_EQ(
      broker({{"replica.alter.log.dirs.io.max.bytes.per.second", "-1"}}),
      "Invalid value -1 for configuration replica.alter.log.dirs.io.max.bytes.per.second: Value must be at least 0");
}

TEST(DynamicConfig, ClusterWideChanges) {
  EXPECT_EQ(error_of({{"message.max.bytes", "5"}, {"leader.replication.throttled.rate", "100"}}, true), "ok");
  EXPECT_EQ(error_of({{"listeners", "PLAINTEXT://localhost:1"}}, true),
            "Cannot update these configs at default cluster level, broker id must be specified: Set(listeners)");
  EXPECT_EQ(error_of({{"listener.name.external.max.connections", "5"}}, true), "ok");
  EXPECT_EQ(error_of({{"listener.name.external.own", "5"}}, true),
            "Cannot update these configs at default cluster level, broker id must be specified: "
            "Set(listener.name.external.own)");
}

// As Kafka 3.9.2 answers a broker that listens on PLAINTEXT and, since a while, on EXTRA.
TEST(DynamicConfig, ListenersAsKafka) {
  const std::string base = "PLAINTEXT://127.0.0.1:9092";
  const std::string map = "PLAINTEXT:PLAINTEXT,SSL:SSL,EXTRA:PLAINTEXT";
  const StringMap file = {{"listeners", base + ",EXTRA://127.0.0.1:9093"}, {"listener.security.protocol.map", map}};
  const auto answer = [&](const StringMap& proposed) { return error_of(proposed, false, file); };
  EXPECT_EQ(answer({{"listeners", base}}), "ok");
  EXPECT_EQ(answer({{"listeners", base + ",EXTRA://127.0.0.1:0"}}), "ok");
  EXPECT_EQ(answer({{"advertised.listeners", "PLAINTEXT://example.org:77"}}), "ok");
  EXPECT_EQ(answer({{"listeners", base + ",OTHER://127.0.0.1:1"}}),
            "Error creating broker listeners from 'PLAINTEXT://127.0.0.1:9092,OTHER://127.0.0.1:1': No security protocol "
            "defined for listener OTHER");
  EXPECT_EQ(answer({{"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT"}}),
            "Error creating broker listeners from 'PLAINTEXT://127.0.0.1:9092,EXTRA://127.0.0.1:9093': No security "
            "protocol defined for listener EXTRA");
  EXPECT_EQ(answer({{"listeners", "foo"}}),
            "Error creating broker listeners from 'foo': Unable to parse foo to a broker endpoint");
  EXPECT_EQ(answer({{"listeners", base + ",EXTRA://127.0.0.1:9092"}}),
            "requirement failed: If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, "
            "listeners: PLAINTEXT://127.0.0.1:9092,EXTRA://127.0.0.1:9092, port: 9092");
  EXPECT_EQ(answer({{"listeners", "EXTRA://127.0.0.1:9093"}}),
            "requirement failed: inter.broker.listener.name must be a listener name defined in advertised.listeners. The "
            "valid options based on currently configured listeners are EXTRA");
  EXPECT_EQ(answer({{"advertised.listeners", base + ",OTHER://127.0.0.1:3"},
                    {"listener.security.protocol.map", map + ",OTHER:PLAINTEXT"}}),
            "requirement failed: advertised.listeners listener names must be equal to or a subset of the ones defined in "
            "listeners. Found PLAINTEXT,OTHER. The valid options based on the current configuration are PLAINTEXT,EXTRA");
  EXPECT_EQ(answer({{"advertised.listeners", "PLAINTEXT://0.0.0.0:1"}}),
            "requirement failed: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP "
            "address.");
}

TEST(DynamicConfig, ListenersWithoutSupportedProtocolsAreRefused) {
  EXPECT_NE(error_of({{"listener.security.protocol.map", "PLAINTEXT:SSL,SSL:SSL"}}, false), "ok");
}

TEST(DynamicConfig, WhatCannotChangeWhileRunningIsRefused) {
  EXPECT_NE(error_of({{"metric.reporters", "org.example.Reporter"}}, false), "ok");
  const StringMap secret{{"listener.name.external.ssl.keystore.password", "x"}};
  const auto refusal = [&](const std::string& line) -> std::string {
    try {
      refuse_secrets(*BrokerConfig::create(base::Properties::parse("zookeeper.connect=z\n" + line)), secret);
      return "accepted";
    } catch (const ConfigError& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal(""), "Password encoder secret not configured");
  EXPECT_EQ(refusal("password.encoder.secret=s"),
            "Passwords aren't taken as dynamic configs: put listener.name.external.ssl.keystore.password into server.properties");
  EXPECT_NO_THROW(refuse_secrets(*BrokerConfig::create(base::Properties::parse("zookeeper.connect=z\n")), {{"num.io.threads", "4"}}));
}

}  // namespace
}  // namespace broker::config
