#include "broker/net/connection_limits.h"

#include <utility>

namespace broker::net {

ConnectionLimits::Answer ConnectionLimits::try_add(const std::string& address) {
  std::lock_guard lock(mutex_);
  if (count_ >= options_.connections_max) return Answer::full;
  auto override_of = options_.per_ip_overrides.find(address);
  std::int32_t max =
      override_of == options_.per_ip_overrides.end() ? options_.connections_per_ip_max : override_of->second;
  auto [entry, fresh] = by_address_.try_emplace(address, 0);
  if (entry->second >= max) {
    if (fresh) by_address_.erase(entry);
    return Answer::too_many_from_address;
  }
  ++entry->second;
  ++count_;
  return Answer::accepted;
}

void ConnectionLimits::remove(const std::string& address) {
  std::lock_guard lock(mutex_);
  auto entry = by_address_.find(address);
  if (entry == by_address_.end()) return;
  if (--entry->second == 0) by_address_.erase(entry);
  --count_;
}

bool ConnectionLimits::full() const {
  std::lock_guard lock(mutex_);
  return count_ >= options_.connections_max;
}

std::int64_t ConnectionLimits::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

void ConnectionLimits::set_options(ConnectionLimitOptions options) {
  std::lock_guard lock(mutex_);
  options_ = std::move(options);
}

}  // namespace broker::net
