// What clients of a coordinator are told when a record of it couldn't be written: what is the same for groups, commits and transactions.
#pragma once

#include "protocol/error.h"

namespace broker::coordinator {

// The internal topic or its replicas aren't there: the coordinator may be again. The partition has gone from here: it is elsewhere. All else
// is its caller's to tell, as Kafka's coordinators differ in it.
inline protocol::ErrorCode error_of_write(protocol::ErrorCode error) {
  using protocol::ErrorCode;
  switch (error) {
    case ErrorCode::unknown_topic_or_partition:
    case ErrorCode::not_enough_replicas:
    case ErrorCode::not_enough_replicas_after_append:
      return ErrorCode::coordinator_not_available;
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::kafka_storage_error:
      return ErrorCode::not_coordinator;
    default:
      return error;
  }
}

}  // namespace broker::coordinator
