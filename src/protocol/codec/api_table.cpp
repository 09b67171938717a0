#include "protocol/codec/api_table.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace protocol {

const ApiInfo* find_api(std::int16_t key) {
  const auto apis = all_apis();
  const auto found = std::lower_bound(apis.begin(), apis.end(), key, [](const ApiInfo& api, std::int16_t wanted) {
    return static_cast<std::int16_t>(api.key) < wanted;
  });
  return found != apis.end() && static_cast<std::int16_t>(found->key) == key ? &*found : nullptr;
}

const ApiInfo& api_info(ApiKey key) {
  const ApiInfo* api = find_api(static_cast<std::int16_t>(key));
  if (!api) throw std::logic_error("no API has key " + std::to_string(static_cast<int>(key)));
  return *api;
}

std::string_view name_of(ApiKey key) {
  const ApiInfo* api = find_api(static_cast<std::int16_t>(key));
  return api ? api->name : "unknown";
}

std::int16_t request_header_version(const ApiInfo& api, std::int16_t version) {
  // The oldest request of a broker that leaves: no client id.
  if (api.key == ApiKey::controlled_shutdown && version == 0) return 0;
  return version >= api.flexible_from ? 2 : 1;
}

std::int16_t response_header_version(const ApiInfo& api, std::int16_t version) {
  // Clients must be able to read it before they know which versions the broker speaks.
  if (api.key == ApiKey::api_versions) return 0;
  return version >= api.flexible_from ? 1 : 0;
}

}  // namespace protocol
