#include "broker/controller/stored_configs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/logging.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kLogger = "kafka.common.ZkNodeChangeNotificationListener";
constexpr std::array<const char*, 3> kFoldersWithoutEffect = {"users", "clients", "ips"};  // quotas, SCRAM credentials
constexpr std::int64_t kChangeLifeMs = 15 * 60 * 1000;

const char* folder_of(ConfigEntityType type) {
  if (type == ConfigEntityType::group) return "groups";
  return type == ConfigEntityType::topic ? "topics" : "brokers";
}

// Kafka's path and ours differ for the default: the type is "brokers" there too.
ConfigEntityType entity_type(std::string_view folder, std::string_view name) {
  if (folder == "topics") return ConfigEntityType::topic;
  if (folder == "groups") return ConfigEntityType::group;
  return name == "<default>" ? ConfigEntityType::broker_default : ConfigEntityType::broker;
}

// Groups may be called anything.
std::string path_of(ConfigEntityType type, std::string_view name) {
  return znodes::config_path(folder_of(type), type == ConfigEntityType::group ? znodes::node_name(name) : std::string(name));
}

std::int64_t number_of(std::string_view change) {
  constexpr std::string_view kPrefix = "config_change_";
  std::int64_t number = -1;
  if (!change.starts_with(kPrefix)) return number;
  change.remove_prefix(kPrefix.size());
  std::from_chars(change.data(), change.data() + change.size(), number);
  return number;
}

}  // namespace

base::Task<void> StoredConfigs::load() {
  Request watch = zk::client::get_children(std::string(znodes::kConfigChanges), true);
  const Response changes = co_await context_.execute(std::move(watch));
  last_change_ = -1;  // in a ZooKeeper that was restored, numbers may be lower than they were
  for (const std::string& change : changes.children) last_change_ = std::max(last_change_, number_of(change));
  co_await read_all(ConfigEntityType::broker);
  co_await read_all(ConfigEntityType::topic);
  co_await read_all(ConfigEntityType::group);
  co_await say_what_does_not_act();
}

// Somebody who comes from Kafka must not believe that they hold. What we may not read, as others' secrets, isn't told of.
base::Task<void> StoredConfigs::say_what_does_not_act() {
  std::vector<Request> lists;
  for (const char* folder : kFoldersWithoutEffect) lists.push_back(zk::client::get_children("/config/" + std::string(folder)));
  const std::vector<Response> listed = co_await context_.read_allowed(std::move(lists));
  std::vector<std::string> entities;
  std::vector<Request> requests;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    for (const std::string& name : listed[i].children) {
      entities.push_back(std::string(kFoldersWithoutEffect[i]) + "/" + name);
      requests.push_back(zk::client::get_data(znodes::config_path(kFoldersWithoutEffect[i], name)));
    }
  }
  const std::vector<Response> found = co_await context_.read_allowed(std::move(requests));
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto config = znodes::decode_config(found[i].data.value_or(""));
    if (config && !config->empty()) say_that_it_does_not_act(entities[i]);
  }
}

void StoredConfigs::say_that_it_does_not_act(const std::string& entity) {
  base::log_warn(kLogger,
                 "The quotas or credentials stored in /config/{} stay as they are, but this broker has neither quotas nor SCRAM: "
                 "they don't hold here",
                 entity);
}

base::Task<void> StoredConfigs::read_all(ConfigEntityType type) {
  const std::string folder = folder_of(type);
  Request list = zk::client::get_children("/config/" + folder);
  const Response names = co_await context_.execute(std::move(list));
  std::vector<Request> requests;
  for (const std::string& name : names.children)
    requests.push_back(zk::client::get_data(znodes::config_path(folder, name)));
  const std::vector<Response> responses = co_await context_.execute(std::move(requests));
  std::set<std::string> present;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    const std::string& node = names.children[i];
    const std::string name = type == ConfigEntityType::group ? znodes::text_of_node_name(node).value_or(node) : node;
    present.insert(name);
    if (!responses[i].ok()) continue;
    std::optional<StringMap> config = znodes::decode_config(responses[i].data.value_or(""));
    if (!config) {
      base::log_error(kLogger, "The config of {}/{} can't be read; it is taken as empty", folder, node);
      config.emplace();
    }
    adopt(entity_type(folder, name), name, std::move(*config));
  }
  drop_all_but(type, present);
}

void StoredConfigs::drop_all_but(ConfigEntityType type, const std::set<std::string>& present) {
  std::vector<Key> gone;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, config] : configs_) {
      const bool same_folder = std::string_view(folder_of(key.first)) == folder_of(type);
      if (same_folder && !present.contains(key.second)) gone.push_back(key);
    }
  }
  for (const Key& key : gone) adopt(key.first, key.second, StringMap());
}

base::Task<void> StoredConfigs::read_one(ConfigEntityType type, std::string name) {
  std::vector<Request> request;
  request.push_back(zk::client::get_data(path_of(type, name)));
  const std::vector<Response> found = co_await context_.read_allowed(std::move(request));
  const Response& response = found.front();
  std::optional<StringMap> config = znodes::decode_config(response.data.value_or(""));
  if (!config || response.error == Error::no_auth) {
    base::log_error(kLogger, "The config of {}/{} can't be read; it stays as it is", folder_of(type), name);
    co_return;
  }
  adopt(type, name, std::move(*config));
}

