// How many connections there may be: in all (max.connections), on one listener and from one address, and how fast they
// may come (max.connection.creation.rate). The rules are those of Kafka's ConnectionQuotas. Thread-safe; the limits can
// change while it is in use.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "broker/net/connection_rate.h"

namespace broker::net {

struct ListenerLimitOptions {  // listener.name.<listener>.<key>
  std::int32_t connections_max = std::numeric_limits<std::int32_t>::max();
  std::int32_t per_second_max = std::numeric_limits<std::int32_t>::max();
};

struct ConnectionLimitOptions {
  std::int32_t connections_max = std::numeric_limits<std::int32_t>::max();
  std::int32_t connections_per_ip_max = std::numeric_limits<std::int32_t>::max();
  std::map<std::string, std::int32_t> per_ip_overrides;  // address in text form
  ConnectionRateOptions rate;
  std::map<std::string, ListenerLimitOptions> listeners;  // by name; those that aren't there have no limit of their own
  // The listener between brokers, if there are others beside it: only its own limits count for it, so that clients can't
  // cut brokers off.
  std::string protected_listener;
};

class ConnectionLimits {
 public:
  explicit ConnectionLimits(ConnectionLimitOptions options) : options_(std::move(options)) {}

  enum class Answer { accepted, full, too_many_from_address };
  Answer try_add(const std::string& listener, const std::string& address);
  void remove(const std::string& listener, const std::string& address);
  bool full(const std::string& listener) const;
  std::int64_t count() const;
  void set_options(ConnectionLimitOptions options);
  // Counts a new connection for its rate. Returns how many milliseconds it must wait before it is let in.
  std::int64_t wait_ms(const std::string& listener, std::int64_t now_ms);
  // Whether one connection of this listener must go since the limit was lowered; each true stands for one.
  bool claim_excess(const std::string& listener);

 private:
  bool full_locked(const std::string& listener) const;
  ListenerLimitOptions of_listener(const std::string& listener) const;

  mutable std::mutex mutex_;
  ConnectionLimitOptions options_;
  std::int64_t count_ = 0;
  std::int64_t going_ = 0;  // claimed as excess and still there
  std::unordered_map<std::string, std::int32_t> by_address_;
  std::unordered_map<std::string, std::int32_t> by_listener_;
  ConnectionRate rate_;
  std::unordered_map<std::string, ConnectionRate> listener_rates_;
};

}  // namespace broker::net
