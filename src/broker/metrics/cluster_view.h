// Topics and partitions at one moment, for one text: the cluster's picture, and offsets of what is led here. Each
// partition is asked once, so that all numbers of it belong together.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/http/prometheus_text.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/partition/partition_manager.h"

namespace broker::metrics {

struct PartitionView {
  PartitionView() {}
  std::int32_t number = 0;
  const metadata::Partition* state = nullptr;
  base::http::Labels labels;                  // topic and partition
  std::shared_ptr<partition::Partition> led;  // null: not led here, and nothing of what follows
  std::shared_ptr<storage::Log> log;
  storage::LogOffsets offsets;
  std::int32_t min_insync_replicas = 1;

  bool under_replicated() const { return state->isr.size() < state->replicas.size(); }
};

struct TopicView {
  TopicView() {}
  std::string_view name;
  base::http::Labels labels;             // topic
  std::vector<PartitionView> partitions;  // by number
};

class ClusterView {
 public:
  ClusterView(const metadata::MetadataCache& metadata, const partition::PartitionManager& partitions);

  const metadata::ClusterMetadata& metadata() const { return *metadata_; }
  const std::vector<TopicView>& topics() const { return topics_; }  // by name
  const TopicView* topic(std::string_view name) const;

 private:
  std::shared_ptr<const metadata::ClusterMetadata> metadata_;
  std::vector<TopicView> topics_;
};

// A family with a sample for each partition that value_of has one for (an optional number).
template <class ValueOf>
void add_partitions(base::http::PrometheusText& text, const ClusterView& view, std::string_view name,
                    std::string_view help, ValueOf value_of) {
  text.family(name, "gauge", help);
  for (const TopicView& topic : view.topics()) {
    for (const PartitionView& partition : topic.partitions) {
      if (const auto value = value_of(partition)) text.sample(partition.labels, *value);
    }
  }
}

}  // namespace broker::metrics
