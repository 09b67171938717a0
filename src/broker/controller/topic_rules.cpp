#include "broker/controller/topic_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace broker::controller {
namespace {

using protocol::ErrorCode;

constexpr std::size_t kTopicNameLengthMax = 249;

TopicPlan refuse(ErrorCode error, std::string message) {
  TopicPlan plan;
  plan.error = error;
  plan.message = std::move(message);
  return plan;
}

// INVALID_PARTITIONS if a request may not create so many more.
TopicPlan check_count(const std::string& topic, std::size_t more, std::size_t left) {
  if (more <= left) return TopicPlan();
  return refuse(ErrorCode::invalid_partitions,
                fmt::format("Topic '{}' would get {} partitions more, but one request may create {} at most, and {} are "
                            "left of them: send several requests.",
                            topic, more, kPartitionsPerRequestMax, left));
}

bool has_duplicates(const Replicas& replicas) {
  return std::set<std::int32_t>(replicas.begin(), replicas.end()).size() != replicas.size();
}

std::string scala_map(const Assignment& assignment) {
  std::string text = "HashMap(";
  for (const auto& [partition, replicas] : assignment) {
    if (text.back() != '(') text += ", ";
    text += fmt::format("{} -> ArrayBuffer({})", partition, fmt::join(replicas, ", "));
  }
  return text + ")";
}

TopicPlan assign(const NewTopic& topic, const TopicRulesView& view, std::size_t start, std::size_t shift) {
  const std::int32_t partitions = topic.partitions == -1 ? view.default_partitions : topic.partitions;
  const std::int32_t factor =
      topic.replication_factor == -1 ? view.default_replication_factor : topic.replication_factor;
  if (partitions <= 0) return refuse(ErrorCode::invalid_partitions, "Number of partitions must be larger than 0.");
  if (factor <= 0) return refuse(ErrorCode::invalid_replication_factor, "Replication factor must be larger than 0.");
  if (static_cast<std::size_t>(factor) > view.brokers.size()) {
    return refuse(
        ErrorCode::invalid_replication_factor,
        fmt::format("Replication factor: {} larger than available brokers: {}.", factor, view.brokers.size()));
  }
  if (racks_incomplete(view.brokers)) {
    return refuse(ErrorCode::unknown_server_error,
                  "Not all brokers have rack information for replica rack aware assignment.");
  }
  TopicPlan plan = check_count(topic.name, static_cast<std::size_t>(partitions), view.partitions_left);
  if (plan.error != ErrorCode::none) return plan;
  std::int32_t number = 0;
  const std::size_t brokers = view.brokers.size();
  for (Replicas& replicas : assign_replicas(view.brokers, partitions, factor, start % brokers, shift % brokers)) {
    plan.assignment.emplace(number++, std::move(replicas));
  }
  return plan;
}

TopicPlan check_assignment(const Assignment& assignment) {
  const std::size_t factor = assignment.begin()->second.size();
  for (const auto& [partition, replicas] : assignment) {
    if (replicas.size() != factor) {
      return refuse(ErrorCode::invalid_replica_assignment, "All partitions should have the same number of replicas");
    }
  }
  for (const auto& [partition, replicas] : assignment) {
    if (has_duplicates(replicas)) {
      return refuse(ErrorCode::invalid_replica_assignment,
                    "Duplicate replica assignment found: " + scala_map(assignment));
    }
  }
  if (assignment.begin()->first != 0 ||
      assignment.rbegin()->first != static_cast<std::int32_t>(assignment.size()) - 1) {
    return refuse(ErrorCode::invalid_replica_assignment, "partitions should be a consecutive 0-based integer sequence");
  }
  return TopicPlan();
}

TopicPlan check_added(const std::vector<Replicas>& added, const Assignment& existing,
                      const std::vector<AssignableBroker>& brokers) {
  std::vector<std::int32_t> unknown;
  for (const Replicas& replicas : added) {
    for (const std::int32_t id : replicas) {
      const bool known = std::any_of(brokers.begin(), brokers.end(), [id](const auto& each) { return each.id == id; });
      if (!known && std::find(unknown.begin(), unknown.end(), id) == unknown.end()) unknown.push_back(id);
    }
  }
  if (!unknown.empty()) {
    return refuse(ErrorCode::invalid_replica_assignment,
                  fmt::format("Unknown broker(s) in replica assignment: {}.", fmt::join(unknown, ", ")));
  }
  auto partition = static_cast<std::int32_t>(existing.size());
  for (const Replicas& replicas : added) {
    if (replicas.empty()) {
      return refuse(ErrorCode::invalid_replica_assignment,
                    fmt::format("Cannot have replication factor of 0 for partition id {}.", partition));
    }
    if (has_duplicates(replicas)) {
      return refuse(ErrorCode::invalid_replica_assignment,
                    fmt::format("Duplicate brokers not allowed in replica assignment: {} for partition id {}.",
                                fmt::join(replicas, ", "), partition));
    }
    ++partition;
  }
  const std::size_t factor = existing.begin()->second.size();
  std::vector<std::size_t> partitions;
  std::vector<std::size_t> factors;
  for (std::size_t i = 0; i < added.size(); ++i) {
    if (added[i].size() == factor) continue;
    partitions.push_back(existing.size() + i);
    factors.push_back(added[i].size());
  }
  if (partitions.empty()) return TopicPlan();
  return refuse(ErrorCode::invalid_replica_assignment,
                fmt::format("Inconsistent replication factor between partitions, partition 0 has {} while partitions "
                            "[{}] have replication factors [{}], respectively.",
                            factor, fmt::join(partitions, ", "), fmt::join(factors, ", ")));
}

}  // namespace

