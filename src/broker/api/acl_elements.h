// What requests about ACLs can't hold: an element of the kind UNKNOWN. Kafka doesn't take that for a request of its protocol, and
// closes the connection without an answer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "base/logging.h"
#include "broker/api/request_context.h"

namespace broker::api {

constexpr std::int8_t kUnknownElement = 0;  // of resource types, pattern types, operations and permission types

inline bool has_unknown(std::initializer_list<std::int8_t> elements) { return std::ranges::count(elements, kUnknownElement) > 0; }

// The handler's response goes to nobody.
inline void close_for_unknown_element(RequestContext& context) {
  base::log_info("kafka.network.Processor", "Closing the connection of {}: an ACL of its request has an UNKNOWN element", context.client_host);
  context.no_response = true;
  context.close_connection = true;
}

}  // namespace broker::api
