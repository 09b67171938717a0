#include "broker/partition/topic_traffic.h"

namespace broker::partition {

namespace {

using protocol::ErrorCode;

// What Kafka 3.9.2's ReplicaManager doesn't count as a failed request: the client's mistake, or a leader that moved.
bool is_known_append_failure(ErrorCode error) {
  switch (error) {
    case ErrorCode::unknown_topic_or_partition:
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large:
    case ErrorCode::corrupt_message:
    case ErrorCode::kafka_storage_error:
      return true;
    default:
      return false;
  }
}

bool is_known_fetch_failure(ErrorCode error) {
  switch (error) {
    case ErrorCode::none:
    case ErrorCode::unknown_topic_or_partition:
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::unknown_leader_epoch:
    case ErrorCode::fenced_leader_epoch:
    case ErrorCode::replica_not_available:
    case ErrorCode::kafka_storage_error:
    case ErrorCode::offset_out_of_range:
    case ErrorCode::inconsistent_topic_id:
      return true;
    default:
      return false;
  }
}

}  // namespace

void TopicTraffic::count_append(const storage::AppendResult& result, std::size_t bytes) {
  add(TopicCount::produce_requests, 1);
  if (!result.ok()) return count_refused(result.error, bytes);
  add(TopicCount::bytes_in, bytes);
  if (result.first_offset < 0) return;
  add(TopicCount::messages_in, static_cast<std::uint64_t>(result.last_offset - result.first_offset + 1));
}

void TopicTraffic::count_refused(ErrorCode error, std::size_t bytes) {
  if (!is_known_append_failure(error)) add(TopicCount::failed_produce_requests, 1);
  if (error == ErrorCode::message_too_large || error == ErrorCode::record_list_too_large) {
    add(TopicCount::bytes_rejected, bytes);
  }
}

void TopicTraffic::count_fetch(ErrorCode error) {
  add(TopicCount::fetch_requests, 1);
  if (!is_known_fetch_failure(error)) add(TopicCount::failed_fetch_requests, 1);
}

}  // namespace broker::partition