std::optional<std::string> topic_name_error(std::string_view name) {
  const std::string start = "Topic name is invalid: ";
  if (name.empty()) return start + "the empty string is not allowed";
  if (name == ".") return start + "'.' is not allowed";
  if (name == "..") return start + "'..' is not allowed";
  if (name.size() > kTopicNameLengthMax) {
    return start +
           fmt::format("the length of '{}' is longer than the max allowed length {}", name, kTopicNameLengthMax);
  }
  const bool legal = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
  if (legal) return std::nullopt;
  return start +
         fmt::format("'{}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name);
}

bool topic_names_collide(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](char a, char b) {
    const auto same = [](char c) { return c == '.' ? '_' : c; };
    return same(a) == same(b);
  });
}

TopicPlan plan_topic(const NewTopic& topic, const TopicRulesView& view, std::size_t start, std::size_t shift) {
  const auto exists = [&] {
    return refuse(ErrorCode::topic_already_exists, "Topic '" + topic.name + "' already exists.");
  };
  if (view.topic_exists(topic.name)) return exists();
  if ((topic.partitions != -1 || topic.replication_factor != -1) && !topic.assignment.empty()) {
    return refuse(
        ErrorCode::invalid_request,
        "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the "
        "same time.");
  }
  TopicPlan plan;
  if (topic.assignment.empty()) {
    plan = assign(topic, view, start, shift);
    if (plan.error != ErrorCode::none) return plan;
  } else {
    plan = check_count(topic.name, topic.assignment.size(), view.partitions_left);
    if (plan.error != ErrorCode::none) return plan;
    plan.assignment = topic.assignment;
  }
  if (auto error = topic_name_error(topic.name)) return refuse(ErrorCode::invalid_topic_exception, *error);
  if (const std::vector<std::string> colliding = view.colliding_topics(topic.name); !colliding.empty()) {
    return refuse(ErrorCode::invalid_topic_exception,
                  fmt::format("Topic '{}' collides with existing topics: {}", topic.name, fmt::join(colliding, ", ")));
  }
  TopicPlan checked = check_assignment(plan.assignment);
  if (checked.error != ErrorCode::none) return checked;
  const Outcome configs = view.check_configs(topic.configs);
  if (configs.error != ErrorCode::none) {
    plan.error = configs.error;
    plan.message = configs.message;
  }
  return plan;
}

TopicPlan plan_partitions(const NewPartitions& request, const Assignment& existing,
                          const std::vector<AssignableBroker>& brokers, std::size_t left) {
  if (existing.empty()) {
    return refuse(ErrorCode::unknown_topic_or_partition, "The topic '" + request.topic + "' does not exist.");
  }
  const auto present = static_cast<std::int32_t>(existing.size());
  if (request.count < present) {
    return refuse(ErrorCode::invalid_partitions,
                  fmt::format("Topic currently has {} partitions, which is higher than the requested {}.", present,
                              request.count));
  }
  if (request.count == present) {
    return refuse(ErrorCode::invalid_partitions, fmt::format("Topic already has {} partitions.", present));
  }
  const std::int32_t increase = request.count - present;
  TopicPlan bounded = check_count(request.topic, static_cast<std::size_t>(increase), left);
  if (bounded.error != ErrorCode::none) return bounded;
  std::vector<Replicas> added;
  if (request.assignments) {
    added = *request.assignments;
    if (added.size() != static_cast<std::size_t>(increase)) {
      return refuse(ErrorCode::invalid_replica_assignment,
                    fmt::format("Increasing the number of partitions by {} but {} assignments provided.", increase,
                                added.size()));
    }
    TopicPlan checked = check_added(added, existing, brokers);
    if (checked.error != ErrorCode::none) return checked;
  } else {
    const Replicas& first = existing.begin()->second;
    if (first.size() > brokers.size() || first.empty()) {
      return refuse(
          ErrorCode::invalid_replication_factor,
          fmt::format("Replication factor: {} larger than available brokers: {}.", first.size(), brokers.size()));
    }
    const auto head = std::find_if(brokers.begin(), brokers.end(), [&](const auto& b) { return b.id >= first[0]; });
    const auto start = head == brokers.end() ? 0 : static_cast<std::size_t>(head - brokers.begin());
    added = assign_replicas(brokers, increase, static_cast<std::int32_t>(first.size()), start, start, present);
  }
  TopicPlan plan;
  std::int32_t number = present;
  for (Replicas& replicas : added) plan.assignment.emplace(number++, std::move(replicas));
  return plan;
}

}  // namespace broker::controller
