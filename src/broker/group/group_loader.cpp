#include "broker/group/group_loader.h"

#include <utility>

#include "broker/group/offset_records.h"

namespace broker::group {
namespace {

std::int16_t key_version(base::ByteView key) {
  return key.size() < sizeof(std::int16_t) ? -1 : base::load_big_endian<std::int16_t>(key.data());
}

}  // namespace

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
    if (record.key && is_offset_key(key_version(*record.key))) {
      OffsetRecordView offset;
      if (read_offset_record(record, offset) == nullptr) {
        apply(header, record.offset, offset);
      } else {
        ++unknown_count_;
      }
      continue;
    }
    StoredRecord stored = read_group_record(record);
    if (auto* group = std::get_if<GroupRecord>(&stored)) {
      // A deleted group had no offsets left, or their tombstones come by themselves.
      LoadedGroup& loaded = group_of(group->group_id);
      loaded.group = std::move(group->value);
      if (loaded.group) loaded.consumers.reset();
    } else if (const auto* consumers = std::get_if<StoredConsumerRecord>(&stored)) {
      apply(*consumers);
    } else {
      ++unknown_count_;
    }
  }
}

LoadedGroup& GroupLoader::group_of(std::string_view id) {
  if (last_ && (*last_)->first == id) return (*last_)->second;
  auto found = groups_.lower_bound(id);
  if (found == groups_.end() || found->first != id) found = groups_.try_emplace(found, std::string(id));
  last_ = found;
  return found->second;
}

void GroupLoader::apply(const protocol::BatchHeader& batch, std::int64_t log_offset, const OffsetRecordView& record) {
  LoadedGroup& group = group_of(record.group_id);
  if (!record.deleted && !batch.is_transactional()) return group.offsets.replay(group.last_offset, record, log_offset);
  TopicPartition partition;
  partition.topic = record.partition.topic;
  partition.partition = record.partition.partition;
  if (record.deleted) {
    group.last_offset.forget();
    group.offsets.remove(partition);
    return;
  }
  CommittedOffset value;
  record.copy_to(value);
  groups_in_transaction_[batch.producer_id].emplace(record.group_id);
  group.offsets.replay_transactional(batch.producer_id, partition, std::move(value), log_offset);
}

// A group of the newer protocol is there from its first record until the tombstone of its epoch. Other tombstones may come
// later, or alone.
void GroupLoader::apply(const StoredConsumerRecord& record) {
  LoadedGroup& loaded = group_of(record.group_id);
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
