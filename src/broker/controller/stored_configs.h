// Configs in znodes: reads all of them, follows the change notifications of every broker, writes those of requests.
// Runs on the control thread; overrides() and names() may be called from anywhere.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/controller/control_context.h"

namespace broker::controller {

class StoredConfigs {
 public:
  explicit StoredConfigs(ControlContext& context) : context_(context) {}

  // Sets the watch on the notifications and reads everything; those that exist already are not looked at again.
  base::Task<void> load();
  // The child watch fired: reads new notifications and what they name, deletes those older than 15 minutes.
  base::Task<void> follow_changes();
  // Makes `edit` change what is stored at this moment, whoever wrote it, and notifies all brokers.
  base::Task<Outcome> write(ConfigEntityType type, std::string name, ConfigEdit edit);

  // What a topic was created with, or nothing any more after its deletion.
  void adopt(ConfigEntityType type, const std::string& name, StringMap config);
  StringMap overrides(ConfigEntityType type, std::string_view name) const;
  std::vector<std::string> names(ConfigEntityType type) const;  // of those that have overrides

 private:
  using Key = std::pair<ConfigEntityType, std::string>;

  base::Task<void> read_all(ConfigEntityType type);
  void drop_all_but(ConfigEntityType type, const std::set<std::string>& present);
  base::Task<Outcome> notify(ConfigEntityType type, const std::string& name, StringMap config);
  base::Task<void> read_one(ConfigEntityType type, std::string name);
  base::Task<void> say_what_does_not_act();
  static void say_that_it_does_not_act(const std::string& entity);

  ControlContext& context_;
  std::int64_t last_change_ = -1;
  mutable std::mutex mutex_;
  std::map<Key, StringMap> configs_;
};

}  // namespace broker::controller
