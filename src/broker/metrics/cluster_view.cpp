#include "broker/metrics/cluster_view.h"

#include <algorithm>

namespace broker::metrics {

ClusterView::ClusterView(const metadata::MetadataCache& metadata, const partition::PartitionManager& partitions)
    : metadata_(metadata.get()) {
  topics_.reserve(metadata_->topics.size());
  for (const auto& [name, topic] : metadata_->topics) {
    TopicView& view = topics_.emplace_back();
    view.name = name;
    view.labels = base::http::Labels({{"topic", name}});
    view.partitions.reserve(topic->partitions.size());
    for (const auto& [number, state] : topic->partitions) {
      PartitionView& partition = view.partitions.emplace_back();
      partition.number = number;
      partition.state = &state;
      partition.labels = view.labels.with("partition", std::to_string(number));
      partition.led = partitions.find(name, number);
      if (!partition.led) continue;
      partition.log = partition.led->log();
      partition.offsets = partition.log->offsets();
      partition.min_insync_replicas = partition.led->min_insync_replicas();
    }
  }
}

const TopicView* ClusterView::topic(std::string_view name) const {
  const auto found = std::ranges::lower_bound(topics_, name, {}, &TopicView::name);
  return found == topics_.end() || found->name != name ? nullptr : &*found;
}

}  // namespace broker::metrics
