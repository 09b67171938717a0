#include "broker/config/config_entry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

namespace broker::config {
namespace {

// Sections of testdata/described.txt: name of the section, then key -> line. What DescribeConfigs of Kafka said for
// the settings below.
std::map<std::string, std::map<std::string, std::string>> sections() {
  std::ifstream stream(std::string(MILENA_SOURCE_DIR) + "/src/broker/config/testdata/described.txt");
  std::map<std::string, std::map<std::string, std::string>> all;
  std::string section;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("#")) continue;
    if (line.starts_with("== ")) {
      section = line.substr(3);
    } else {
      all[section][line.substr(0, line.find('\t'))] = line;
    }
  }
  return all;
}

std::string source_name(ConfigSource source) {
  switch (source) {
    case ConfigSource::topic:
      return "DYNAMIC_TOPIC_CONFIG";
    case ConfigSource::broker:
      return "DYNAMIC_BROKER_CONFIG";
    case ConfigSource::broker_default:
      return "DYNAMIC_DEFAULT_BROKER_CONFIG";
    case ConfigSource::file:
      return "STATIC_BROKER_CONFIG";
    case ConfigSource::by_default:
      return "DEFAULT_CONFIG";
    case ConfigSource::broker_logger:
      return "DYNAMIC_BROKER_LOGGER_CONFIG";
    case ConfigSource::group:
      return "DYNAMIC_GROUP_CONFIG";
  }
  return "";
}

std::string line_of(const ConfigEntry& entry) {
  std::string synonyms;
  for (const ConfigSynonym& synonym : entry.synonyms) {
    synonyms += fmt::format("{}{}={}@{}", synonyms.empty() ? "" : ";", synonym.name, synonym.value.value_or("\\N"),
                            source_name(synonym.source));
  }
  return fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}", entry.name, entry.value.value_or("\\N"), source_name(entry.source),
                     name_of(entry.type), entry.read_only ? "ro" : "rw", entry.sensitive ? "sensitive" : "", synonyms);
}

void expect_equal(const std::vector<ConfigEntry>& entries, const std::map<std::string, std::string>& expected) {
  EXPECT_EQ(entries.size(), expected.size());
  for (const ConfigEntry& entry : entries) {
    const auto found = expected.find(entry.name);
    ASSERT_NE(found, expected.end()) << entry.name;
    EXPECT_EQ(line_of(entry), found->second);
  }
}

base::Properties file() {
  return base::Properties::parse(
      "broker.id=7\nlisteners=PLAINTEXT://localhost:29192\nlog.dirs=/var/lib/kafka\nzookeeper.connect=localhost:22181\n"
      "num.partitions=2\nlog.retention.hours=100\nlog.segment.bytes=1000000\nlog.cleaner.min.cleanable.ratio=0.3\n"
      "offsets.topic.replication.factor=1\nmy.unknown.key=hello\nssl.keystore.password=secret\n"
      "message.max.bytes= 900000\nlog.roll.hours=50\nnum.network.threads=2\nnum.io.threads=2\ncompression.type=lz4\n");
}

const StringMap kDynamicDefault = {{"leader.replication.throttled.rate", "100"},
                                   {"log.cleaner.threads", "2"},
                                   {"message.max.bytes", "800000"},
                                   {"num.io.threads", "3"},
                                   {"num.network.threads", "3"}};

