#include "broker/metadata/cluster_metadata.h"

namespace broker::metadata {

bool is_known_internal_topic(std::string_view name) {
  return name == kOffsetsTopic || name == kTransactionsTopic || name == "__share_group_state";
}

}  // namespace broker::metadata
