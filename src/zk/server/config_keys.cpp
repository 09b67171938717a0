#include "zk/server/config_keys.h"

#include <algorithm>

namespace zk::server {

namespace {

using Config = ZooKeeperServerConfig;

constexpr std::int64_t kIntMax = INT32_MAX;
constexpr std::int64_t kLongMax = INT64_C(1) << 50;

void set_commands(Config& config, const std::string&, const ConfigEntry& entry) {
  std::string_view rest = entry.value;
  while (!rest.empty()) {
    std::size_t comma = rest.find(',');
    std::string word = trimmed(rest.substr(0, comma));
    if (word == "*") config.all_commands = true;
    if (!word.empty()) config.commands.insert(word);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
}

void set_read_only_mode(Config& config, const std::string& key, const ConfigEntry& entry) {
  if (switch_value(config.warnings, key, entry)) config.commands.insert("isro");
}

void set_compression(Config& config, const std::string& key, const ConfigEntry& entry) {
  std::string_view method = choice_value(key, entry, {"", "gz", "snappy", "CHECKED"});
  config.snapshot_compression = method == "gz"       ? SnapshotCompression::gzip
                                : method == "snappy" ? SnapshotCompression::snappy
                                                     : SnapshotCompression::none;
}

void set_log_size_limit(Config& config, const std::string& key, const ConfigEntry& entry) {
  std::int64_t kibibytes = number_value(key, entry, -1, kLongMax);
  config.log_bytes_max = kibibytes <= 0 ? 0 : static_cast<std::uint64_t>(kibibytes) * 1024;
}

// Nothing and less turn it off, which is what ZooKeeper says that it does (at 0, it ends with a division by zero).
void set_snap_size_limit(Config& config, const std::string& key, const ConfigEntry& entry) {
  const std::int64_t kibibytes = number_value(key, entry, INT64_MIN, kLongMax);
  config.snapshot_every_bytes = kibibytes <= 0 ? UINT64_MAX : static_cast<std::uint64_t>(kibibytes) * 1024;
}

void set_snap_retain_count(Config& config, const std::string& key, const ConfigEntry& entry) {
  constexpr std::int64_t kLeast = 3;
  std::int64_t count = number_value(key, entry, INT32_MIN, kIntMax);
  if (count < kLeast)
    config.warnings.push_back("Invalid autopurge.snapRetainCount: " + trimmed(entry.value) + ". Defaulting to 3");
  config.snapshots_kept = static_cast<std::size_t>(std::max(count, kLeast));
}

// One that ZooKeeper compares with a single word: what isn't that word leaves the member as it is.
ConfigSetter word_of(bool Config::*member, const char* word, const char* otherwise, bool meaning) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    const std::string value = trimmed(entry.value);
    config.*member = value == word ? meaning : !meaning;
    if (value == word || value == otherwise) return;
    config.warnings.push_back(key + "=" + value + " has no effect, here as in ZooKeeper: only " + word + " counts");
  };
}

// A bound: what is below the least is taken for it.
template <class T>
ConfigSetter at_least(T Config::*member, std::int64_t least, std::int64_t unit = 1) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    config.*member = static_cast<T>(std::max(least, number_value(key, entry, INT32_MIN, kIntMax)) * unit);
  };
}

void set_snap_count(Config& config, const std::string& key, const ConfigEntry& entry) {
  constexpr std::int64_t kLeast = 2;
  const std::int64_t count = number_value(key, entry, INT32_MIN, kIntMax);
  if (count < kLeast) config.warnings.push_back(key + "=" + trimmed(entry.value) + " is taken for 2");
  config.snapshot_every = static_cast<std::uint64_t>(std::max(count, kLeast));
}

template <class T>
ConfigSetter number_of(T Config::*member, std::int64_t lowest, std::int64_t highest) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    config.*member = static_cast<T>(number_value(key, entry, lowest, highest));
  };
}

ConfigSetter boolean_of(bool Config::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    config.*member = switch_value(config.warnings, key, entry);
  };
}

ConfigSetter protecting(bool Config::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) { config.*member = protecting_value(key, entry); };
}

ConfigSetter text_of(std::string Config::*member) {
  return [=](Config& config, const std::string&, const ConfigEntry& entry) { config.*member = trimmed(entry.value); };
}

ConfigSetter request_throttle_switch(bool RequestThrottleConfig::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    config.request_throttle.*member = switch_value(config.warnings, key, entry);
  };
}

void set_request_throttle(Config& config, const std::string& key, const ConfigEntry& entry) {
  const std::int64_t most = number_value(key, entry, INT32_MIN, kIntMax);
  config.request_throttle.requests_max = most > 0 ? static_cast<std::size_t>(most) : 0;
}

void set_throttled_op_wait(Config& config, const std::string& key, const ConfigEntry& entry) {
  config.request_throttle.refused_after_ms = std::max<std::int64_t>(0, number_value(key, entry, INT32_MIN, kIntMax));
}

void set_large_threshold(Config& config, const std::string& key, const ConfigEntry& entry) {
  const std::int64_t bytes = number_value(key, entry, INT32_MIN, kIntMax);
  if (bytes == 0 || bytes < -1) {
    config.warnings.push_back("Invalid " + key + ": " + trimmed(entry.value) +
                              ". It should be -1 or positive: -1 is used");
  }
  config.request_throttle.large_bytes = bytes > 0 ? bytes : -1;
}

