#include "broker/config/topic_config.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

namespace broker::config {
namespace {

std::shared_ptr<const BrokerConfig> broker_of(const StringMap& pairs = {}) {
  base::Properties file;
  file.set("zookeeper.connect", "z");
  for (const auto& [key, value] : pairs) file.set(key, value);
  return BrokerConfig::create(file);
}

std::string error_of(const StringMap& overrides) {
  try {
    validate_topic_config(*broker_of(), overrides);
    return "ok";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(TopicConfig, DefaultsAreThoseOfTheLog) {
  const auto topic = TopicConfig::create(broker_of(), {});
  const storage::LogConfig expected;
  const storage::LogConfig& got = topic->log();
  EXPECT_EQ(got.segment_bytes, expected.segment_bytes);
  EXPECT_EQ(got.segment_ms, expected.segment_ms);
  EXPECT_EQ(got.segment_jitter_ms, expected.segment_jitter_ms);
  EXPECT_EQ(got.segment_index_bytes, expected.segment_index_bytes);
  EXPECT_EQ(got.index_interval_bytes, expected.index_interval_bytes);
  EXPECT_EQ(got.preallocate, expected.preallocate);
  EXPECT_EQ(got.cleanup_delete, expected.cleanup_delete);
  EXPECT_EQ(got.cleanup_compact, expected.cleanup_compact);
  EXPECT_EQ(got.retention_bytes, expected.retention_bytes);
  EXPECT_EQ(got.retention_ms, expected.retention_ms);
  EXPECT_EQ(got.file_delete_delay_ms, expected.file_delete_delay_ms);
  EXPECT_EQ(got.flush_messages, expected.flush_messages);
  EXPECT_EQ(got.flush_ms, expected.flush_ms);
  EXPECT_EQ(got.max_message_bytes, expected.max_message_bytes);
  EXPECT_EQ(got.compression, expected.compression);
  EXPECT_EQ(got.compression_gzip_level, expected.compression_gzip_level);
  EXPECT_EQ(got.compression_lz4_level, expected.compression_lz4_level);
  EXPECT_EQ(got.compression_zstd_level, expected.compression_zstd_level);
  EXPECT_EQ(got.timestamp_type, expected.timestamp_type);
  EXPECT_EQ(got.timestamp_before_max_ms, expected.timestamp_before_max_ms);
  EXPECT_EQ(got.timestamp_after_max_ms, expected.timestamp_after_max_ms);
  EXPECT_EQ(got.min_cleanable_dirty_ratio, expected.min_cleanable_dirty_ratio);
  EXPECT_EQ(got.min_compaction_lag_ms, expected.min_compaction_lag_ms);
  EXPECT_EQ(got.max_compaction_lag_ms, expected.max_compaction_lag_ms);
  EXPECT_EQ(got.delete_retention_ms, expected.delete_retention_ms);
  EXPECT_EQ(topic->min_insync_replicas(), 1);
  EXPECT_FALSE(topic->unclean_leader_election_enable());
}

TEST(TopicConfig, OverridesGoOverTheBroker) {
  const auto broker = broker_of({{"log.retention.minutes", "1"},
                                 {"log.roll.hours", "1"},
                                 {"compression.type", "gzip"},
                                 {"log.flush.scheduler.interval.ms", "9"},
                                 {"min.insync.replicas", "2"}});
  const auto plain = TopicConfig::create(broker, {});
  EXPECT_EQ(plain->log().retention_ms, 60000);
  EXPECT_EQ(plain->log().segment_ms, 3600000);
  EXPECT_EQ(plain->log().compression, base::Codec::gzip);
  EXPECT_EQ(plain->log().flush_ms, 9);
  EXPECT_EQ(plain->min_insync_replicas(), 2);
  const auto topic = TopicConfig::create(broker, {{"retention.ms", "5"},
                                                  {"compression.type", "uncompressed"},
                                                  {"cleanup.policy", "compact, delete"},
                                                  {"message.timestamp.type", "LogAppendTime"},
                                                  {"message.timestamp.difference.max.ms", "77"},
                                                  {"message.timestamp.after.max.ms", "78"},
                                                  {"unclean.leader.election.enable", "true"}});
  EXPECT_EQ(topic->log().retention_ms, 5);
  EXPECT_EQ(topic->log().compression, base::Codec::none);
  EXPECT_TRUE(topic->log().cleanup_compact);
  EXPECT_TRUE(topic->log().cleanup_delete);
  EXPECT_EQ(topic->log().timestamp_type, protocol::TimestampType::log_append_time);
  EXPECT_EQ(topic->log().timestamp_before_max_ms, 77);
  EXPECT_EQ(topic->log().timestamp_after_max_ms, 78);
  EXPECT_TRUE(topic->unclean_leader_election_enable());
}

// Each key of a topic sets its own place in the log's config, and no other one, but for those named here.
TEST(TopicConfig, EachKeyActs) {
  const std::set<std::string, std::less<>> elsewhere = {
      "min.insync.replicas",             // Partition
      "unclean.leader.election.enable",  // TopicManager
  };
  const std::set<std::string, std::less<>> without_effect = {
      "follower.replication.throttled.replicas", "leader.replication.throttled.replicas",  // replicas on other brokers
      "local.retention.bytes", "local.retention.ms",                                       // tiered storage
      "remote.log.copy.disable", "remote.log.delete.on.disable", "remote.storage.enable",
      "message.format.version",  // nor in Kafka from 3.0 on
  };
  struct Place {
    const char* value;
    std::function<void(storage::LogConfig&)> set;
  };
  using Config = storage::LogConfig;
  const std::map<std::string, Place, std::less<>> places = {
      {"cleanup.policy", {"compact", [](Config& log) { log.cleanup_compact = true, log.cleanup_delete = false; }}},
      {"compression.gzip.level", {"5", [](Config& log) { log.compression_gzip_level = 5; }}},
      {"compression.lz4.level", {"7", [](Config& log) { log.compression_lz4_level = 7; }}},
      {"compression.type", {"lz4", [](Config& log) { log.compression = base::Codec::lz4; }}},
      {"compression.zstd.level", {"6", [](Config& log) { log.compression_zstd_level = 6; }}},
      {"delete.retention.ms", {"5", [](Config& log) { log.delete_retention_ms = 5; }}},
      {"file.delete.delay.ms", {"5", [](Config& log) { log.file_delete_delay_ms = 5; }}},
      {"flush.messages", {"5", [](Config& log) { log.flush_messages = 5; }}},
      {"flush.ms", {"5", [](Config& log) { log.flush_ms = 5; }}},
      {"index.interval.bytes", {"5", [](Config& log) { log.index_interval_bytes = 5; }}},
      {"max.compaction.lag.ms", {"5", [](Config& log) { log.max_compaction_lag_ms = 5; }}},
      {"max.message.bytes", {"5", [](Config& log) { log.max_message_bytes = 5; }}},
      {"message.downconversion.enable", {"false", [](Config& log) { log.down_conversion = false; }}},
      {"message.timestamp.after.max.ms", {"5", [](Config& log) { log.timestamp_after_max_ms = 5; }}},
      {"message.timestamp.before.max.ms", {"5", [](Config& log) { log.timestamp_before_max_ms = 5; }}},
      {"message.timestamp.difference.max.ms",
       {"5", [](Config& log) { log.timestamp_before_max_ms = log.timestamp_after_max_ms = 5; }}},
      {"message.timestamp.type",
       {"LogAppendTime", [](Config& log) { log.timestamp_type = protocol::TimestampType::log_append_time; }}},
      {"min.cleanable.dirty.ratio", {"0.125", [](Config& log) { log.min_cleanable_dirty_ratio = 0.125; }}},
      {"min.compaction.lag.ms", {"5", [](Config& log) { log.min_compaction_lag_ms = 5; }}},
      {"preallocate", {"true", [](Config& log) { log.preallocate = true; }}},
      {"retention.bytes", {"5", [](Config& log) { log.retention_bytes = 5; }}},
      {"retention.ms", {"5", [](Config& log) { log.retention_ms = 5; }}},
      {"segment.bytes", {"50", [](Config& log) { log.segment_bytes = 50; }}},
      {"segment.index.bytes", {"5", [](Config& log) { log.segment_index_bytes = 5; }}},
      {"segment.jitter.ms", {"5", [](Config& log) { log.segment_jitter_ms = 5; }}},
      {"segment.ms", {"5", [](Config& log) { log.segment_ms = 5; }}}};
  const auto broker = broker_of();
  for (const ConfigKey& key : topic_keys()) {
    if (elsewhere.contains(key.name) || without_effect.contains(key.name)) continue;
    const auto place = places.find(key.name);
    ASSERT_NE(place, places.end()) << key.name;
    storage::LogConfig expected;
    place->second.set(expected);
    EXPECT_FALSE(expected == storage::LogConfig()) << key.name;
    EXPECT_TRUE(TopicConfig::create(broker, {{std::string(key.name), place->second.value}})->log() == expected) << key.name;
  }
  EXPECT_EQ(TopicConfig::create(broker, {{"min.insync.replicas", "2"}})->min_insync_replicas(), 2);
  EXPECT_TRUE(
      TopicConfig::create(broker, {{"unclean.leader.election.enable", "true"}})->unclean_leader_election_enable());
  EXPECT_EQ(topic_keys().size(), 36u);
}

TEST(TopicConfig, StoredNonsenseIsLeftOut) {
  const auto topic = TopicConfig::create(broker_of(), {{"retention.ms", "x"}, {"other", "1"}, {"segment.ms", "7"}});
  EXPECT_EQ(topic->log().retention_ms, storage::LogConfig().retention_ms);
  EXPECT_EQ(topic->log().segment_ms, 7);
  EXPECT_FALSE(topic->overrides().contains("retention.ms"));
  EXPECT_TRUE(topic->overrides().contains("other"));
}

// Messages of Kafka 3.9.2 for the same overrides.
TEST(TopicConfig, ValidatesAsKafka) {
  EXPECT_EQ(error_of({{"retention.ms", "1000"}}), "ok");
  EXPECT_EQ(error_of({{"foo", "bar"}, {"retention.ms", "x"}}), "Unknown topic config name: foo");
  EXPECT_EQ(error_of({{"retention.ms", "-2"}}),
            "Invalid value -2 for configuration retention.ms: Value must be at least -1");
  EXPECT_EQ(error_of({{"max.compaction.lag.ms", "10"}, {"min.compaction.lag.ms", "20"}}),
            "conflict topic config setting min.compaction.lag.ms (20) > max.compaction.lag.ms (10)");
  EXPECT_EQ(error_of({{"min.compaction.lag.ms", "9223372036854775807"}}), "ok");
  EXPECT_EQ(
      error_of({{"remote.storage.enable", "true"}}),
      "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.");
  for (const char* key : {"remote.log.copy.disable", "remote.log.delete.on.disable"}) {
    EXPECT_EQ(error_of({{key, "false"}}), "ok");
    EXPECT_EQ(
        error_of({{key, "true"}}),
        "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under Zookeeper's mode.");
  }
  EXPECT_EQ(error_of({{"cleanup.policy", "compact,delete,foo"}}),
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete");
  EXPECT_EQ(error_of({{"cleanup.policy", ""}}), "ok");
  EXPECT_EQ(error_of({{"segment.jitter.ms", "100"}, {"segment.ms", "50"}}), "ok");
  EXPECT_EQ(error_of({{"retention.bytes", "-5"}}), "ok");
  EXPECT_EQ(error_of({{"leader.replication.throttled.replicas", "0:1,1:2"}}), "ok");
  EXPECT_EQ(error_of({{"max.message.bytes", ""}}),
            "Invalid value  for configuration max.message.bytes: Not a number of type INT");
}

}  // namespace
}  // namespace broker::config
