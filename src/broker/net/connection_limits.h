// How many connections there may be: in all (max.connections) and from one address (max.connections.per.ip and its
// overrides). Thread-safe; the limits can change while it is in use.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

namespace broker::net {

struct ConnectionLimitOptions {
  std::int32_t connections_max = std::numeric_limits<std::int32_t>::max();
  std::int32_t connections_per_ip_max = std::numeric_limits<std::int32_t>::max();
  std::map<std::string, std::int32_t> per_ip_overrides;  // address in text form
};

class ConnectionLimits {
 public:
  explicit ConnectionLimits(ConnectionLimitOptions options) : options_(std::move(options)) {}

  enum class Answer { accepted, full, too_many_from_address };
  Answer try_add(const std::string& address);
  void remove(const std::string& address);
  bool full() const;
  std::int64_t count() const;
  void set_options(ConnectionLimitOptions options);

 private:
  mutable std::mutex mutex_;
  ConnectionLimitOptions options_;
  std::int64_t count_ = 0;
  std::unordered_map<std::string, std::int32_t> by_address_;
};

}  // namespace broker::net
