#include "broker/group/consumer_regex.h"

#include <re2/re2.h>

namespace broker::group {
namespace {

constexpr std::int64_t kCompiledBytesMax = 1 << 20;

RE2::Options options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kCompiledBytesMax);
  return options;
}

}  // namespace

std::string regex_problem(const std::string& regex) {
  const RE2 compiled(regex, options());
  return compiled.ok() ? std::string() : compiled.error();
}

std::set<std::string> topics_matching(const std::string& regex, const metadata::ClusterMetadata& cluster) {
  std::set<std::string> topics;
  const RE2 compiled(regex, options());
  if (!compiled.ok()) return topics;
  for (const auto& [name, topic] : cluster.topics) {
    if (RE2::FullMatch(name, compiled)) topics.insert(name);
  }
  return topics;
}

}  // namespace broker::group
