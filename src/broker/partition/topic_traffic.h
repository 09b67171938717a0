// What goes in and out of one topic on this broker, and of all: Kafka's BrokerTopicMetrics. Shared by the topic's
// partitions; it ends with the last of them, the counts of all topics go on. Thread-safe, without locks.
#pragma once

#include <cstdint>
#include <memory>

#include "base/counters.h"
#include "log/log_types.h"

namespace broker::partition {

enum class TopicCount : std::size_t {
  messages_in,
  bytes_in,
  bytes_out,  // to consumers
  replication_bytes_out,
  bytes_rejected,            // too large
  produce_requests,          // for each partition of each request, as Kafka counts them
  fetch_requests,            // likewise; a fetch that waited reads again
  failed_produce_requests,
  failed_fetch_requests,
};
inline constexpr std::size_t kTopicCounts = 9;

class TopicTraffic {
 public:
  // `all` counts the same; null for what counts all.
  explicit TopicTraffic(std::shared_ptr<TopicTraffic> all = nullptr) : all_(std::move(all)) {}

  void add(TopicCount which, std::uint64_t by) {
    counts_.add(static_cast<std::size_t>(which), by);
    if (all_) all_->add(which, by);
  }
  void count_append(const storage::AppendResult& result, std::size_t bytes);
  void count_fetch(protocol::ErrorCode error);
  std::uint64_t get(TopicCount which) const { return counts_.sum(static_cast<std::size_t>(which)); }

 private:
  [[gnu::cold]] void count_refused(protocol::ErrorCode error, std::size_t bytes);

  base::StripedCounters<kTopicCounts> counts_;
  const std::shared_ptr<TopicTraffic> all_;
};

}  // namespace broker::partition
