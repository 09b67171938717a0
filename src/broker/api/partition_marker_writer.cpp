#include "broker/api/partition_marker_writer.h"

#include <optional>
#include <utility>

#include "protocol/record_batch_builder.h"

namespace broker::api {

using protocol::ErrorCode;

namespace {

// A marker that is appended, and where its outcome belongs.
struct Appended {
  std::size_t at = 0;
  std::optional<base::OneShot<ErrorCode>> committed;  // nothing: it is committed
};

}  // namespace

// At start, partitions are led before the first picture of the cluster is there. A transaction that is completed then
// must not take its partitions for deleted, nor those of topics that couldn't be read.
ErrorCode PartitionMarkerWriter::error_of_missing(const transaction::TopicPartition& partition) const {
  const auto cluster = metadata_.get();
  if (cluster->topics.empty() || cluster->unread_topics.contains(partition.topic)) return ErrorCode::not_leader_or_follower;
  const metadata::Topic* topic = cluster->topic(partition.topic);
  const bool exists = topic != nullptr && topic->partitions.contains(partition.partition);
  return exists ? ErrorCode::not_leader_or_follower : ErrorCode::unknown_topic_or_partition;
}

base::Task<std::vector<ErrorCode>> PartitionMarkerWriter::write(transaction::TransactionMarker marker,
                                                                std::vector<transaction::TopicPartition> partitions) {
  std::vector<ErrorCode> errors(partitions.size(), ErrorCode::none);
  std::vector<Appended> appended;
  partition::AppendOptions options;
  options.origin = storage::AppendOrigin::coordinator;
  options.now_ms = clock_.wall_ms();
  options.marker_transaction_version = marker.client_version;
  const base::Bytes batch = protocol::build_control_batch(
      marker.producer.id, marker.producer.epoch,
      marker.committed ? protocol::ControlType::commit : protocol::ControlType::abort, marker.coordinator_epoch,
      options.now_ms);
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const auto partition = partitions_.find(partitions[i].topic, partitions[i].partition);
    if (!partition) {
      errors[i] = error_of_missing(partitions[i]);
      continue;
    }
    base::Bytes bytes = batch;  // offsets are written into it
    const storage::AppendResult result = partition->append(bytes, options);
    errors[i] = result.error;
    if (!result.ok()) continue;
    Appended& one = appended.emplace_back();
    one.at = i;
    // A wait costs a turn of the event loop, also for what is there.
    if (partition->log()->high_watermark() <= result.last_offset) one.committed = partition->committed(result.last_offset + 1);
  }
  for (const Appended& one : appended) {
    if (one.committed) errors[one.at] = co_await one.committed->wait();
    const transaction::TopicPartition& partition = partitions[one.at];
    if (errors[one.at] == ErrorCode::none && partition.topic == metadata::kOffsetsTopic) {
      groups_.transaction_ended(marker.producer.id, partition.partition, marker.committed);
    }
  }
  co_return errors;
}

}  // namespace broker::api
