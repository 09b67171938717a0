#include "broker/app/partition_coordinator_log.h"

#include <algorithm>

#include "base/clock.h"
#include "base/logging.h"
#include "broker/coordinator/load_progress.h"
#include "protocol/record_batch.h"

namespace broker::app {
namespace {

constexpr std::string_view kLogger = "kafka.coordinator.Loader";
constexpr std::uint64_t kLoadBytes = 5 << 20;  // read at once; a single larger batch is read whole
constexpr std::uint64_t kBatchPrefixBytes = 12;

// How many of these bytes are whole batches.
std::size_t whole_batches(base::ByteView bytes) {
  std::size_t end = 0;
  while (bytes.size() - end >= kBatchPrefixBytes) {
    const std::uint64_t size = kBatchPrefixBytes + base::load_big_endian<std::uint32_t>(bytes.data() + end + 8);
    if (size > bytes.size() - end) break;
    end += size;
  }
  return end;
}

// base offset + last offset delta + 1 of the last of these whole batches.
std::int64_t end_offset_of(base::ByteView batches) {
  std::int64_t end_offset = 0;
  for (std::size_t at = 0; at < batches.size();) {
    const std::uint8_t* batch = batches.data() + at;
    end_offset = base::load_big_endian<std::int64_t>(batch) + base::load_big_endian<std::int32_t>(batch + 23) + 1;
    at += kBatchPrefixBytes + base::load_big_endian<std::uint32_t>(batch + 8);
  }
  return end_offset;
}

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
  const auto found = partitions_.find(topic_, partition);
  if (!found) return protocol::ErrorCode::not_coordinator;
  partition::AppendOptions options;
  options.origin = protocol::AppendOrigin::coordinator;
  options.now_ms = base::SystemClock().wall_ms();
  options.verification_guard = verification_guard;
  const storage::AppendResult result = found->append(batch, options);
  if (!result.ok()) return result.error;
  return result.last_offset + 1;
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
                                                           const std::function<void(base::ByteView batches)>& visit) {
  const auto found = partitions_.find(topic_, partition);
  if (!found) return protocol::ErrorCode::not_coordinator;
  const std::shared_ptr<storage::Log> current = found->log();
  storage::Log& log = *current;
  std::int64_t offset = log.log_start_offset();
  const std::int64_t end = log.log_end_offset();
  coordinator::LoadProgress progress(clock_, fmt::format("{}-{}", topic_, partition), offset, end);
  base::Bytes buffer;
  while (offset < end) {
    auto read = log.read(offset, kLoadBytes, storage::ReadIsolation::log_end, storage::FirstBatch::whole);
    if (!read) return read.error();
    const storage::FileSlice& slice = read.value().records;
    buffer.resize(slice.size);
    if (slice.size == 0 || slice.file->read_at(slice.position, buffer) != slice.size) {
      return protocol::ErrorCode::kafka_storage_error;
    }
    const base::ByteView batches = base::ByteView(buffer).first(whole_batches(buffer));
    if (batches.empty()) return protocol::ErrorCode::corrupt_message;
    visit(batches);
    offset = end_offset_of(batches);
    if (const auto line = progress.line_due(offset)) base::log_info(kLogger, "{}", *line);
  }
  return offset;
}

}  // namespace broker::app
