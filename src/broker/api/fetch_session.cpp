#include "broker/api/fetch_session.h"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include "broker/api/repeated_partitions.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::FetchRequest;
using protocol::FetchResponse;

constexpr std::int32_t kInitialEpoch = 0;  // a full fetch that wants a session
constexpr std::int32_t kFinalEpoch = -1;   // a full fetch that wants none, and ends the one it names

std::int32_t next_epoch(std::int32_t epoch) {
  if (epoch < 0) return kFinalEpoch;
  return epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
}

FetchTarget target_of(const FetchRequest::FetchTopic& topic, const FetchRequest::FetchPartition& partition) {
  FetchTarget target;
  target.topic = topic.topic;
  target.topic_id = topic.topic_id;
  target.partition = partition.partition;
  target.current_leader_epoch = partition.current_leader_epoch;
  target.offset = partition.fetch_offset;
  target.last_fetched_epoch = partition.last_fetched_epoch;
  target.max_bytes = partition.partition_max_bytes;
  return target;
}

// About what an entry takes: a node in each container, and the topic's name in both.
std::size_t bytes_of(const FetchTarget& target) {
  constexpr std::size_t kNodesBytes = 240;
  return kNodesBytes + 2 * target.topic.size();
}

std::size_t count_unknown(const std::vector<FetchResponse::PartitionData>& answers) {
  return static_cast<std::size_t>(std::ranges::count_if(answers, [](const auto& each) {
    return each.error_code == ErrorCode::unknown_topic_or_partition || each.error_code == ErrorCode::unknown_topic_id;
  }));
}

void add_or_update(FetchSession& session, FetchTarget target) {
  FetchSession::Key key = FetchSession::key_of(target);
  auto found = session.by_key.find(key);
  if (found != session.by_key.end()) {
    found->second->target = std::move(target);
    return;
  }
  session.bytes += bytes_of(target);
  FetchSession::Entry& entry = session.order.emplace_back();
  entry.target = std::move(target);
  session.by_key.emplace(std::move(key), std::prev(session.order.end()));
}

void merge_repeated(std::vector<FetchTarget>& targets) {
  if (targets.size() < 2) return;
  std::vector<NamedPartition> named;
  named.reserve(targets.size());
  for (const FetchTarget& each : targets) named.push_back({each.topic, each.topic_id, each.partition, named.size()});
  const RepeatedPartitions found = find_repeated(std::move(named));
  if (found.repeated.empty()) return;
  for (const RepeatedPartition& each : found.repeated) targets[each.first] = std::move(targets[each.last]);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (found.superfluous[i]) continue;
    if (kept != i) targets[kept] = std::move(targets[i]);
    ++kept;
  }
  targets.resize(kept);
}

std::vector<FetchTarget> targets_of(const FetchRequest& request) {
  std::vector<FetchTarget> targets;
  for (const FetchRequest::FetchTopic& topic : request.topics) {
    for (const FetchRequest::FetchPartition& partition : topic.partitions) targets.push_back(target_of(topic, partition));
  }
  merge_repeated(targets);
  return targets;
}

void forget(FetchSession& session, const FetchRequest& request) {
  for (const FetchRequest::ForgottenTopic& topic : request.forgotten_topics_data) {
    for (std::int32_t partition : topic.partitions) {
      auto found = session.by_key.find({topic.topic, topic.topic_id, partition});
      if (found == session.by_key.end()) continue;
      session.bytes -= bytes_of(found->second->target);
      session.order.erase(found->second);
      session.by_key.erase(found);
    }
  }
}

// Whether the client must hear of it. Remembers what it is told; after an error it is told again the next time.
bool is_news(FetchSession::Entry& entry, const FetchResponse::PartitionData& answer) {
  bool news = answer.records.size() > 0 || answer.preferred_read_replica >= 0;
  if (entry.high_watermark != answer.high_watermark) {
    entry.high_watermark = answer.high_watermark;
    news = true;
  }
  if (entry.log_start_offset != answer.log_start_offset) {
    entry.log_start_offset = answer.log_start_offset;
    news = true;
  }
  if (answer.error_code != ErrorCode::none || answer.diverging_epoch.epoch >= 0) {
    entry.high_watermark = -1;
    news = true;
  }
  return news;
}