base::Task<void> StoredConfigs::follow_changes() {
  Request list = zk::client::get_children(std::string(znodes::kConfigChanges), true);
  const Response changes = co_await context_.execute(std::move(list));
  std::vector<std::pair<std::int64_t, std::string>> numbered;
  for (const std::string& change : changes.children) {
    if (const std::int64_t number = number_of(change); number >= 0) numbered.emplace_back(number, change);
  }
  std::sort(numbered.begin(), numbered.end());
  std::vector<Request> requests;
  for (const auto& [number, change] : numbered) {
    requests.push_back(zk::client::get_data(std::string(znodes::kConfigChanges) + "/" + change));
  }
  const std::vector<Response> responses = co_await context_.execute(std::move(requests));
  std::vector<Request> purge;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    if (!responses[i].ok()) continue;
    if (responses[i].stat.ctime + kChangeLifeMs < context_.clock.wall_ms()) {
      purge.push_back(zk::client::remove(std::string(znodes::kConfigChanges) + "/" + numbered[i].second));
    }
    if (numbered[i].first <= last_change_) continue;
    last_change_ = numbered[i].first;
    const std::optional<std::string> entity = znodes::decode_config_change(responses[i].data.value_or(""));
    const std::size_t slash = entity ? entity->find('/') : std::string::npos;
    if (slash == std::string::npos) {
      base::log_error(kLogger, "The change notification {} can't be read", numbered[i].second);
      continue;
    }
    const std::string folder = entity->substr(0, slash);
    std::string name = entity->substr(slash + 1);
    if (std::ranges::count(kFoldersWithoutEffect, folder) > 0) say_that_it_does_not_act(*entity);
    if (folder != "topics" && folder != "brokers") continue;
    const ConfigEntityType type = entity_type(folder, name);
    co_await read_one(type, std::move(name));
  }
  co_await context_.execute(std::move(purge));
}

base::Task<Outcome> StoredConfigs::write(ConfigEntityType type, std::string name, ConfigEdit edit) {
  const std::string path = path_of(type, name);
  for (;;) {
    Request look = zk::client::exists(std::string(znodes::kController));
    const Response controller = co_await context_.execute(std::move(look));
    Outcome outcome;
    if (!controller.ok()) {
      outcome.error = protocol::ErrorCode::not_controller;
      co_return outcome;
    }
    Request read = zk::client::get_data(path);
    const Response stored = co_await context_.execute(std::move(read));
    if (!stored.ok() && stored.error != Error::no_node) {
      base::log_error(kLogger, "The config of {}/{} can't be read, so it was not changed: {}", folder_of(type), name,
                      zk::client::name_of(stored.error));
      outcome.error = protocol::ErrorCode::unknown_server_error;
      co_return outcome;
    }
    std::optional<StringMap> config = znodes::decode_config(stored.data.value_or(""));
    if (!config) config.emplace();  // as at the start
    outcome = edit(*config);
    if (outcome.error != protocol::ErrorCode::none) co_return outcome;
    const std::string text = znodes::encode_config(*config);
    Request update = zk::client::multi(zk::client::check(std::string(znodes::kController), controller.stat.version),
                                       zk::client::set_data(path, text, stored.ok() ? stored.stat.version : -1));
    Response written = co_await context_.execute(std::move(update));
    const bool fenced = written.results.empty() || !written.results.at(0).ok();
    if (written.error == Error::bad_version && !fenced) continue;  // somebody else wrote it meanwhile
    if (written.error == Error::no_node && !fenced) {
      const std::shared_ptr<zk::client::ZooKeeper> session = context_.zookeeper;
      if (!session) throw ControlLost("not connected to ZooKeeper");
      written = co_await zk::client::create_recursive(*session, path, text);
    }
    if (written.ok()) co_return co_await notify(type, name, std::move(*config));
    base::log_error(kLogger, "The config of {}/{} was not written: {}", folder_of(type), name,
                    zk::client::name_of(written.error));
    outcome.error = protocol::ErrorCode::unknown_server_error;
    if (not_taken(written.error)) {
      outcome = outcome_of_not_taken(written.error, protocol::ErrorCode::invalid_config,
                                     fmt::format("the znode of all configs of {}/{}", folder_of(type), name), text.size());
    }
    co_return outcome;
  }
}

base::Task<Outcome> StoredConfigs::notify(ConfigEntityType type, const std::string& name, StringMap config) {
  if (type != ConfigEntityType::group) {
    Request change = zk::client::create(std::string(znodes::kConfigChangePrefix),
                                        znodes::encode_config_change(std::string(folder_of(type)) + "/" + name),
                                        zk::client::CreateMode::persistent_sequential);
    co_await context_.execute(std::move(change));
  }
  adopt(type, name, std::move(config));
  co_return Outcome();
}

void StoredConfigs::adopt(ConfigEntityType type, const std::string& name, StringMap config) {
  {
    std::lock_guard lock(mutex_);
    const Key key(type, name);
    auto found = configs_.find(key);
    const bool same = found == configs_.end() ? config.empty() : found->second == config;
    if (same) return;
    if (config.empty()) {
      configs_.erase(found);
    } else {
      configs_[key] = config;
    }
  }
  if (context_.hooks.config_changed) context_.hooks.config_changed(type, name, config);
}

StringMap StoredConfigs::overrides(ConfigEntityType type, std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto found = configs_.find(Key(type, std::string(name)));
  return found == configs_.end() ? StringMap() : found->second;
}

std::vector<std::string> StoredConfigs::names(ConfigEntityType type) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (auto each = configs_.lower_bound(Key(type, "")); each != configs_.end() && each->first.first == type; ++each) {
    if (!each->second.empty()) names.push_back(each->first.second);
  }
  return names;
}

}  // namespace broker::controller
