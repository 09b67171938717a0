// The configuration as it stands now: the broker's snapshot and one for each topic that has overrides. Owned by the
// app. Thread-safe; readers take a shared_ptr and see one consistent picture. The control side alone writes, from
// znodes. Listeners run on the writer's thread, one write after another, and never go; they may read but not write.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config/broker_config.h"
#include "broker/config/topic_config.h"

namespace broker::config {

class ConfigStore {
 public:
  using BrokerListener = std::function<void(const BrokerConfig& before, const BrokerConfig& after)>;
  using TopicListener = std::function<void(const std::string& topic, const TopicConfig& config)>;

  explicit ConfigStore(std::shared_ptr<const BrokerConfig> broker);

  std::shared_ptr<const BrokerConfig> broker() const;
  // Never null: a topic without overrides (or an unknown one) has the broker's values.
  std::shared_ptr<const TopicConfig> topic(std::string_view name) const;

  void set_broker_id(std::int32_t broker_id);
  // Replaces all stored overrides of a topic; empty for none, also when the topic is deleted.
  void set_topic_overrides(const std::string& topic, StringMap overrides);
  // Replace the dynamic configs of the cluster or of this broker. Stored values that are invalid are left out with a
  // line in the log, as in Kafka.
  void set_dynamic_default(StringMap configs);
  void set_dynamic_broker(StringMap configs);

  // Is called at once with what there is (as before and after), then at each change. The broker's values are the defaults
  // of all topics: whoever applied a topic's config (to its logs, say) asks topic() again for every topic then. What a listener throws at
  // a change is logged, and the next one is called; at once it comes out here.
  void on_broker_change(BrokerListener listener);
  void on_topic_change(TopicListener listener);

 private:
  void replace_broker(std::shared_ptr<const BrokerConfig> next);  // holding writer_

  std::mutex writer_;  // one write at a time, listeners included
  mutable std::mutex mutex_;
  std::shared_ptr<const BrokerConfig> broker_;
  std::shared_ptr<const TopicConfig> without_overrides_;
  std::map<std::string, std::shared_ptr<const TopicConfig>, std::less<>> topics_;
  std::vector<BrokerListener> broker_listeners_;
  std::vector<TopicListener> topic_listeners_;
};

}  // namespace broker::config