void set_large_bytes_max(Config& config, const std::string& key, const ConfigEntry& entry) {
  const std::int64_t bytes = number_value(key, entry, INT32_MIN, kIntMax);
  if (bytes > 0) {
    config.request_throttle.large_bytes_max = bytes;
  } else {
    config.warnings.push_back("Invalid " + key + ": " + trimmed(entry.value) + ". It should be positive: it stays at " +
                              std::to_string(config.request_throttle.large_bytes_max));
  }
}

ConfigSetter throttle_number(std::int64_t ConnectionThrottleConfig::*member) {
  return [=](Config& config, const std::string& key, const ConfigEntry& entry) {
    config.connection_throttle.*member = number_value(key, entry, 0, kIntMax);
  };
}

void add_serving(ConfigKeys& keys) {
  keys["dataDir"] = text_of(&Config::data_dir);
  keys["dataLogDir"] = text_of(&Config::data_log_dir);
  keys["clientPort"] = number_of(&Config::client_port, 0, 65535);
  keys["clientPortAddress"] = text_of(&Config::client_address);
  keys["clientPortListenBacklog"] = number_of(&Config::listen_backlog, -1, kIntMax);
  keys["audit.enable"] = boolean_of(&Config::audit);
  keys["clientTcpKeepAlive"] = boolean_of(&Config::keep_alive);
  keys["tickTime"] = number_of(&Config::tick_ms, 1, kIntMax);
  keys["minSessionTimeout"] = number_of(&Config::session_timeout_min_ms, -1, kIntMax);
  keys["maxSessionTimeout"] = number_of(&Config::session_timeout_max_ms, -1, kIntMax);
  keys["extendedTypesEnabled"] = boolean_of(&Config::extended_types);
  keys["reconfigEnabled"] = protecting(&Config::reconfig);
  keys["enforceQuota"] = protecting(&Config::enforce_quota);
  keys["skipACL"] = word_of(&Config::skip_acl, "yes", "no", true);
  keys["DigestAuthenticationProvider.superDigest"] = text_of(&Config::super_digest);
  keys["4lw.commands.whitelist"] = set_commands;
  keys["readonlymode.enabled"] = set_read_only_mode;
}

void add_bounds(ConfigKeys& keys) {
  keys["maxClientCnxns"] = at_least(&Config::connections_per_address_max, 0);
  keys["maxCnxns"] = at_least(&Config::connections_max, 0);
  keys["globalOutstandingLimit"] = at_least(&Config::outstanding_max, 1);
  keys["jute.maxbuffer"] = number_of(&Config::frame_bytes_max, 1024, kIntMax);
  keys["nio.sessionlessCnxnTimeout"] = number_of(&Config::handshake_timeout_ms, 1, kIntMax);
  keys["connection_throttle_tokens"] = throttle_number(&ConnectionThrottleConfig::tokens);
  keys["connection_throttle_fill_count"] = throttle_number(&ConnectionThrottleConfig::fill_count);
  keys["connection_throttle_fill_time"] = throttle_number(&ConnectionThrottleConfig::fill_interval_ms);
  keys["request_throttle_max_requests"] = set_request_throttle;
  keys["request_throttle_drop_stale"] = request_throttle_switch(&RequestThrottleConfig::drop_stale);
  keys["request_stale_connection_check"] = request_throttle_switch(&RequestThrottleConfig::gone_is_stale);
  keys["request_stale_latency_check"] = request_throttle_switch(&RequestThrottleConfig::late_is_stale);
  keys["throttled_op_wait_time"] = set_throttled_op_wait;
  keys["largeRequestThreshold"] = set_large_threshold;
  keys["largeRequestMaxBytes"] = set_large_bytes_max;
  keys["znode.container.checkIntervalMs"] = number_of(&Config::container_check_ms, 1, kIntMax);
  keys["znode.container.maxPerMinute"] = number_of(&Config::containers_per_minute_max, 1, kIntMax);
  keys["znode.container.maxNeverUsedIntervalMs"] = number_of(&Config::container_never_used_ms, 0, kLongMax);
}

void add_disk(ConfigKeys& keys) {
  keys["snapCount"] = set_snap_count;
  keys["snapSizeLimitInKb"] = set_snap_size_limit;
  keys["autopurge.snapRetainCount"] = set_snap_retain_count;
  keys["autopurge.purgeInterval"] = number_of(&Config::purge_every_hours, INT32_MIN, kIntMax);
  keys["preAllocSize"] = at_least(&Config::preallocate_bytes, 0, 1024);
  keys["txnLogSizeLimitInKb"] = set_log_size_limit;
  keys["forceSync"] = word_of(&Config::force_sync, "no", "yes", false);
  keys["fsync.warningthresholdms"] = number_of(&Config::slow_sync_ms, 0, kLongMax);
  keys["digest.enabled"] = protecting(&Config::digest);
  keys["snapshot.compression.method"] = set_compression;
  keys["snapshot.trust.empty"] = boolean_of(&Config::trust_empty_snapshot);
  keys["serializeLastProcessedZxid.enabled"] = boolean_of(&Config::snapshot_last_zxid);
  keys["datadir.autocreate"] = boolean_of(&Config::create_data_dir);
}

}  // namespace

const ConfigKeys& config_keys() {
  static const ConfigKeys all = [] {
    ConfigKeys keys;
    add_serving(keys);
    add_bounds(keys);
    add_disk(keys);
    add_http_keys(keys);
    add_ignored_keys(keys);
    return keys;
  }();
  return all;
}

}  // namespace zk::server
