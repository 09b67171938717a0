#include "broker/config/config_store.h"

#include <algorithm>

#include "base/logging.h"
#include "broker/config/config_entry.h"

namespace broker::config {
namespace {

constexpr std::string_view kLogger = "kafka.server.DynamicBrokerConfig";

// Of what isn't a key of the broker's table itself: of one listener, or only dynamic.
void drop_invalid(StringMap& layer) {
  std::erase_if(layer, [](const auto& entry) {
    if (find_broker_key(entry.first) != nullptr) return false;
    try {
      check_value(entry.first, entry.second);
      return false;
    } catch (const ConfigError& error) {
      base::log_error(kLogger, "Ignoring the stored dynamic broker config {}: {}", entry.first, error.what());
      return true;
    }
  });
}

// Drops what is invalid, one key at a time, until the rest is a configuration.
std::shared_ptr<const BrokerConfig> with_valid(const BrokerConfig& current, StringMap by_default, StringMap broker) {
  drop_invalid(by_default);
  drop_invalid(broker);
  while (true) {
    try {
      return current.with_dynamic(by_default, broker);
    } catch (const ConfigError& error) {
      const auto dropped = std::ranges::find_if(error.keys(), [&](const std::string& key) {
        return broker.erase(key) + by_default.erase(key) > 0;
      });
      if (dropped == error.keys().end()) {
        base::log_error(kLogger, "Ignoring all stored dynamic broker configs: {}", error.what());
        return current.with_dynamic({}, {});
      }
      base::log_error(kLogger, "Ignoring the stored dynamic broker config {}: {}", *dropped, error.what());
    }
  }
}

}  // namespace

ConfigStore::ConfigStore(std::shared_ptr<const BrokerConfig> broker)
    : broker_(std::move(broker)), without_overrides_(TopicConfig::create(broker_, {})) {}

std::shared_ptr<const BrokerConfig> ConfigStore::broker() const {
  std::lock_guard lock(mutex_);
  return broker_;
}

std::shared_ptr<const TopicConfig> ConfigStore::topic(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto found = topics_.find(name);
  return found == topics_.end() ? without_overrides_ : found->second;
}

void ConfigStore::set_broker_id(std::int32_t broker_id) {
  std::lock_guard writing(writer_);
  replace_broker(broker()->with_broker_id(broker_id));
}

void ConfigStore::set_topic_overrides(const std::string& topic, StringMap overrides) {
  std::lock_guard writing(writer_);
  const bool has_overrides = !overrides.empty();
  const auto config = TopicConfig::create(broker(), std::move(overrides));
  {
    std::lock_guard lock(mutex_);
    const auto found = topics_.find(topic);
    if (found == topics_.end() && !has_overrides) return;
    if (has_overrides) {
      topics_.insert_or_assign(topic, config);
    } else {
      topics_.erase(found);
    }
  }
  for (const TopicListener& listener : topic_listeners_) listener(topic, *config);
}

void ConfigStore::set_dynamic_default(StringMap configs) {
  std::lock_guard writing(writer_);
  const auto current = broker();
  replace_broker(with_valid(*current, std::move(configs), current->dynamic_broker()));
}

void ConfigStore::set_dynamic_broker(StringMap configs) {
  std::lock_guard writing(writer_);
  const auto current = broker();
  replace_broker(with_valid(*current, current->dynamic_default(), std::move(configs)));
}

void ConfigStore::replace_broker(std::shared_ptr<const BrokerConfig> next) {
  std::shared_ptr<const BrokerConfig> before = broker();
  {
    auto without_overrides = TopicConfig::create(next, {});
    std::lock_guard lock(mutex_);
    broker_ = next;
    without_overrides_ = std::move(without_overrides);
    for (auto& [name, config] : topics_) config = TopicConfig::create(next, config->overrides());
  }
  for (const BrokerListener& listener : broker_listeners_) listener(*before, *next);
}

void ConfigStore::on_broker_change(BrokerListener listener) {
  std::lock_guard writing(writer_);
  const auto current = broker();
  listener(*current, *current);
  broker_listeners_.push_back(std::move(listener));
}

void ConfigStore::on_topic_change(TopicListener listener) {
  std::lock_guard writing(writer_);
  topic_listeners_.push_back(std::move(listener));
}

}  // namespace broker::config
