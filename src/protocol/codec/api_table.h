// The APIs that we have schemas for, and which version of the header goes with which version of a request. What is
// served is another matter: that is the registry in broker/api.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/messages/api_key.h"

namespace protocol {

struct ApiInfo {
  ApiKey key;
  std::string_view name;  // "Produce"
  std::int16_t version_min;
  std::int16_t version_max;
  std::int16_t flexible_from;  // 32767: never
};

std::span<const ApiInfo> all_apis();        // by key
const ApiInfo* find_api(std::int16_t key);  // null if unknown
const ApiInfo& api_info(ApiKey key);        // throws std::logic_error if the key is none of ours
std::string_view name_of(ApiKey key);       // "unknown" if it is none of ours
std::int16_t request_header_version(const ApiInfo& api, std::int16_t version);   // 0, 1 or 2
std::int16_t response_header_version(const ApiInfo& api, std::int16_t version);  // 0 or 1

}  // namespace protocol
