#include "broker/metrics/group_samples.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace broker::metrics {

namespace {

using base::http::Labels;
using base::http::PrometheusText;
using Value = std::optional<std::int64_t>;

constexpr std::int64_t kNoOffset = -1;  // committed for no partition that is shown all the same

struct PartitionProgress {
  PartitionProgress() {}
  const PartitionView* partition = nullptr;
  std::int64_t offset = kNoOffset;
  Value lag;                      // nothing if it isn't led here; -1 without an offset
  std::optional<double> seconds;  // of lag
};

// One group and one topic that it has committed to.
struct TopicProgress {
  TopicProgress() {}
  Labels labels;
  std::vector<PartitionProgress> partitions;  // all of the topic
};

PartitionProgress progress_in(const PartitionView& partition, std::int64_t offset) {
  PartitionProgress progress;
  progress.partition = &partition;
  progress.offset = offset;
  if (!partition.led) return progress;
  progress.lag = offset == kNoOffset ? -1 : partition.offsets.high_watermark - offset;
  if (offset != kNoOffset && *progress.lag <= 0) progress.seconds = 0.0;
  return progress;
}

std::vector<TopicProgress> progress_of(const ClusterView& view, const group::GroupProgress& group) {
  std::vector<TopicProgress> topics;
  for (auto at = group.offsets.begin(); at != group.offsets.end();) {
    const std::string& name = at->first.topic;
    const auto end =
        std::find_if(at, group.offsets.end(), [&name](const auto& each) { return each.first.topic != name; });
    if (const TopicView* topic = view.topic(name)) {
      TopicProgress& progress = topics.emplace_back();
      progress.labels = Labels({{"consumergroup", group.group_id}, {"topic", name}});
      auto next = at;  // both are sorted
      for (const PartitionView& partition : topic->partitions) {
        while (next != end && next->first.partition < partition.number) ++next;
        const bool committed = next != end && next->first.partition == partition.number;
        progress.partitions.push_back(progress_in(partition, committed ? next->second : kNoOffset));
      }
    }
    at = end;
  }
  return topics;
}

// About what its samples take.
std::size_t text_bytes_of(const Labels& group, const std::vector<TopicProgress>& topics) {
  constexpr std::size_t kBesideLabels = 80;  // name, partition, value
  std::size_t bytes = group.text().size() + kBesideLabels;
  for (const TopicProgress& topic : topics) {
    const std::size_t samples = 3 * topic.partitions.size() + 2;
    bytes += samples * (topic.labels.text().size() + kBesideLabels);
  }
  return bytes;
}

// Fills in the seconds of those that lag.
void ask_for_times(std::vector<TopicProgress>& topics, LagTimes& times, std::int64_t now_ms) {
  std::vector<LagQuestion> questions;
  std::vector<PartitionProgress*> lagging;
  for (TopicProgress& topic : topics) {
    for (PartitionProgress& each : topic.partitions) {
      if (!each.lag || *each.lag <= 0) continue;
      LagQuestion& question = questions.emplace_back();
      question.topic_id = each.partition->led->topic_id();
      question.log = each.partition->log;
      question.offset = each.offset;
      lagging.push_back(&each);
    }
  }
  times.answer(questions);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (!questions[i].timestamp) continue;
    // A producer's clock may be ahead of ours.
    lagging[i]->seconds = static_cast<double>(std::max<std::int64_t>(now_ms - *questions[i].timestamp, 0)) / 1000;
  }
}

template <class ValueOf>
void add_progress(PrometheusText& text, const std::vector<TopicProgress>& topics, const char* name, const char* help,
                  ValueOf value_of) {
  text.family(name, "gauge", help);
  for (const TopicProgress& topic : topics) {
    for (const PartitionProgress& each : topic.partitions) {
      if (const auto value = value_of(each)) {
        text.sample(topic.labels.with("partition", std::to_string(each.partition->number)), *value);
      }
    }
  }
}

template <class ValueOf>
void add_sums(PrometheusText& text, const std::vector<TopicProgress>& topics, const char* name, const char* help,
              ValueOf value_of) {
  text.family(name, "gauge", help);
  for (const TopicProgress& topic : topics) {
    std::int64_t sum = 0;
    for (const PartitionProgress& each : topic.partitions) {
      if (each.offset != kNoOffset) sum += value_of(each).value_or(0);
    }
    text.sample(topic.labels, sum);
  }
}

}  // namespace

