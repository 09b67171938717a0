// What members of the tests' groups subscribe to: a topic "t".
#pragma once

#include <cstdint>
#include <set>

#include "base/bytes.h"
#include "protocol/codec/codec.h"
#include "protocol/records/consumer_protocol_subscription.h"

namespace broker::group::testing {

// As the classic protocol carries it, version 3.
inline base::Bytes subscription_to_t(const std::set<std::int32_t>& owned) {
  protocol::ConsumerProtocolSubscription message;
  message.topics = {"t"};
  if (!owned.empty()) {
    auto& topic = message.owned_partitions.emplace_back();
    topic.topic = "t";
    topic.partitions = {owned.begin(), owned.end()};
  }
  return protocol::encode_with_version(message, 3);
}

}  // namespace broker::group::testing
