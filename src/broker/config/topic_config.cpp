#include "broker/config/topic_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/logging.h"

namespace broker::config {
namespace {

// What a topic has without an override. A few come from several keys of the broker.
ConfigValue inherited_value(const BrokerConfig& broker, const ConfigKey& key) {
  if (key.name == "retention.ms") return broker.log_retention_ms();
  if (key.name == "segment.ms") return broker.log_roll_ms();
  if (key.name == "segment.jitter.ms") return broker.log_roll_jitter_ms();
  if (key.name == "flush.ms") return broker.log_flush_interval_ms();
  if (key.broker_key.empty()) return default_value(key);
  return broker.value(key.broker_key);
}

std::size_t index_of(std::string_view name) {
  const ConfigKey* key = find_topic_key(name);
  if (key == nullptr) throw std::logic_error(fmt::format("no topic config is called {}", name));
  return static_cast<std::size_t>(key - topic_keys().data());
}

bool contains(const ConfigValue& list, std::string_view element) {
  return std::ranges::find(std::get<std::vector<std::string>>(list), element) !=
         std::get<std::vector<std::string>>(list).end();
}

}  // namespace

std::shared_ptr<const TopicConfig> TopicConfig::create(std::shared_ptr<const BrokerConfig> broker,
                                                       StringMap overrides, std::string_view topic) {
  std::shared_ptr<TopicConfig> config(new TopicConfig);
  config->broker_ = std::move(broker);
  config->overrides_ = std::move(overrides);
  config->values_.reserve(topic_keys().size());
  for (const ConfigKey& key : topic_keys()) {
    ConfigValue value;
    const auto found = config->overrides_.find(key.name);
    bool inherited = found == config->overrides_.end();
    if (!inherited) {
      try {
        value = parse_value(key, found->second);
      } catch (const ConfigError& error) {
        base::log_error("kafka.server.TopicConfigHandler", "Ignoring a stored config of topic {}: {}", topic, error.what());
        config->overrides_.erase(found);
        inherited = true;
      }
    }
    config->values_.push_back(inherited ? inherited_value(*config->broker_, key) : std::move(value));
  }
  config->fill();
  return config;
}

const ConfigValue& TopicConfig::value(std::string_view key) const { return values_[index_of(key)]; }

void TopicConfig::fill() {
  const auto number = [this](std::string_view key) { return std::get<std::int64_t>(value(key)); };
  const auto level = [&](std::string_view key) { return static_cast<int>(number(key)); };
  const auto flag = [this](std::string_view key) { return std::get<bool>(value(key)); };
  const auto text = [this](std::string_view key) { return std::get<std::string>(value(key)); };
  log_.segment_bytes = number("segment.bytes");
  log_.segment_ms = number("segment.ms");
  log_.segment_jitter_ms = number("segment.jitter.ms");
  log_.segment_index_bytes = number("segment.index.bytes");
  log_.index_interval_bytes = number("index.interval.bytes");
  log_.preallocate = flag("preallocate");
  log_.cleanup_delete = contains(value("cleanup.policy"), "delete");
  log_.cleanup_compact = contains(value("cleanup.policy"), "compact");
  log_.retention_bytes = number("retention.bytes");
  log_.retention_ms = number("retention.ms");
  log_.file_delete_delay_ms = number("file.delete.delay.ms");
  log_.flush_messages = number("flush.messages");
  log_.flush_ms = number("flush.ms");
  log_.max_message_bytes = number("max.message.bytes");
  log_.compression = text("compression.type") == "uncompressed" ? std::optional(base::Codec::none)
                                                                : base::codec_named(text("compression.type"));
  log_.compression_gzip_level = level("compression.gzip.level");
  log_.compression_lz4_level = level("compression.lz4.level");
  log_.compression_zstd_level = level("compression.zstd.level");
  log_.timestamp_type = text("message.timestamp.type") == "LogAppendTime" ? protocol::TimestampType::log_append_time
                                                                          : protocol::TimestampType::create_time;
  // The older key counts as long as the newer one has its default.
  const auto or_difference = [&](std::string_view key) {
    return number(key) != storage::LogConfig::kUnlimited ? number(key) : number("message.timestamp.difference.max.ms");
  };
  log_.timestamp_before_max_ms = or_difference("message.timestamp.before.max.ms");
  log_.timestamp_after_max_ms = or_difference("message.timestamp.after.max.ms");
  log_.down_conversion = flag("message.downconversion.enable");
  log_.min_cleanable_dirty_ratio = std::get<double>(value("min.cleanable.dirty.ratio"));
  log_.min_compaction_lag_ms = number("min.compaction.lag.ms");
  log_.max_compaction_lag_ms = number("max.compaction.lag.ms");
  log_.delete_retention_ms = number("delete.retention.ms");
  min_insync_replicas_ = static_cast<std::int32_t>(number("min.insync.replicas"));
  unclean_leader_election_enable_ = flag("unclean.leader.election.enable");
}

void validate_topic_config(const BrokerConfig& broker, const StringMap& overrides) {
  for (const auto& [name, text] : overrides) {
    if (find_topic_key(name) == nullptr)
      throw InvalidTopicConfig(fmt::format("Unknown topic config name: {}", name), name);
  }
  for (const ConfigKey& key : topic_keys()) {
    if (const auto found = overrides.find(key.name); found != overrides.end()) parse_value(key, found->second);
  }
  const auto lag_of = [&](std::string_view name) {
    const ConfigKey& key = *find_topic_key(name);
    const auto found = overrides.find(name);
    return std::get<std::int64_t>(found == overrides.end() ? inherited_value(broker, key)
                                                           : parse_value(key, found->second));
  };
  const std::int64_t least = lag_of("min.compaction.lag.ms");
  const std::int64_t most = lag_of("max.compaction.lag.ms");
  if (least > most) {
    throw InvalidTopicConfig(fmt::format(
        "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})", least, most));
  }
  const auto is_set = [&](std::string_view name) {
    const auto found = overrides.find(name);
    return found != overrides.end() && std::get<bool>(parse_value(*find_topic_key(name), found->second));
  };
  for (const char* name : {"remote.log.delete.on.disable", "remote.log.copy.disable"}) {
    if (!is_set(name)) continue;
    throw InvalidTopicConfig(
        "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under Zookeeper's mode.", name);
  }
  if (is_set("remote.storage.enable")) {
    throw ConfigError(
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        "remote.storage.enable");
  }
}

}  // namespace broker::config
