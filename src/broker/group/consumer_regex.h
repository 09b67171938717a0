// Subscriptions by regular expression: RE2's syntax, over whole topic names, as Kafka 4's server has them (it uses RE2/J).
// The work for one expression is linear in the names; its memory is bounded. Stateless.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "broker/metadata/cluster_metadata.h"

namespace broker::group {

// Empty for a valid one.
std::string regex_problem(const std::string& regex);
// Of an invalid one: none.
std::set<std::string> topics_matching(const std::string& regex, const metadata::ClusterMetadata& cluster);

}  // namespace broker::group