std::int32_t random_id() {
  thread_local std::mt19937 generator{std::random_device{}()};
  return std::uniform_int_distribution<std::int32_t>(1, std::numeric_limits<std::int32_t>::max())(generator);
}

}  // namespace

FetchPlan FetchSessions::plan(std::int16_t version, const FetchRequest& request, std::int64_t now_ms) {
  if (request.session_epoch != kInitialEpoch && request.session_epoch != kFinalEpoch) {
    return plan_incremental(version, request, now_ms);
  }
  if (request.session_id != 0) remove(request.session_id);
  FetchPlan plan;
  plan.may_create = request.session_epoch == kInitialEpoch;
  plan.uses_topic_ids = version >= 13;
  plan.targets = targets_of(request);
  return plan;
}

FetchPlan FetchSessions::plan_incremental(std::int16_t version, const FetchRequest& request, std::int64_t now_ms) {
  FetchPlan plan;
  {
    std::lock_guard lock(mutex_);
    auto found = sessions_.find(request.session_id);
    if (found == sessions_.end()) {
      plan.error = ErrorCode::fetch_session_id_not_found;
      return plan;
    }
    plan.session = found->second;
    plan.session->last_used_ms = now_ms;
  }
  bool empty = false;
  std::size_t size = 0, bytes = 0;
  {
    FetchSession& session = *plan.session;
    std::lock_guard lock(session.mutex);
    if (session.epoch != request.session_epoch) {
      plan.error = ErrorCode::invalid_fetch_session_epoch;
    } else if (session.uses_topic_ids != (version >= 13)) {
      plan.error = ErrorCode::fetch_session_topic_id_error;
    }
    if (plan.error != ErrorCode::none) return plan;
    for (const FetchRequest::FetchTopic& topic : request.topics) {
      for (const FetchRequest::FetchPartition& partition : topic.partitions) {
        add_or_update(session, target_of(topic, partition));
      }
    }
    forget(session, request);
    empty = session.order.empty();
    size = session.order.size();
    bytes = session.bytes;
    if (!empty) {
      session.epoch = next_epoch(session.epoch);
      plan.expected_epoch = session.epoch;
      plan.targets.reserve(size);
      for (const FetchSession::Entry& entry : session.order) plan.targets.push_back(entry.target);
    }
  }
  if (empty) {  // nothing is left of it; the answer says that there is no session, and has what this request asks for
    remove(request.session_id);
    plan.session = nullptr;
    plan.targets = targets_of(request);
    return plan;
  }
  bool goes_on = false;
  {
    std::lock_guard lock(mutex_);
    goes_on = has_grown(*plan.session, size, bytes, now_ms);
  }
  if (!goes_on) {
    plan = FetchPlan();
    plan.error = ErrorCode::fetch_session_id_not_found;
  }
  return plan;
}

void FetchSessions::finish(const FetchPlan& plan, const std::vector<FetchResponse::PartitionData>& answers,
                           std::int64_t now_ms, FetchResponse& response, std::vector<bool>& included) {
  included.assign(answers.size(), true);
  const bool known = count_unknown(answers) <= kUnknownMax;
  if (!plan.session) {
    response.session_id = plan.may_create && known ? create(plan, answers, now_ms) : 0;
    return;
  }
  if (!known) {  // all that there is to tell, and that the session has ended
    remove(plan.session->id);
    response.session_id = 0;
    return;
  }
  FetchSession& session = *plan.session;
  std::lock_guard lock(session.mutex);
  response.session_id = session.id;
  if (session.epoch != plan.expected_epoch) {  // another fetch of this session came in between
    response.error_code = ErrorCode::invalid_fetch_session_epoch;
    included.assign(answers.size(), false);
    return;
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    auto found = session.by_key.find(FetchSession::key_of(plan.targets[i]));
    if (found == session.by_key.end()) continue;
    included[i] = is_news(*found->second, answers[i]);
    if (answers[i].records.size() > 0) session.order.splice(session.order.end(), session.order, found->second);
  }
}

