#include "log/producer_state.h"

#include <algorithm>
#include <limits>

namespace storage {

using protocol::BatchHeader;
using protocol::ErrorCode;

std::optional<ControlMarker> read_control_marker(base::ByteView batch) {
  try {
    protocol::RecordReader reader(batch);
    protocol::Record record;
    if (!reader.next(record)) return std::nullopt;
    auto type = protocol::control_type(record);
    if (type != protocol::ControlType::abort && type != protocol::ControlType::commit) return std::nullopt;
    return ControlMarker{*type, protocol::control_coordinator_epoch(record)};
  } catch (const protocol::InvalidRecord&) {
    return std::nullopt;
  } catch (const base::CompressionError&) {
    return std::nullopt;
  }
}

const ProducerState::Producer* ProducerState::find(std::int64_t producer_id) const {
  auto found = producers_.find(producer_id);
  return found == producers_.end() ? nullptr : &found->second;
}

const ProducerBatch* ProducerState::find_duplicate(const BatchHeader& batch) const {
  if (!batch.has_producer_id()) return nullptr;
  const Producer* producer = find(batch.producer_id);
  if (producer == nullptr || producer->epoch != batch.producer_epoch) return nullptr;
  for (const ProducerBatch& known : producer->batches) {
    if (known.first_sequence == batch.base_sequence && known.last_sequence == batch.last_sequence()) return &known;
  }
  return nullptr;
}

ErrorCode ProducerState::check_data(const BatchHeader& batch, AppendOrigin origin,
                                    std::optional<std::uint64_t> verification_guard) const {
  if (!batch.has_producer_id()) return ErrorCode::none;
  const Producer* producer = find(batch.producer_id);
  if (producer != nullptr && batch.producer_epoch < producer->epoch) return ErrorCode::invalid_producer_epoch;
  const bool opens_transaction =
      batch.is_transactional() && (producer == nullptr || !producer->in_transaction(batch.producer_epoch));
  if (verification_guard && opens_transaction) {
    auto under_way = verifications_.find(batch.producer_id);
    if (under_way == verifications_.end() || under_way->second.guard != *verification_guard) {
      return ErrorCode::invalid_txn_state;
    }
  }
  if (origin == AppendOrigin::client && skips_a_postponed_batch(batch)) return ErrorCode::out_of_order_sequence_number;
  if (producer == nullptr) return ErrorCode::none;
  if (origin == AppendOrigin::client) {
    if (batch.producer_epoch != producer->epoch) {
      // An epoch that was bumped begins its sequence anew.
      if (batch.base_sequence != 0 && producer->epoch != -1) return ErrorCode::out_of_order_sequence_number;
    } else {
      // With only a marker known, the last sequence is -1, and 0 must follow.
      std::int32_t last = producer->last_sequence();
      bool follows = batch.base_sequence == last + std::int64_t{1} ||
                     (batch.base_sequence == 0 && last == std::numeric_limits<std::int32_t>::max());
      if (!follows) return ErrorCode::out_of_order_sequence_number;
    }
  }
  if (producer->transaction_first_offset && !batch.is_transactional()) return ErrorCode::invalid_txn_state;
  return ErrorCode::none;
}

ErrorCode ProducerState::check_marker(const BatchHeader& batch, const ControlMarker& marker,
                                      std::int16_t transaction_version) const {
  const Producer* producer = find(batch.producer_id);
  if (producer == nullptr) return ErrorCode::none;
  if (batch.producer_epoch < producer->epoch) return ErrorCode::invalid_producer_epoch;
  constexpr std::int16_t kVersionWithEpochBump = 2;
  constexpr std::int16_t kHighestEpoch = std::numeric_limits<std::int16_t>::max();  // can't be bumped
  const bool ends_present_epoch = batch.producer_epoch == producer->epoch && producer->transaction_first_offset &&
                                  batch.producer_epoch != kHighestEpoch;
  if (transaction_version >= kVersionWithEpochBump && ends_present_epoch) return ErrorCode::invalid_producer_epoch;
  if (marker.coordinator_epoch < producer->coordinator_epoch) return ErrorCode::transaction_coordinator_fenced;
  return ErrorCode::none;
}

void ProducerState::apply_data(const BatchHeader& batch) {
  if (!batch.has_producer_id()) return;
  Producer& producer = producers_[batch.producer_id];
  if (producer.epoch != batch.producer_epoch) {
    producer.batches.clear();
    producer.epoch = batch.producer_epoch;
  }
  if (producer.batches.size() == kBatchesKept) producer.batches.erase(producer.batches.begin());
  producer.batches.push_back(
      {batch.base_sequence, batch.last_sequence(), batch.base_offset, batch.last_offset(), batch.max_timestamp});
  producer.last_timestamp = batch.max_timestamp;
  if (batch.is_transactional() && !producer.transaction_first_offset) {
    producer.transaction_first_offset = batch.base_offset;
    open_transactions_[batch.base_offset] = batch.producer_id;
  }
  // One of an epoch before may be open still. As Kafka's UnifiedLog.updateProducers.
  if (batch.is_transactional()) verifications_.erase(batch.producer_id);
}

std::optional<CompletedTransaction> ProducerState::apply_marker(const BatchHeader& batch, const ControlMarker& marker) {
  verifications_.erase(batch.producer_id);
  Producer& producer = producers_[batch.producer_id];
  if (producer.epoch != batch.producer_epoch) {
    producer.batches.clear();
    producer.epoch = batch.producer_epoch;
  }
  producer.last_timestamp = batch.max_timestamp;
  producer.coordinator_epoch = marker.coordinator_epoch;
  if (!producer.transaction_first_offset) return std::nullopt;
  CompletedTransaction completed{batch.producer_id, *producer.transaction_first_offset, batch.last_offset(),
                                 marker.type == protocol::ControlType::abort};
  open_transactions_.erase(completed.first_offset);
  unreplicated_transactions_[completed.first_offset] = completed;
  producer.transaction_first_offset.reset();
  return completed;
}

std::optional<CompletedTransaction> ProducerState::apply(const BatchHeader& batch, base::ByteView bytes) {
  if (!batch.has_producer_id()) return std::nullopt;
  if (!batch.is_control()) {
    apply_data(batch);
    return std::nullopt;
  }
  auto marker = read_control_marker(bytes);
  if (!marker) return std::nullopt;
  return apply_marker(batch, *marker);
}

std::optional<CompletedTransaction> ProducerState::apply_emptied_marker(const BatchHeader& batch) {
  const Producer* producer = find(batch.producer_id);
  if (producer == nullptr || !producer->transaction_first_offset) return std::nullopt;
  // There is nothing left that an abort would have to hide. Which coordinator wrote it went with the record.
  return apply_marker(batch, {protocol::ControlType::commit, producer->coordinator_epoch});
}

std::optional<std::int64_t> ProducerState::open_transaction(std::int64_t producer_id) const {
  const Producer* producer = find(producer_id);
  return producer == nullptr ? std::nullopt : producer->transaction_first_offset;
}

std::uint64_t ProducerState::start_verification(std::int64_t producer_id, std::int16_t producer_epoch,
                                                std::optional<std::int32_t> base_sequence, std::int64_t now_ms) {
  const Producer* producer = find(producer_id);
  if (producer != nullptr && producer_epoch < producer->epoch) return 0;
  if (producer != nullptr && producer->in_transaction(producer_epoch)) return 0;
  Verification& under_way = verifications_[producer_id];
  if (under_way.guard == 0) under_way.guard = ++last_guard_;
  ++under_way.users;
  under_way.last_asked_ms = now_ms;
  if (producer_epoch > under_way.producer_epoch) {
    under_way.producer_epoch = producer_epoch;
    under_way.lowest_sequence = base_sequence;
  } else if (producer_epoch == under_way.producer_epoch && base_sequence < under_way.lowest_sequence) {
    under_way.lowest_sequence = base_sequence;
  }
  return under_way.guard;
}

void ProducerState::cancel_verification(std::int64_t producer_id, std::uint64_t guard) {
  auto under_way = verifications_.find(producer_id);
  if (under_way == verifications_.end() || under_way->second.guard != guard) return;
  if (under_way->second.users > 0) --under_way->second.users;
  if (under_way->second.users == 0) verifications_.erase(under_way);
}

void ProducerState::postpone_verification(std::int64_t producer_id, std::uint64_t guard) {
  auto under_way = verifications_.find(producer_id);
  if (under_way == verifications_.end() || under_way->second.guard != guard) return;
  if (under_way->second.users > 0) --under_way->second.users;
}

// Kafka 3.9's VerificationStateEntry keeps the lowest sequence for this.
bool ProducerState::skips_a_postponed_batch(const BatchHeader& batch) const {
  const auto under_way = verifications_.find(batch.producer_id);
  if (under_way == verifications_.end() || under_way->second.producer_epoch != batch.producer_epoch) return false;
  const std::optional<std::int32_t>& lowest = under_way->second.lowest_sequence;
  return lowest && batch.base_sequence > *lowest;
}

std::optional<std::int64_t> ProducerState::first_unstable_offset() const {
  std::optional<std::int64_t> first;
  if (!open_transactions_.empty()) first = open_transactions_.begin()->first;
  if (!unreplicated_transactions_.empty()) {
    std::int64_t unreplicated = unreplicated_transactions_.begin()->first;
    if (!first || unreplicated < *first) first = unreplicated;
  }
  return first;
}

std::int64_t ProducerState::last_stable_offset_after(const CompletedTransaction& completed) const {
  return open_transactions_.empty() ? completed.last_offset + 1 : open_transactions_.begin()->first;
}

void ProducerState::on_high_watermark(std::int64_t high_watermark) {
  if (unreplicated_transactions_.empty()) return;
  std::erase_if(unreplicated_transactions_,
                [&](const auto& entry) { return entry.second.last_offset < high_watermark; });
}

void ProducerState::expire(std::int64_t now_ms, std::int64_t expiration_ms) {
  std::erase_if(producers_, [&](const auto& entry) {
    const Producer& producer = entry.second;
    return !producer.transaction_first_offset && time_difference(now_ms, producer.last_timestamp) >= expiration_ms;
  });
  std::erase_if(verifications_, [&](const auto& entry) {
    const Verification& under_way = entry.second;
    return under_way.users == 0 && time_difference(now_ms, under_way.last_asked_ms) >= expiration_ms;
  });
}

void ProducerState::on_log_start(std::int64_t log_start_offset) {
  std::erase_if(unreplicated_transactions_,
                [&](const auto& entry) { return entry.second.last_offset < log_start_offset; });
}

void ProducerState::clear() {
  producers_.clear();
  open_transactions_.clear();
  unreplicated_transactions_.clear();
  verifications_.clear();
}

std::vector<ProducerSnapshotEntry> ProducerState::snapshot() const {
  std::vector<ProducerSnapshotEntry> entries;
  entries.reserve(producers_.size());
  for (const auto& [producer_id, producer] : producers_) {
    ProducerSnapshotEntry entry;
    entry.producer_id = producer_id;
    entry.producer_epoch = producer.epoch;
    if (!producer.batches.empty()) {
      const ProducerBatch& last = producer.batches.back();
      entry.last_sequence = last.last_sequence;
      entry.last_offset = last.last_offset;
      entry.offset_delta = static_cast<std::int32_t>(last.last_offset - last.first_offset);
    }
    entry.timestamp = producer.last_timestamp;
    entry.coordinator_epoch = producer.coordinator_epoch;
    entry.current_transaction_first_offset = producer.transaction_first_offset.value_or(-1);
    entries.push_back(entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& one, const auto& other) { return one.producer_id < other.producer_id; });
  return entries;
}

void ProducerState::load(const std::vector<ProducerSnapshotEntry>& entries, std::int64_t now_ms,
                         std::int64_t expiration_ms) {
  clear();
  for (const ProducerSnapshotEntry& entry : entries) {
    bool open = entry.current_transaction_first_offset >= 0;
    if (!open && time_difference(now_ms, entry.timestamp) >= expiration_ms) continue;
    Producer producer;
    producer.epoch = entry.producer_epoch;
    producer.last_timestamp = entry.timestamp;
    producer.coordinator_epoch = entry.coordinator_epoch;
    if (entry.last_offset >= 0) {
      // The first sequence follows from the last; it wraps below 0 as the sequence does above.
      std::int64_t first = std::int64_t{entry.last_sequence} - entry.offset_delta;
      if (first < 0) first += std::int64_t{std::numeric_limits<std::int32_t>::max()} + 1;
      producer.batches.push_back({entry.last_sequence < 0 ? -1 : static_cast<std::int32_t>(first), entry.last_sequence,
                                  entry.last_offset - entry.offset_delta, entry.last_offset, entry.timestamp});
    }
    if (open) {
      producer.transaction_first_offset = entry.current_transaction_first_offset;
      open_transactions_[entry.current_transaction_first_offset] = entry.producer_id;
    }
    producers_[entry.producer_id] = std::move(producer);
  }
}

std::vector<ActiveProducer> ProducerState::active() const {
  std::vector<ActiveProducer> result;
  for (const ProducerSnapshotEntry& entry : snapshot()) {
    result.push_back({entry.producer_id, entry.producer_epoch, entry.last_sequence, entry.timestamp,
                      entry.coordinator_epoch, entry.current_transaction_first_offset});
  }
  return result;
}

}  // namespace storage
