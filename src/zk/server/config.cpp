#include "zk/server/config.h"

#include <algorithm>
#include <vector>

#include "base/file_system.h"
#include "zk/server/config_keys.h"
#include "zk/server/config_member.h"
#include "zk/server/config_values.h"

namespace zk::server {

namespace {

// Families of keys without an effect on one server of ours.
bool is_ignored_family(std::string_view key) {
  return key.starts_with("quorum.") || key.starts_with("pathStats.") || key.starts_with("messageTracker.") ||
         key.starts_with("netty.") || key.starts_with("multiAddress.") || key.starts_with("metricsProvider.");
}

// Keys whose neglect would open what their owner meant to close.
bool is_security_key(std::string_view key) {
  return key.starts_with("ssl");
}

constexpr std::string_view kPrefix = "zookeeper.";
// Of a properties file.
constexpr std::string_view kBlanks = " \t\f", kSeparators = "=: \t\f";

// Of a system property. One that the environment gives has no line.
std::string_view without_prefix(std::string_view key, const ConfigEntry& entry) {
  if (entry.line == 0 && key.starts_with(kPrefix)) key.remove_prefix(kPrefix.size());
  return key;
}

// System properties that ZooKeeper reads without its prefix.
bool has_no_prefix(std::string_view key) {
  return key == "jute.maxbuffer" || key == "readonlymode.enabled" || key == "fsync.warningthresholdms" ||
         key.starts_with("znode.container.");
}

void refuse_ensemble(const std::string& key, const ConfigEntry& entry) {
  throw ConfigError(entry.line, key +
                                    " belongs to an ensemble, and this coordinator is one server. Ensembles run on "
                                    "Apache ZooKeeper, to which zookeeper.connect of the brokers points");
}

// One server.N line alone is a standalone server, as in ZooKeeper.
void check_ensemble(ZooKeeperServerConfig& config, const base::Properties& properties, base::FileSystem* files) {
  std::size_t servers = 0;
  const base::Properties::Map::value_type* last = nullptr;
  for (const auto& item : properties.entries()) {
    if (item.first == "dynamicConfigFile") refuse_ensemble(item.first, item.second);
    if (!item.first.starts_with("server.")) continue;
    ++servers;
    last = &item;
  }
  if (servers > 1) refuse_ensemble(last->first, last->second);
  if (servers == 0) return;
  auto is_on = [&](const char* key, bool otherwise) {
    const ConfigEntry* entry = properties.find(key);
    return entry == nullptr ? otherwise : boolean_value(key, *entry);
  };
  if (!is_on("standaloneEnabled", true)) refuse_ensemble(last->first, last->second);
  const MemberLine member = parse_member_line(last->first, last->second, is_on("multiAddress.enabled", false));
  if (member.is_observer) refuse_ensemble(last->first, last->second);
  std::optional<std::string> myid;
  const std::string path = config.data_dir + "/myid";
  if (files != nullptr && files->exists(path) && !files->info(path).is_directory) {
    const base::Bytes bytes = base::read_file(*files, path);
    myid = std::string(base::as_text(bytes).substr(0, base::as_text(bytes).find_first_of("\r\n")));
  }
  take_member(config, last->first, last->second, member, myid);
}

// False if the key isn't about TLS.
bool set_tls(TlsConfig& config, const std::string& full_key, std::string_view key, const ConfigEntry& entry) {
  try {
    return set_tls_key(config, key, entry.value);
  } catch (const std::invalid_argument& error) {
    refuse_value(full_key, entry, error.what());
  }
}

// Without its value, which may be a password under a name that was mistyped.
[[noreturn]] void refuse_security_key(const std::string& full_key, std::string_view key, const ConfigEntry& entry) {
  const std::string_view meant = tls_key_in_its_case(key);
  const std::string what = meant.empty() ? "is not a key that is served here, and" : "is written " + std::string(meant) + ";";
  throw ConfigError(entry.line, full_key + " " + what + " ignoring it would be unsafe");
}

bool is_member_key(std::string_view key) {
  return key.starts_with("server.") || key.starts_with("group.") || key.starts_with("weight.");
}

// What ZooKeeper's own parser of the file takes; of every other key it makes a system property.
bool is_config_key(std::string_view key) {
  static const std::set<std::string_view> keys = {"dataDir",
                                                  "dataLogDir",
                                                  "clientPort",
                                                  "clientPortAddress",
                                                  "localSessionsEnabled",
                                                  "localSessionsUpgradingEnabled",
                                                  "secureClientPort",
                                                  "secureClientPortAddress",
                                                  "observerMasterPort",
                                                  "clientPortListenBacklog",
                                                  "tickTime",
                                                  "maxClientCnxns",
                                                  "minSessionTimeout",
                                                  "maxSessionTimeout",
                                                  "initLimit",
                                                  "syncLimit",
                                                  "connectToLearnerMasterLimit",
                                                  "electionAlg",
                                                  "quorumListenOnAllIPs",
                                                  "peerType",
                                                  "syncEnabled",
                                                  "dynamicConfigFile",
                                                  "autopurge.snapRetainCount",
                                                  "autopurge.purgeInterval",
                                                  "standaloneEnabled",
                                                  "reconfigEnabled",
                                                  "sslQuorum",
                                                  "portUnification",
                                                  "sslQuorumReloadCertFiles",
                                                  "oraclePath"};
  return keys.contains(key) || key.starts_with("quorum.") || key.starts_with("jvm.pause") ||
         key.starts_with("metricsProvider.") || key.starts_with("multiAddress.");
}

void set_all(ZooKeeperServerConfig& config, const base::Properties& properties) {
  for (const auto& [full_key, entry] : properties.entries()) {
    const std::string_view key = without_prefix(full_key, entry);
    if (key.starts_with(kPrefix)) {
      config.system_properties[std::string(kPrefix) + full_key] = is_secret(key) ? kHidden : entry.value;
      config.warnings.push_back(full_key + " has no effect, here as in ZooKeeper: in this file it is written without " +
                                std::string(kPrefix));
      continue;
    }
    if (!is_config_key(key)) {
      config.system_properties[std::string(kPrefix) + std::string(key)] = is_secret(key) ? kHidden : entry.value;
    }
    auto setter = config_keys().find(key);
    if (setter != config_keys().end()) {
      setter->second(config, full_key, entry);
    } else if (set_tls(config.tls, full_key, key, entry) || config.security.take(key, entry, config.warnings)) {
      continue;
    } else if (is_security_key(key)) {
      if (trimmed(entry.value) == "false") continue;
      refuse_security_key(full_key, key, entry);
    } else if (key != "admin.enableServer" && !is_member_key(key) && !is_ignored_family(key)) {
      config.warnings.push_back(full_key + " is not a key of ZooKeeper's that has an effect here");
    }
  }
}

// As Java's File has a path: whether dataDir and dataLogDir are one is seen by it.
std::string without_extra_slashes(std::string_view path) {
  std::string kept;
  for (char c : path) {
    if (c != '/' || !kept.ends_with('/')) kept += c;
  }
  if (kept.size() > 1 && kept.ends_with('/')) kept.pop_back();
  return kept;
}

void finish(ZooKeeperServerConfig& config, const base::Properties& properties) {
  if (config.data_dir.empty()) throw ConfigError(0, "dataDir is missing: it names the directory of the snapshots");
  config.security.schemes.skip_checks = config.skip_acl;
  config.security.schemes.x509 |= config.tls.x509_enabled();
  config.security.finish();
  if (config.prometheus && !config.prometheus->port && !config.prometheus->secure_port) {
    config.prometheus->port = PrometheusConfig::kDefaultPort;
  }
  config.data_dir = without_extra_slashes(config.data_dir);
  config.data_log_dir = config.data_log_dir.empty() ? config.data_dir : without_extra_slashes(config.data_log_dir);
  const ConfigEntry* address = properties.find("clientPortAddress");
  if (address != nullptr && properties.find("clientPort") == nullptr) {
    throw ConfigError(address->line, "clientPortAddress is set, but clientPort is not");
  }
  if (!config.tls.address.empty() && !config.tls.port) {
    throw ConfigError(0, "secureClientPortAddress is set, but secureClientPort is not");
  }
  config.serves_client_port = properties.find("clientPort") != nullptr;
  auto is_unset = [&](const char* key, std::int64_t value) { return properties.find(key) == nullptr || value == -1; };
  if (is_unset("minSessionTimeout", config.session_timeout_min_ms)) config.session_timeout_min_ms = 2 * config.tick_ms;
  if (is_unset("maxSessionTimeout", config.session_timeout_max_ms)) config.session_timeout_max_ms = 20 * config.tick_ms;
  if (config.session_timeout_min_ms > config.session_timeout_max_ms) {
    throw ConfigError(0, "minSessionTimeout must not be larger than maxSessionTimeout");
  }
}

bool admin_is_enabled(const base::Properties& properties) {
  const ConfigEntry* entry = properties.find("admin.enableServer");
  const ConfigEntry* option = properties.find("zookeeper.admin.enableServer");
  if (entry == nullptr && option != nullptr && option->line == 0) entry = option;
  if (entry != nullptr) return boolean_value("admin.enableServer", *entry);
  return true;
}

// A line of the file, and what ends it: nothing, at the file's end.
struct NaturalLine {
  std::string_view text, end;
};

// One that has a key and its value, on all lines that a backslash joins; or a comment, or a blank line.
struct LogicalLine {
  std::string_view whole;
  std::vector<NaturalLine> natural;
};

NaturalLine take_natural_line(std::string_view& text) {
  NaturalLine line;
  line.text = text.substr(0, text.find_first_of("\r\n"));
  text.remove_prefix(line.text.size());
  line.end = text.substr(0, text.starts_with("\r\n") ? 2 : 1);
  text.remove_prefix(line.end.size());
  return line;
}

// As Properties.load splits the file: comments and blank lines don't continue, a line that continues another is no comment.
LogicalLine take_logical_line(std::string_view& text) {
  LogicalLine lines;
  const std::string_view from = text;
  bool continues = true;
  while (continues && !text.empty()) {
    const NaturalLine line = lines.natural.emplace_back(take_natural_line(text));
    const std::size_t begin = line.text.find_first_not_of(kBlanks);
    const bool has_none = begin == std::string_view::npos || line.text[begin] == '#' || line.text[begin] == '!';
    if (has_none && lines.natural.size() == 1) break;
    const std::size_t backslashes = line.text.size() - (line.text.find_last_not_of('\\') + 1);  // npos + 1 is 0
    continues = backslashes % 2 == 1;
  }
  lines.whole = from.substr(0, from.size() - text.size());
  return lines;
}

// Also in a comment, which may be a line that was put out of use.
bool tells_secret(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t\f#!");
  if (begin == std::string_view::npos) return false;
  const bool comment = line.substr(0, begin).find_first_of("#!") != std::string_view::npos;
  if (comment) return is_secret(line.substr(begin, line.find_first_of(kSeparators, begin) - begin));
  const base::Properties properties = base::Properties::parse(line);
  return std::ranges::any_of(properties.entries(), [](const auto& entry) { return is_secret(entry.first); });
}

// Of a line that begins with a key, or of a comment, with the separator; no more than that.
std::size_t size_of_key(std::string_view line) {
  const std::size_t begin = std::min(line.find_first_not_of(" \t\f#!"), line.size());
  const std::size_t end = std::min(line.find_first_of(kSeparators, begin), line.size());
  const std::size_t separator = std::min(line.find_first_not_of(kBlanks, end), line.size());
  return separator < line.size() && (line[separator] == '=' || line[separator] == ':') ? separator + 1 : separator;
}

}  // namespace

void add_java_options(base::Properties& file, const base::JavaOptions& options) {
  for (const auto& [name, value] : options.entries()) {
    std::string key = name;
    if (name.starts_with(kPrefix)) key.erase(0, kPrefix.size());
    if (has_no_prefix(key) ? name != key && key != "fsync.warningthresholdms" : name == key) continue;
    const bool is_key = config_keys().contains(key) || is_tls_key(key) || SecurityConfig::is_known(key);
    if (file.find(key) == nullptr && !is_config_key(key) && (is_key || key == "admin.enableServer")) file.set(name, value);
  }
}

std::string without_secrets(std::string_view file_text) {
  std::string text;
  while (!file_text.empty()) {
    const LogicalLine lines = take_logical_line(file_text);
    const bool secret = tells_secret(lines.whole);
    for (const NaturalLine& line : lines.natural) {
      std::size_t shown = line.text.size();
      if (secret) shown = &line == &lines.natural.front() ? size_of_key(line.text) : 0;
      text += line.text.substr(0, shown);
      if (shown < line.text.size()) text += kHidden;
      text += line.end;
    }
  }
  return text;
}

ZooKeeperServerConfig ZooKeeperServerConfig::from(const base::Properties& properties, base::FileSystem* files) {
  ZooKeeperServerConfig config;
  if (admin_is_enabled(properties)) config.admin.emplace();
  set_all(config, properties);
  finish(config, properties);
  check_ensemble(config, properties, files);
  return config;
}

}  // namespace zk::server
