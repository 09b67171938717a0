#include "broker/app/partition_coordinator_log.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/logging.h"
#include "broker/coordinator/load_progress.h"
#include "log/whole_log.h"

namespace broker::app {
namespace {

constexpr std::string_view kLogger = "kafka.coordinator.Loader";

}  // namespace

std::int32_t PartitionCoordinatorLog::known_partition_count() const {
  const auto metadata = metadata_.get();
  const metadata::Topic* topic = metadata->topic(topic_);
  return topic == nullptr ? 0 : static_cast<std::int32_t>(topic->partitions.size());
}

base::Task<std::int32_t> PartitionCoordinatorLog::partition_count(bool create) {
  const std::int32_t known = known_partition_count();
  if (known > 0 || !create || cluster_ == nullptr) co_return known;
  std::string topic = topic_;
  const controller::Outcome outcome = co_await cluster_->ensure_internal_topic(std::move(topic));
  if (outcome.error != protocol::ErrorCode::none && outcome.error != protocol::ErrorCode::topic_already_exists) {
    base::log_warn("kafka.server.DefaultAutoTopicCreationManager", "Could not create {}: {} {}", topic_,
                   protocol::name_of(outcome.error), outcome.message.value_or(""));
  }
  co_return known_partition_count();
}

std::optional<std::int32_t> PartitionCoordinatorLog::leader_epoch(std::int32_t partition) const {
  const auto found = partitions_.find(topic_, partition);
  if (!found) return std::nullopt;
  return found->leader_epoch();
}

protocol::Result<std::int64_t> PartitionCoordinatorLog::append(std::int32_t partition, base::Bytes batch,
                                                               std::optional<std::uint64_t> verification_guard) {
  return append_and_look(partition, std::move(batch), verification_guard).end;
}

coordinator::CoordinatorLog::Appended PartitionCoordinatorLog::append_and_look(std::int32_t partition, base::Bytes batch,
                                                                               std::optional<std::uint64_t> verification_guard) {
  const auto found = partitions_.find(topic_, partition);
  if (!found) return {protocol::ErrorCode::not_coordinator};
  partition::AppendOptions options;
  options.origin = protocol::AppendOrigin::coordinator;
  options.built_here = true;
  options.now_ms = base::SystemClock().wall_ms();
  options.verification_guard = verification_guard;
  const storage::AppendResult result = found->append(batch, options);
  if (!result.ok()) return {result.error};
  return {result.last_offset + 1, result.high_watermark > result.last_offset};
}

std::uint64_t PartitionCoordinatorLog::start_verification(std::int32_t partition, std::int64_t producer_id,
                                                          std::int16_t producer_epoch) {
  const auto found = partitions_.find(topic_, partition);
  return found ? found->log()->start_verification(producer_id, producer_epoch) : 0;
}

void PartitionCoordinatorLog::cancel_verification(std::int32_t partition, std::int64_t producer_id,
                                                  std::uint64_t guard) {
  if (const auto found = partitions_.find(topic_, partition)) found->log()->cancel_verification(producer_id, guard);
}

base::Task<protocol::ErrorCode> PartitionCoordinatorLog::await_committed(std::int32_t partition, std::int64_t end_offset) {
  const auto found = partitions_.find(topic_, partition);
  if (!found) co_return protocol::ErrorCode::not_coordinator;
  // At once, if it can be: what comes next on the connection shall not find the transaction in the middle of a change.
  if (found->log()->high_watermark() >= end_offset) co_return protocol::ErrorCode::none;
  const auto committed = found->committed(end_offset);
  co_return co_await committed.wait();
}

bool PartitionCoordinatorLog::is_committed(std::int32_t partition, std::int64_t end_offset) const {
  const auto found = partitions_.find(topic_, partition);
  return found && found->log()->high_watermark() >= end_offset;
}

protocol::Result<std::int64_t> PartitionCoordinatorLog::read_all(std::int32_t partition,
                                                                 const coordinator::BatchesVisitor& visit,
                                                                 const coordinator::DamageVisitor& damaged) {
  const auto found = partitions_.find(topic_, partition);
  if (!found) return protocol::ErrorCode::not_coordinator;
  const std::shared_ptr<storage::Log> log = found->log();
  coordinator::LoadProgress progress(clock_, fmt::format("{}-{}", topic_, partition), log->log_start_offset(), log->log_end_offset());
  const auto on_batches = [&](base::ByteView batches, std::int64_t next_offset) {
    visit(batches);
    if (const auto line = progress.line_due(next_offset)) base::log_info(kLogger, "{}", *line);
  };
  const auto on_damage = [&](std::int64_t from, std::int64_t to) {
    base::log_error(kLogger, "The batches of {}-{} from offset {} to {} can't be read; what they held is lost", topic_,
                    partition, from, to);
    damaged();
  };
  return storage::read_whole_log_around_damage(*log, on_batches, on_damage);
}

}  // namespace broker::app
