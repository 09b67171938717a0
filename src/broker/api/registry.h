// The list of APIs that this broker serves, with their versions: what a connection dispatches by, and what ApiVersions
// tells. Constant; read from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "broker/api/frame_handler.h"

namespace broker::api {

class RequestContext;

struct Api {
  std::int16_t key = 0;
  std::string_view name;
  std::int16_t version_min = 0;
  std::int16_t version_max = 0;
  // Decodes the body, calls the handler, encodes its answer. `context` says version and correlation id.
  // `context` outlives the answer, `body` is read before the call returns.
  Answer<Reply> (*serve)(RequestContext& context, base::ByteView body) = nullptr;
};

std::span<const Api> served_apis();        // by key
const Api* find_served(std::int16_t key);  // null if not served

}  // namespace broker::api
