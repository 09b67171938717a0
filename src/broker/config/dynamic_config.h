// Which broker configs may change while the broker runs, and to what. The messages are Kafka's. Pure functions.
#pragma once

#include <string_view>

#include "broker/config/broker_config.h"
#include "broker/config/config_value.h"

namespace broker::config {

// Whether `proposed` may become all dynamic configs of this broker (or, cluster_wide, of the cluster). Throws
// ConfigError.
void validate_dynamic_config(const BrokerConfig& current, const StringMap& proposed, bool cluster_wide);

// Secrets would have to be stored encrypted, which needs a secret that this broker has no support for; throws
// ConfigError. Apart from the above since Kafka answers it with another error code.
void refuse_secrets(const StringMap& proposed);

}  // namespace broker::config