const StringMap kDynamicBroker = {{"advertised.listeners", "PLAINTEXT://foo:1"},
                                  {"background.threads", "15"},
                                  {"foo.bar", "4"},
                                  {"leader.replication.throttled.rate", "100"},
                                  {"listener.name.plaintext.ssl.keystore.location", "/x"},
                                  {"listeners", "PLAINTEXT://localhost:1"},
                                  {"log.cleaner.io.buffer.size", "1"},
                                  {"log.cleanup.policy", "compact"},
                                  {"log.flush.interval.ms", "-5"},
                                  {"log.local.retention.bytes", "10000000000"},
                                  {"log.local.retention.ms", "100"},
                                  {"log.message.timestamp.type", "LogAppendTime"},
                                  {"log.retention.ms", "5000"},
                                  {"max.connection.creation.rate", "5"},
                                  {"max.connections.per.ip.overrides", "localhost:100"},
                                  {"min.insync.replicas", "2"},
                                  {"num.network.threads", "3"},
                                  {"num.recovery.threads.per.data.dir", "2"},
                                  {"num.replica.fetchers", "2"},
                                  {"producer.id.expiration.ms", "100"},
                                  {"remote.fetch.max.wait.ms", "5"},
                                  {"remote.log.index.file.cache.total.size.bytes", "5"},
                                  {"sasl.enabled.mechanisms", "PLAIN"},
                                  {"transaction.partition.verification.enable", "false"},
                                  {"unclean.leader.election.enable", "true"}};

TEST(ConfigEntry, TopicsAsKafkaTells) {
  const auto broker = BrokerConfig::create(file());
  expect_equal(describe_topic(*TopicConfig::create(broker, {})), sections()["TOPIC t1"]);
  expect_equal(
      describe_topic(*TopicConfig::create(
          broker, {{"retention.ms", "1000"}, {"cleanup.policy", "compact,delete"}, {"min.insync.replicas", "1"}})),
      sections()["TOPIC t2"]);
}

TEST(ConfigEntry, BrokerAsKafkaTells) {
  const auto broker = BrokerConfig::create(file());
  const auto entries = describe_broker(*broker);
  ASSERT_EQ(entries.size(), 316u);
  expect_equal(entries, sections()["BROKER 7"]);
  EXPECT_TRUE(describe_broker_default(*broker).empty());
}

TEST(ConfigEntry, DynamicBrokerAsKafkaTells) {
  const auto broker = BrokerConfig::create(file(), kDynamicDefault, kDynamicBroker);
  expect_equal(describe_broker(*broker), sections()["dynamic BROKER 7"]);
  expect_equal(describe_broker_default(*broker), sections()["BROKER "]);
}

TEST(ConfigEntry, UnknownTopicOverridesAreHidden) {
  const auto topic = TopicConfig::create(BrokerConfig::create(file()), {{"confluent.thing", "secret"}});
  const auto entries = describe_topic(*topic);
  EXPECT_EQ(
      line_of(entries.back()),
      "confluent.thing\t\\N\tDYNAMIC_TOPIC_CONFIG\tUNKNOWN\trw\tsensitive\tconfluent.thing=\\N@DYNAMIC_TOPIC_CONFIG");
}

TEST(ConfigEntry, OwnKeysAreShownWhereTheyAreSet) {
  base::Properties with_port = file();
  with_port.set("milena.prometheus.port", "9308");
  const auto entries = describe_broker(*BrokerConfig::create(with_port));
  EXPECT_EQ(entries.size(), 317u);  // and not the host, which isn't
  const auto found = std::ranges::find(entries, "milena.prometheus.port", &ConfigEntry::name);
  ASSERT_NE(found, entries.end());
  EXPECT_EQ(line_of(*found),
            "milena.prometheus.port\t9308\tSTATIC_BROKER_CONFIG\tINT\tro\t\t"
            "milena.prometheus.port=9308@STATIC_BROKER_CONFIG");
}

TEST(ConfigEntry, EveryKeyIsDocumented) {
  const auto broker = BrokerConfig::create(file());
  for (const ConfigEntry& entry : describe_broker(*broker)) {
    EXPECT_EQ(entry.documentation.empty(), entry.name == "my.unknown.key") << entry.name;
  }
}

TEST(ConfigEntry, KeysBehindListenerPrefixes) {
  EXPECT_EQ(resolve_broker_key("listener.name.a.ssl.keystore.password")->type, ConfigType::password);
  EXPECT_EQ(resolve_broker_key("listener.name.a.plain.sasl.jaas.config")->name, "sasl.jaas.config");
  EXPECT_EQ(resolve_broker_key("listener.name.a.x.num.io.threads"), nullptr);
  EXPECT_EQ(resolve_broker_key("listener.name.a"), nullptr);
}

}  // namespace
}  // namespace broker::config
