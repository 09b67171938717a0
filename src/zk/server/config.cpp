#include "zk/server/config.h"

#include <charconv>
#include <functional>
#include <map>
#include <optional>

namespace zk::server {

namespace {

using Entry = base::Properties::Entry;

[[noreturn]] void refuse(const std::string& key, const Entry& entry, const std::string& allowed) {
  throw ConfigError(entry.line, key + "=" + entry.value + " is not valid: " + allowed);
}

std::string trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

std::int64_t number(const std::string& key, const Entry& entry, std::int64_t lowest, std::int64_t highest) {
  std::string text = trimmed(entry.value);
  std::string_view digits = text;
  int base = 10;
  if (digits.starts_with("0x")) {
    digits.remove_prefix(2);
    base = 16;
  }
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size() || value < lowest || value > highest) {
    refuse(key, entry, "it must be a number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return value;
}

bool boolean(const std::string& key, const Entry& entry) {
  std::string text = trimmed(entry.value);
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (text == "true" || text == "yes") return true;
  if (text == "false" || text == "no") return false;
  refuse(key, entry, "it must be true or false");
}

constexpr std::int64_t kIntMax = INT32_MAX;
using Setter = std::function<void(ZooKeeperServerConfig&, const std::string& key, const Entry&)>;

void set_commands(ZooKeeperServerConfig& config, const std::string&, const Entry& entry) {
  config.commands.clear();
  std::string_view rest = entry.value;
  while (!rest.empty()) {
    std::size_t comma = rest.find(',');
    std::string word = trimmed(rest.substr(0, comma));
    if (word == "*") config.all_commands = true;
    if (!word.empty()) config.commands.insert(word);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
}

template <class T>
Setter number_of(T ZooKeeperServerConfig::*member, std::int64_t lowest, std::int64_t highest, std::int64_t unit = 1) {
  return [=](ZooKeeperServerConfig& config, const std::string& key, const Entry& entry) {
    config.*member = static_cast<T>(number(key, entry, lowest, highest) * unit);
  };
}

Setter boolean_of(bool ZooKeeperServerConfig::*member) {
  return [=](ZooKeeperServerConfig& config, const std::string& key, const Entry& entry) {
    config.*member = boolean(key, entry);
  };
}

Setter text_of(std::string ZooKeeperServerConfig::*member) {
  return [=](ZooKeeperServerConfig& config, const std::string&, const Entry& entry) {
    config.*member = trimmed(entry.value);
  };
}

const std::map<std::string, Setter, std::less<>>& setters() {
  using Config = ZooKeeperServerConfig;
  static const std::map<std::string, Setter, std::less<>> all = {
      {"dataDir", text_of(&Config::data_dir)},
      {"dataLogDir", text_of(&Config::data_log_dir)},
      {"clientPort", number_of(&Config::client_port, 0, 65535)},
      {"clientPortAddress", text_of(&Config::client_address)},
      {"clientPortListenBacklog", number_of(&Config::listen_backlog, -1, kIntMax)},
      {"tickTime", number_of(&Config::tick_ms, 1, kIntMax)},
      {"minSessionTimeout", number_of(&Config::session_timeout_min_ms, -1, kIntMax)},
      {"maxSessionTimeout", number_of(&Config::session_timeout_max_ms, -1, kIntMax)},
      {"maxClientCnxns", number_of(&Config::connections_per_address_max, 0, kIntMax)},
      {"maxCnxns", number_of(&Config::connections_max, 0, kIntMax)},
      {"globalOutstandingLimit", number_of(&Config::outstanding_max, 1, kIntMax)},
      {"jute.maxbuffer", number_of(&Config::frame_bytes_max, 1024, kIntMax)},
      {"snapCount", number_of(&Config::snapshot_every, 2, kIntMax)},
      {"snapSizeLimitInKb", number_of(&Config::snapshot_every_bytes, 1, INT64_C(1) << 40, 1024)},
      {"autopurge.snapRetainCount", number_of(&Config::snapshots_kept, 0, kIntMax)},
      {"autopurge.purgeInterval", number_of(&Config::purge_every_hours, 0, kIntMax)},
      {"preAllocSize", number_of(&Config::preallocate_bytes, 0, kIntMax, 1024)},
      {"forceSync", boolean_of(&Config::force_sync)},
      {"digest.enabled", boolean_of(&Config::digest)},
      {"snapshot.trust.empty", boolean_of(&Config::trust_empty_snapshot)},
      {"extendedTypesEnabled", boolean_of(&Config::extended_types)},
      {"skipACL", boolean_of(&Config::skip_acl)},
      {"DigestAuthenticationProvider.superDigest", text_of(&Config::super_digest)},
      {"znode.container.checkIntervalMs", number_of(&Config::container_check_ms, 1, kIntMax)},
      {"4lw.commands.whitelist", set_commands},
  };
  return all;
}

// Known keys without an effect on one server of ours.
bool is_accepted(std::string_view key) {
  static const std::set<std::string_view> accepted = {"initLimit",
                                                      "syncLimit",
                                                      "connectToLearnerMasterLimit",
                                                      "electionAlg",
                                                      "peerType",
                                                      "standaloneEnabled",
                                                      "localSessionsEnabled",
                                                      "localSessionsUpgradingEnabled",
                                                      "reconfigEnabled",
                                                      "syncEnabled",
                                                      "quorumListenOnAllIPs",
                                                      "fsync.warningthresholdms",
                                                      "maxResponseCacheSize",
                                                      "closeSessionTxn.enabled",
                                                      "serializeLastProcessedZxid.enabled",
                                                      "txnLogSizeLimitInKb"};
  return accepted.contains(key) || key.starts_with("admin.") || key.starts_with("quorum.") ||
         key.starts_with("metricsProvider.");
}

// Keys whose neglect would open what their owner meant to close.
bool is_security_key(std::string_view key) {
  return key.starts_with("secureClientPort") || key.starts_with("ssl") || key.starts_with("authProvider.") ||
         key.starts_with("enforce.auth") || key == "requireClientAuthScheme" || key == "sessionRequireClientSASLAuth" ||
         key == "enforceQuota";
}

void refuse_ensemble(const std::string& key, const Entry& entry) {
  throw ConfigError(entry.line,
                    key +
                        " names a member of an ensemble, and this coordinator is one server. Ensembles run on "
                        "Apache ZooKeeper, to which zookeeper.connect of the brokers points");
}

void finish(ZooKeeperServerConfig& config, const base::Properties& properties) {
  if (config.data_dir.empty()) throw ConfigError(0, "dataDir is missing: it names the directory of the snapshots");
  if (config.data_log_dir.empty()) config.data_log_dir = config.data_dir;
  auto is_unset = [&](const char* key, std::int64_t value) { return properties.find(key) == nullptr || value == -1; };
  if (is_unset("minSessionTimeout", config.session_timeout_min_ms)) config.session_timeout_min_ms = 2 * config.tick_ms;
  if (is_unset("maxSessionTimeout", config.session_timeout_max_ms)) config.session_timeout_max_ms = 20 * config.tick_ms;
  if (config.session_timeout_min_ms > config.session_timeout_max_ms) {
    throw ConfigError(0, "minSessionTimeout must not be larger than maxSessionTimeout");
  }
}

}  // namespace

ZooKeeperServerConfig ZooKeeperServerConfig::from(const base::Properties& properties) {
  ZooKeeperServerConfig config;
  for (const auto& [full_key, entry] : properties.entries()) {
    std::string_view key = full_key;
    if (key.starts_with("zookeeper.")) key.remove_prefix(10);  // as a system property
    if (key.starts_with("server.") || key.starts_with("group.") || key.starts_with("weight.") ||
        key == "dynamicConfigFile") {
      refuse_ensemble(full_key, entry);
    }
    auto setter = setters().find(key);
    if (setter != setters().end()) {
      setter->second(config, full_key, entry);
    } else if (is_security_key(key)) {
      if (trimmed(entry.value) == "false") continue;
      refuse(full_key, entry, "this key is not served yet, and ignoring it would be unsafe");
    } else if (key.starts_with("snapshot.compression.method") && !trimmed(entry.value).empty()) {
      config.warnings.push_back(full_key + " is ignored: snapshots are written plain");
    } else if (!is_accepted(key)) {
      config.warnings.push_back(full_key + " is not a key of ZooKeeper's that has an effect here");
    }
  }
  finish(config, properties);
  return config;
}

}  // namespace zk::server
