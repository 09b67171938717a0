// Variables in server.properties, ${provider:path:key} or ${provider:key}, and the providers of Kafka's own that look them up
// (KIP-297, 421): values of a properties file, files of a directory, variables of the environment. Which there are say
// config.providers, config.providers.NAME.class and config.providers.NAME.param.*.
#pragma once

#include "base/properties.h"

namespace broker::config {

// Whether a key is one of those above: they are no configs of the broker.
bool belongs_to_config_providers(std::string_view key);

// Puts values in the place of variables, once: a value that comes from a provider isn't looked at again. As in Kafka a variable stays
// as it is if its provider isn't named or doesn't know it. Reads files and the environment. Throws ConfigError with the
// key: a provider that is a Java class of somebody else's, a file that can't be read, a parameter that can't be.
void resolve_variables(base::Properties& file);

}  // namespace broker::config