std::int32_t FetchSessions::create(const FetchPlan& plan, const std::vector<FetchResponse::PartitionData>& answers,
                                   std::int64_t now_ms) {
  auto session = std::make_shared<FetchSession>();
  for (const FetchTarget& target : plan.targets) session->bytes += bytes_of(target);
  if (session->bytes > bytes_max_) return 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    FetchSession::Key key = FetchSession::key_of(plan.targets[i]);
    if (session->by_key.contains(key)) continue;
    FetchSession::Entry& entry = session->order.emplace_back();
    entry.target = plan.targets[i];
    entry.high_watermark = answers[i].high_watermark;
    entry.log_start_offset = answers[i].log_start_offset;
    session->by_key.emplace(std::move(key), std::prev(session->order.end()));
  }
  session->uses_topic_ids = plan.uses_topic_ids;
  session->created_ms = now_ms;
  session->last_used_ms = now_ms;
  session->size_seen = session->order.size();
  session->bytes_seen = session->bytes;
  std::lock_guard lock(mutex_);
  if (!make_room(*session, now_ms)) return 0;
  do session->id = random_id();
  while (sessions_.contains(session->id));
  sessions_.emplace(session->id, session);
  bytes_ += session->bytes_seen;
  return session->id;
}

// A full table gives up the session that was unused for longest, if that is long enough; else a smaller one that has
// had its time.
bool FetchSessions::make_room(const FetchSession& session, std::int64_t now_ms) {
  if (!make_room_for_bytes(session.bytes_seen, now_ms)) return false;
  if (sessions_.size() < slots_max_ || evict_unused(now_ms)) return true;
  auto smallest = sessions_.end();
  for (auto each = sessions_.begin(); each != sessions_.end(); ++each) {
    if (now_ms - each->second->created_ms <= kEvictionMs || each->second->size_seen >= session.size_seen) continue;
    if (smallest == sessions_.end() || each->second->size_seen < smallest->second->size_seen) smallest = each;
  }
  if (smallest == sessions_.end()) return false;
  erase(smallest);
  return true;
}

// Only unused ones go for it: else one large session would cost many small ones.
bool FetchSessions::make_room_for_bytes(std::size_t bytes, std::int64_t now_ms) {
  while (bytes_ + bytes > bytes_max_) {
    if (!evict_unused(now_ms)) return false;
  }
  return true;
}

bool FetchSessions::evict_unused(std::int64_t now_ms) {
  if (sessions_.empty()) return false;
  auto oldest = std::min_element(sessions_.begin(), sessions_.end(), [](const auto& a, const auto& b) {
    return a.second->last_used_ms < b.second->last_used_ms;
  });
  if (now_ms - oldest->second->last_used_ms <= kEvictionMs) return false;
  erase(oldest);
  return true;
}

// Or has shrunk. False: there is no room for it, and it has ended.
bool FetchSessions::has_grown(FetchSession& session, std::size_t size, std::size_t bytes, std::int64_t now_ms) {
  auto found = sessions_.find(session.id);
  if (found == sessions_.end() || found->second.get() != &session) return true;  // it has made place for another
  const bool grows = bytes > session.bytes_seen;
  if (grows && !make_room_for_bytes(bytes - session.bytes_seen, now_ms)) {
    erase(found);
    return false;
  }
  bytes_ = bytes_ - session.bytes_seen + bytes;
  session.size_seen = size;
  session.bytes_seen = bytes;
  return true;
}

void FetchSessions::erase(Table::iterator session) {
  bytes_ -= session->second->bytes_seen;
  sessions_.erase(session);
}

void FetchSessions::remove(std::int32_t id) {
  std::lock_guard lock(mutex_);
  auto found = sessions_.find(id);
  if (found != sessions_.end()) erase(found);
}

std::size_t FetchSessions::size() const {
  std::lock_guard lock(mutex_);
  return sessions_.size();
}

}  // namespace broker::api
