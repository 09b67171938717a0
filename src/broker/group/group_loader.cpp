#include "broker/group/group_loader.h"

#include <utility>

namespace broker::group {

void GroupLoader::add(base::ByteView batches) {
  while (true) {
    const protocol::NextBatch next = protocol::next_batch(batches);
    if (next.frame != protocol::BatchFrame::whole) return;
    try {
      add_batch(batches.first(next.size_in_bytes));
    } catch (const protocol::InvalidRecord&) {
      pass_over(batches.first(next.size_in_bytes));
    } catch (const base::CompressionError&) {
      pass_over(batches.first(next.size_in_bytes));
    }
    batches = batches.subspan(next.size_in_bytes);
  }
}

void GroupLoader::pass_over(base::ByteView batch) {
  ++damage_count_;
  const auto header = protocol::read_batch_header(batch);
  if (header && header->is_control()) end_transaction(header->producer_id, false);
}

void GroupLoader::pass_over_damage() {
  ++damage_count_;
  while (!groups_in_transaction_.empty()) end_transaction(groups_in_transaction_.begin()->first, false);
}

void GroupLoader::add_batch(base::ByteView batch) {
  protocol::RecordReader reader(batch);
  const protocol::BatchHeader& header = reader.header();
  protocol::Record record;
  while (reader.next(record)) {
    ++record_count_;
    if (header.is_control()) {
      const auto type = protocol::control_type(record);
      if (type == protocol::ControlType::commit || type == protocol::ControlType::abort) {
        end_transaction(header.producer_id, type == protocol::ControlType::commit);
      }
      continue;
    }
    StoredRecord stored = read_group_record(record);
    if (auto* offset = std::get_if<OffsetRecord>(&stored)) {
      apply(header, record.offset, std::move(*offset));
    } else if (auto* group = std::get_if<GroupRecord>(&stored)) {
      // A deleted group had no offsets left, or their tombstones come by themselves.
      LoadedGroup& loaded = groups_[group->group_id];
      loaded.group = std::move(group->value);
      if (loaded.group) loaded.consumers.reset();
    } else if (const auto* consumers = std::get_if<StoredConsumerRecord>(&stored)) {
      apply(*consumers);
    } else {
      ++unknown_count_;
    }
  }
}

void GroupLoader::apply(const protocol::BatchHeader& batch, std::int64_t log_offset, OffsetRecord record) {
  GroupOffsets& offsets = groups_[record.group_id].offsets;
  if (!record.value) {
    offsets.remove(record.partition);
  } else if (batch.is_transactional()) {
    groups_in_transaction_[batch.producer_id].insert(record.group_id);
    offsets.replay_transactional(batch.producer_id, record.partition, std::move(*record.value), log_offset);
  } else {
    offsets.replay(record.partition, std::move(*record.value), log_offset);
  }
}

// A group of the newer protocol is there from its first record until the tombstone of its epoch. Other tombstones may come
// later, or alone.
void GroupLoader::apply(const StoredConsumerRecord& record) {
  LoadedGroup& loaded = groups_[record.group_id];
  const auto* epoch = std::get_if<GroupEpochRecord>(&record.record);
  if (epoch != nullptr && !epoch->value) {
    loaded.consumers.reset();
    return;
  }
  if (!loaded.consumers) {
    if (is_tombstone(record.record)) return;
    loaded.consumers.emplace(record.group_id, limits_);
    loaded.group.reset();
  }
  loaded.consumers->apply(record.record, Time());
}

void GroupLoader::end_transaction(std::int64_t producer_id, bool committed) {
  auto node = groups_in_transaction_.extract(producer_id);
  if (node.empty()) return;
  for (const std::string& group_id : node.mapped()) {
    groups_[group_id].offsets.end_transaction(producer_id, committed);
  }
}

}  // namespace broker::group
