// Which broker configs may change while the broker runs, and to what, and which of those that are stored count. The messages
// are Kafka's. Plain functions.
#pragma once

#include <memory>
#include <string_view>

#include "broker/config/broker_config.h"
#include "broker/config/config_value.h"

namespace broker::config {

// Whether `proposed` may become all dynamic configs of this broker (or, cluster_wide, of the cluster). Throws
// ConfigError.
void validate_dynamic_config(const BrokerConfig& current, const StringMap& proposed, bool cluster_wide);

// Erases from what is stored for this broker (or, cluster_wide, for the cluster) what every broker leaves out, as Kafka's
// DynamicBrokerConfig.fromPersistentProps: values that are none, keys that aren't dynamic, and of the cluster's what is to be
// set for each broker. With a line in the log, unless it is only asked what would be left out, as each change does of what
// is stored already.
enum class LeftOut { logged, asked };
void drop_undynamic(StringMap& stored, bool cluster_wide, LeftOut telling);
// The configuration with what is stored; apart from the above also without what this broker doesn't take, one key at a time
// until the rest is a configuration.
std::shared_ptr<const BrokerConfig> with_stored(const BrokerConfig& current, StringMap dynamic_default,
                                                StringMap dynamic_broker, LeftOut telling);

// Secrets would have to be stored encrypted by password.encoder.secret, which this broker has no support for; throws ConfigError,
// with Kafka's words where Kafka would refuse it, too. Apart from the above since Kafka answers it with another error code.
void refuse_secrets(const BrokerConfig& current, const StringMap& proposed);

}  // namespace broker::config
