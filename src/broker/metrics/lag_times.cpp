#include "broker/metrics/lag_times.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/bytes.h"
#include "base/logging.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"

namespace broker::metrics {

namespace {

// Where compaction has left nothing of a batch behind the offset, the next ones are looked at; only so many.
constexpr int kBatchesMax = 16;
constexpr std::size_t kUnpackedBytesMax = std::size_t{16} << 20;

// Of the first record at or behind `offset` in this batch; nothing if there is none.
std::optional<std::int64_t> timestamp_in(base::ByteView batch, const protocol::BatchHeader& header,
                                         std::int64_t offset) {
  if (header.timestamp_type() == protocol::TimestampType::log_append_time) return header.max_timestamp;
  const bool complete = header.magic == 2 && header.record_count == header.last_offset_delta + 1;
  if (complete && offset <= header.base_offset && !header.has_delete_horizon()) return header.base_timestamp;
  try {
    protocol::RecordReader reader(batch, kUnpackedBytesMax);
    protocol::Record record;
    while (reader.next(record)) {
      if (record.offset >= offset) return record.timestamp;
    }
    return std::nullopt;
  } catch (const std::exception&) {  // damaged, or too large to be unpacked for this
    return header.max_timestamp;
  }
}

}  // namespace

std::optional<std::int64_t> timestamp_at(storage::Log& log, std::int64_t offset) {
  base::Bytes batch;
  for (int i = 0; i < kBatchesMax; ++i) {
    offset = std::max(offset, log.log_start_offset());
    const auto read =
        log.read(offset, 1, storage::ReadIsolation::high_watermark, storage::FirstBatch::whole);  // one batch
    if (!read || read->records.size == 0) return std::nullopt;
    batch.resize(read->records.size);
    if (read->records.file->read_at(read->records.position, batch) != batch.size()) return std::nullopt;
    const auto header = protocol::read_batch_header(batch);
    if (!header) return std::nullopt;
    if (const auto timestamp = timestamp_in(batch, *header, offset)) {
      return *timestamp < 0 ? std::nullopt : timestamp;
    }
    offset = std::max(offset + 1, header->next_offset());
  }
  return std::nullopt;
}

void LagTimes::answer(std::vector<LagQuestion>& questions) {
  ++round_;
  const auto deadline = std::chrono::steady_clock::now() + time_limit_;
  std::vector<std::pair<Known*, LagQuestion*>> open;
  for (LagQuestion& question : questions) {
    const storage::TopicPartition& name = question.log->topic_partition();
    const std::int64_t offset = std::max(question.offset, question.log->log_start_offset());
    Known& known = known_[Place{name.topic, question.topic_id, name.partition}][offset];
    known.round = round_;
    question.timestamp = known.timestamp;
    if (!known.found) open.emplace_back(&known, &question);
  }
  bool in_time = true;
  std::size_t done = 0;
  for (; done < open.size() && in_time; ++done) {
    auto& [known, question] = open[(next_ + done) % open.size()];
    try {
      if (!known->found) known->timestamp = timestamp_at(*question->log, question->offset);
      known->found = true;
    } catch (const std::exception& error) {
      base::log_warn("kafka.server.BrokerMetrics", "No time of offset {} of {}: {}", question->offset,
                     question->log->topic_partition().to_string(), error.what());
    }
    question->timestamp = known->timestamp;
    in_time = std::chrono::steady_clock::now() < deadline;
  }
  next_ = open.empty() ? 0 : (next_ + done) % open.size();
  forget_the_rest();
}

void LagTimes::forget_the_rest() {
  for (auto place = known_.begin(); place != known_.end();) {
    std::erase_if(place->second, [this](const auto& entry) { return entry.second.round != round_; });
    place = place->second.empty() ? known_.erase(place) : std::next(place);
  }
}

std::size_t LagTimes::remembered() const {
  std::size_t count = 0;
  for (const auto& [place, offsets] : known_) count += offsets.size();
  return count;
}

}  // namespace broker::metrics
