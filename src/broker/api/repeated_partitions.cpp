#include "broker/api/repeated_partitions.h"

#include <algorithm>
#include <tuple>

namespace broker::api {
namespace {

bool comes_before(const NamedPartition& a, const NamedPartition& b) {
  if (a.partition != b.partition) return a.partition < b.partition;
  return std::tie(a.topic, a.topic_id, a.at) < std::tie(b.topic, b.topic_id, b.at);
}

bool same(const NamedPartition& a, const NamedPartition& b) {
  return a.partition == b.partition && a.topic == b.topic && a.topic_id == b.topic_id;
}

}  // namespace

RepeatedPartitions find_repeated(std::vector<NamedPartition> named) {
  std::sort(named.begin(), named.end(), comes_before);
  RepeatedPartitions found;
  for (std::size_t begin = 0; begin < named.size();) {
    std::size_t end = begin + 1;
    while (end < named.size() && same(named[begin], named[end])) ++end;
    if (end > begin + 1) {
      if (found.superfluous.empty()) found.superfluous.resize(named.size());
      found.repeated.push_back({named[begin].at, named[end - 1].at});
      for (std::size_t i = begin + 1; i < end; ++i) found.superfluous[named[i].at] = true;
    }
    begin = end;
  }
  return found;
}

}  // namespace broker::api
