// Incremental fetch sessions (KIP-227): a client names its partitions once, then only what changed; the answer leaves
// out partitions with nothing new. Owned by the app, thread-safe: a short lock on the table, one on each session, never
// both at once and none across a wait.
//
// A fetch makes a plan, reads what the plan says, and has finish() decide which answers go out. Two fetches of one
// session at the same time aren't allowed: the epoch tells, and the later one is refused.
//
// It is the client who says which partitions there are, known here or not, and sessions stay when the request has gone. So
// there is none with more than kUnknownMax that don't exist, and all together take bytes_max at most: what doesn't fit gets
// no session, as in Kafka where all slots are taken, and a session that outgrows it ends.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/uuid.h"
#include "protocol/error.h"
#include "protocol/messages/fetch.h"

namespace broker::api {

// One partition to be fetched.
struct FetchTarget {
  std::string topic;  // empty from v13 on
  base::Uuid topic_id;
  std::int32_t partition = 0;
  std::int32_t current_leader_epoch = -1;
  std::int64_t offset = 0;
  std::int32_t last_fetched_epoch = -1;
  std::int32_t max_bytes = 0;
};

class FetchSession;

struct FetchPlan {
  FetchPlan() {}
  protocol::ErrorCode error = protocol::ErrorCode::none;  // otherwise it is all that is answered
  std::vector<FetchTarget> targets;
  std::shared_ptr<FetchSession> session;  // of an incremental fetch
  std::int32_t expected_epoch = 0;
  bool may_create = false;  // a full fetch that may become a session
  bool uses_topic_ids = false;
};

class FetchSessions {
 public:
  static constexpr std::size_t kUnknownMax = 1000;
  static constexpr std::size_t kBytesMax = 256u << 20;  // about a million partitions
  static constexpr std::int64_t kEvictionMs = 120'000;  // a session unused for so long makes place for another

  explicit FetchSessions(std::size_t slots_max, std::size_t bytes_max = kBytesMax)
      : slots_max_(slots_max), bytes_max_(bytes_max) {}

  FetchPlan plan(std::int16_t version, const protocol::FetchRequest& request, std::int64_t now_ms);
  // `answers` belong to plan.targets, in order. Sets the response's error and session id, and the flag of each answer
  // that goes out.
  void finish(const FetchPlan& plan, const std::vector<protocol::FetchResponse::PartitionData>& answers,
              std::int64_t now_ms, protocol::FetchResponse& response, std::vector<bool>& included);
  std::size_t size() const;

 private:
  using Table = std::unordered_map<std::int32_t, std::shared_ptr<FetchSession>>;

  FetchPlan plan_incremental(std::int16_t version, const protocol::FetchRequest& request, std::int64_t now_ms);
  std::int32_t create(const FetchPlan& plan, const std::vector<protocol::FetchResponse::PartitionData>& answers,
                      std::int64_t now_ms);
  void remove(std::int32_t id);
  // With mutex_ held.
  bool make_room(const FetchSession& session, std::int64_t now_ms);
  bool make_room_for_bytes(std::size_t bytes, std::int64_t now_ms);
  bool evict_unused(std::int64_t now_ms);
  bool has_grown(FetchSession& session, std::size_t size, std::size_t bytes, std::int64_t now_ms);
  void erase(Table::iterator session);

  const std::size_t slots_max_;
  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  Table sessions_;
  std::size_t bytes_ = 0;  // of all in the table, as seen
};

// A client's partitions and what it was told of them last. Private to FetchSessions.
class FetchSession {
 public:
  using Key = std::tuple<std::string, base::Uuid, std::int32_t>;
  struct Entry {
    FetchTarget target;
    std::int64_t high_watermark = -1;
    std::int64_t log_start_offset = -1;
  };

  static Key key_of(const FetchTarget& target) { return {target.topic, target.topic_id, target.partition}; }

  std::mutex mutex;        // guards order, by_key, bytes and epoch
  std::list<Entry> order;  // those with the newest data last, so that all get their turn within max_bytes
  std::map<Key, std::list<Entry>::iterator> by_key;
  std::size_t bytes = 0;  // what its entries take, about
  std::int32_t epoch = 1;

  // Constant, or guarded by the table's lock.
  std::int32_t id = 0;
  bool uses_topic_ids = false;
  std::int64_t created_ms = 0;
  std::int64_t last_used_ms = 0;
  std::size_t size_seen = 0;
  std::size_t bytes_seen = 0;
};

}  // namespace broker::api
