// A request that names a partition more than once: the last one counts and is answered once, as in Kafka 3.9.2, which makes
// a map of them. Sorts, so that no choice of names makes it slow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/uuid.h"

namespace broker::api {

struct NamedPartition {
  std::string_view topic;
  base::Uuid topic_id;
  std::int32_t partition = 0;
  std::size_t at = 0;  // its place in the request
};

// `last` is to be served in the place of `first`.
struct RepeatedPartition {
  std::size_t first = 0;
  std::size_t last = 0;
};

struct RepeatedPartitions {
  std::vector<RepeatedPartition> repeated;
  std::vector<bool> superfluous;  // by place: all but the first of each; empty if none is repeated
};
RepeatedPartitions find_repeated(std::vector<NamedPartition> named);

// Where it doesn't matter which of them is served: leaves the first of each, in their order. Of partitions that have a topic's name.
template <class TopicPartition>
void keep_each_once(std::vector<TopicPartition>& partitions) {
  std::vector<NamedPartition> named;
  named.reserve(partitions.size());
  for (const TopicPartition& one : partitions) named.push_back({one.topic, base::Uuid(), one.partition, named.size()});
  const std::vector<bool> superfluous = find_repeated(std::move(named)).superfluous;
  if (superfluous.empty()) return;
  std::size_t at = 0;
  std::erase_if(partitions, [&superfluous, &at](const TopicPartition&) { return superfluous[at++]; });
}

}  // namespace broker::api