void add_cluster(PrometheusText& text, const ClusterView& view) {
  text.single("kafka_brokers", "gauge", "Brokers of the cluster", view.metadata().brokers.size());
  text.family("kafka_broker_info", "gauge", "The brokers with their addresses");
  for (const auto& [id, broker] : view.metadata().brokers) {
    if (broker.endpoints.empty()) continue;
    const std::string address = broker.endpoints.front().host + ":" + std::to_string(broker.endpoints.front().port);
    text.sample(Labels({{"id", std::to_string(id)}, {"address", address}}), 1);
  }
  text.family("kafka_topic_partitions", "gauge", "Partitions of the topic");
  for (const TopicView& topic : view.topics()) text.sample(topic.labels, topic.partitions.size());
  using View = const PartitionView&;
  auto add = [&](const char* name, const char* help, auto value_of) {
    add_partitions(text, view, name, help, value_of);
  };
  add("kafka_topic_partition_current_offset", "High watermark",
      [](View p) { return p.led ? Value(p.offsets.high_watermark) : std::nullopt; });
  add("kafka_topic_partition_oldest_offset", "First offset",
      [](View p) { return p.led ? Value(p.offsets.log_start_offset) : std::nullopt; });
  add("kafka_topic_partition_leader", "Id of the leader",
      [](View p) { return p.state->leader >= 0 ? Value(p.state->leader) : std::nullopt; });
  add("kafka_topic_partition_replicas", "Replicas", [](View p) { return Value(p.state->replicas.size()); });
  add("kafka_topic_partition_in_sync_replica", "Replicas in sync", [](View p) { return Value(p.state->isr.size()); });
  add("kafka_topic_partition_leader_is_preferred", "1 if the preferred replica leads", [](View p) {
    return Value(!p.state->replicas.empty() && p.state->leader == p.state->replicas.front());
  });
  add("kafka_topic_partition_under_replicated_partition", "1 with replicas out of sync",
      [](View p) { return Value(p.under_replicated()); });
}

void add_groups(PrometheusText& text, const ClusterView& view, const std::vector<group::GroupProgress>& groups,
                LagTimes& times, std::int64_t now_ms, std::size_t bytes_max) {
  std::vector<TopicProgress> topics;
  std::vector<std::pair<Labels, std::size_t>> members;
  for (const group::GroupProgress& group : groups) {
    Labels labels({{"consumergroup", group.group_id}});
    std::vector<TopicProgress> more = progress_of(view, group);
    const std::size_t bytes = text_bytes_of(labels, more);
    if (bytes > bytes_max) continue;
    bytes_max -= bytes;
    members.emplace_back(std::move(labels), group.members);
    for (TopicProgress& topic : more) topics.push_back(std::move(topic));
  }
  ask_for_times(topics, times, now_ms);

  text.family("kafka_consumergroup_members", "gauge", "Members of the group");
  for (const auto& [labels, count] : members) text.sample(labels, count);
  if (members.size() < groups.size()) {
    text.single("milena_consumergroups_left_out", "gauge", "Groups without samples, as there are too many",
                groups.size() - members.size());
  }
  using Progress = const PartitionProgress&;
  add_progress(text, topics, "kafka_consumergroup_current_offset", "Committed offset; -1: none",
               [](Progress p) { return Value(p.offset); });
  add_progress(text, topics, "kafka_consumergroup_lag", "High watermark minus committed offset; -1: none is committed",
               [](Progress p) { return p.lag; });
  add_progress(text, topics, "kafka_consumergroup_lag_seconds", "Age of the first record that isn't consumed yet",
               [](Progress p) { return p.seconds; });
  add_sums(text, topics, "kafka_consumergroup_current_offset_sum", "Committed offsets of all partitions",
           [](Progress p) { return Value(p.offset); });
  add_sums(text, topics, "kafka_consumergroup_lag_sum", "Lag in all partitions", [](Progress p) { return p.lag; });
}

}  // namespace broker::metrics
