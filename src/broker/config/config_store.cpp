#include "broker/config/config_store.h"

#include <exception>

#include "base/logging.h"
#include "broker/config/dynamic_config.h"

namespace broker::config {
namespace {

constexpr const char* kLogger = "kafka.server.DynamicBrokerConfig";

void warn_of_what_has_no_effect(const StringMap& before, const StringMap& now) {
  for (const UselessValue& each : new_values_without_effect(before, now)) {
    base::log_warn(kLogger, "{}={} is stored as a dynamic config and has no effect: {}.", each.name,
                   each.value, each.reason);
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
  const auto config = TopicConfig::create(broker(), std::move(overrides), topic);
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
  replace_broker(with_stored(*current, std::move(configs), current->dynamic_broker(), LeftOut::logged));
}

void ConfigStore::set_dynamic_broker(StringMap configs) {
  std::lock_guard writing(writer_);
  const auto current = broker();
  replace_broker(with_stored(*current, current->dynamic_default(), std::move(configs), LeftOut::logged));
}

void ConfigStore::replace_broker(std::shared_ptr<const BrokerConfig> next) {
  std::shared_ptr<const BrokerConfig> before = broker();
  warn_of_what_has_no_effect(before->dynamic_default(), next->dynamic_default());
  warn_of_what_has_no_effect(before->dynamic_broker(), next->dynamic_broker());
  auto without_overrides = TopicConfig::create(next, {});
  auto topics = topics_;  // whoever writes them is here; requests read them meanwhile
  for (auto& [name, config] : topics) config = TopicConfig::create(next, config->overrides());
  {
    std::lock_guard lock(mutex_);
    broker_ = next;
    without_overrides_ = std::move(without_overrides);
    topics_.swap(topics);
  }
  for (const BrokerListener& listener : broker_listeners_) {
    try {
      listener(*before, *next);
    } catch (const std::exception& failure) {
      base::log_error(kLogger, "A part of this broker doesn't follow a change of its configuration: {}", failure.what());
    }
  }
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
