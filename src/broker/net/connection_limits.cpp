#include "broker/net/connection_limits.h"

#include <algorithm>
#include <utility>

namespace broker::net {

ConnectionLimits::Answer ConnectionLimits::try_add(const std::string& listener, const std::string& address) {
  std::lock_guard lock(mutex_);
  if (full_locked(listener)) return Answer::full;
  auto override_of = options_.per_ip_overrides.find(address);
  std::int32_t max =
      override_of == options_.per_ip_overrides.end() ? options_.connections_per_ip_max : override_of->second;
  auto [entry, fresh] = by_address_.try_emplace(address, 0);
  if (entry->second >= max) {
    if (fresh) by_address_.erase(entry);
    return Answer::too_many_from_address;
  }
  ++entry->second;
  ++by_listener_[listener];
  ++count_;
  return Answer::accepted;
}

void ConnectionLimits::remove(const std::string& listener, const std::string& address) {
  std::lock_guard lock(mutex_);
  auto entry = by_address_.find(address);
  if (entry == by_address_.end()) return;
  if (--entry->second == 0) by_address_.erase(entry);
  --by_listener_[listener];
  --count_;
  if (going_ > 0) --going_;
}

bool ConnectionLimits::full(const std::string& listener) const {
  std::lock_guard lock(mutex_);
  return full_locked(listener);
}

bool ConnectionLimits::full_locked(const std::string& listener) const {
  const auto found = by_listener_.find(listener);
  const std::int32_t here = found == by_listener_.end() ? 0 : found->second;
  if (here >= of_listener(listener).connections_max) return true;
  return listener != options_.protected_listener && count_ >= options_.connections_max;
}

ListenerLimitOptions ConnectionLimits::of_listener(const std::string& listener) const {
  const auto found = options_.listeners.find(listener);
  return found == options_.listeners.end() ? ListenerLimitOptions() : found->second;
}

std::int64_t ConnectionLimits::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

void ConnectionLimits::set_options(ConnectionLimitOptions options) {
  std::lock_guard lock(mutex_);
  options_ = std::move(options);
}

std::int64_t ConnectionLimits::wait_ms(const std::string& listener, std::int64_t now_ms) {
  std::lock_guard lock(mutex_);
  std::int64_t wait = 0;
  if (listener != options_.protected_listener) wait = rate_.add(now_ms, options_.rate);
  ConnectionRateOptions own = options_.rate;
  own.per_second_max = of_listener(listener).per_second_max;
  return std::max(wait, listener_rates_[listener].add(now_ms, own));
}

bool ConnectionLimits::claim_excess(const std::string& listener) {
  std::lock_guard lock(mutex_);
  if (listener == options_.protected_listener || count_ - going_ <= options_.connections_max) return false;
  ++going_;
  return true;
}

}  // namespace broker::net
