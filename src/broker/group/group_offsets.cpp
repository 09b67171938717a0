#include "broker/group/group_offsets.h"

#include <utility>

#include "base/saturating.h"

namespace broker::group {

GroupOffsets::OnTheirWay GroupOffsets::begin(const std::vector<OffsetCommit>& commits, std::uint64_t sender) {
  OnTheirWay begun;
  begun.entries_.reserve(commits.size());
  try {
    Place place;
    for (const OffsetCommit& one : commits) begun.entries_.push_back(find_or_add(place, one.partition));
  } catch (...) {  // no memory; the last one may be there more than once
    for (const auto& entry : begun.entries_) ++entry->second.on_their_way;
    abandon(std::move(begun));
    throw;
  }
  for (const auto& entry : begun.entries_) {
    Entry& of = entry->second;
    if (of.on_their_way++ > 0 && of.last_sender != sender) begun.is_behind_others_ = true;
    of.last_sender = sender;
  }
  return begun;
}

void GroupOffsets::abandon(OnTheirWay begun) {
  for (const auto& entry : begun.entries_) {
    if (--entry->second.on_their_way > 0) continue;
    if (!removed_.empty()) removed_.erase(entry->first);
    drop_unused(entry);
  }
}

void GroupOffsets::commit(OnTheirWay begun, std::vector<OffsetCommit> commits, std::int64_t first_log_offset) {
  auto entry = begun.entries_.begin();
  for (OffsetCommit& one : commits) {
    const std::int64_t log_offset = first_log_offset++;
    const auto removed = removed_.empty() ? removed_.end() : removed_.find(one.partition);
    if (removed == removed_.end() || removed->second < log_offset) put((*entry)->second, std::move(one.value), log_offset);
    ++entry;
  }
  abandon(std::move(begun));
}

void GroupOffsets::drop_unused(Entries::iterator entry) {
  if (!entry->second.committed && entry->second.on_their_way == 0) offsets_.erase(entry);
}

void GroupOffsets::put(Entry& entry, CommittedOffset value, std::int64_t log_offset) {
  if (entry.committed && log_offset < entry.log_offset) return;
  entry.value = std::move(value);
  entry.log_offset = log_offset;
  entry.committed = true;
}

void GroupOffsets::replay(const TopicPartition& partition, CommittedOffset value, std::int64_t log_offset) {
  put(offsets_[partition], std::move(value), log_offset);
}

GroupOffsets::Entries::iterator GroupOffsets::find_or_add(Place& place, const coordinator::TopicPartitionView& partition) {
  Entries::iterator entry = offsets_.end();
  if (place.entry_) entry = std::next(*place.entry_);
  if (entry == offsets_.end()) entry = offsets_.begin();
  if (entry == offsets_.end() || coordinator::TopicPartitionView(entry->first) != partition) entry = offsets_.lower_bound(partition);
  if (entry == offsets_.end() || coordinator::TopicPartitionView(entry->first) != partition) {
    TopicPartition added;
    added.topic = partition.topic;
    added.partition = partition.partition;
    entry = offsets_.try_emplace(entry, std::move(added));
  }
  place.entry_ = entry;
  return entry;
}

void GroupOffsets::replay(Place& place, const OffsetRecordView& record, std::int64_t log_offset) {
  Entry& entry = find_or_add(place, record.partition)->second;
  if (entry.committed && log_offset < entry.log_offset) return;
  record.copy_to(entry.value);
  entry.log_offset = log_offset;
  entry.committed = true;
}

void GroupOffsets::replay_transactional(std::int64_t producer_id, const TopicPartition& partition,
                                        CommittedOffset value, std::int64_t log_offset) {
  Entry& entry = transactions_[producer_id][partition];
  entry.value = std::move(value);
  entry.log_offset = log_offset;
}

void GroupOffsets::abandon_transactional(std::int64_t producer_id, const std::vector<OffsetCommit>& commits,
                                         std::int64_t first_log_offset) {
  auto transaction = transactions_.find(producer_id);
  if (transaction == transactions_.end()) return;
  for (const OffsetCommit& one : commits) {
    auto found = transaction->second.find(one.partition);
    if (found != transaction->second.end() && found->second.log_offset == first_log_offset) {
      transaction->second.erase(found);
    }
    ++first_log_offset;
  }
  if (transaction->second.empty()) transactions_.erase(transaction);
}

void GroupOffsets::end_transaction(std::int64_t producer_id, bool committed) {
  auto node = transactions_.extract(producer_id);
  if (node.empty() || !committed) return;
  for (auto& [partition, entry] : node.mapped()) replay(partition, std::move(entry.value), entry.log_offset);
}

void GroupOffsets::remove(const TopicPartition& partition) {
  if (const auto found = offsets_.find(partition); found != offsets_.end()) {
    found->second.value = CommittedOffset();
    found->second.committed = false;
    drop_unused(found);
  }
  for (auto& [producer_id, commits] : transactions_) commits.erase(partition);
  std::erase_if(transactions_, [](const auto& transaction) { return transaction.second.empty(); });
}

void GroupOffsets::removed_at(const TopicPartition& partition, std::int64_t log_offset) {
  const auto found = offsets_.find(partition);
  if (found != offsets_.end() && found->second.on_their_way > 0) removed_[partition] = log_offset;
}

const CommittedOffset* GroupOffsets::find(const TopicPartition& partition) const {
  auto found = offsets_.find(partition);
  return found == offsets_.end() || !found->second.committed ? nullptr : &found->second.value;
}

bool GroupOffsets::is_unstable(const TopicPartition& partition) const {
  if (const auto found = offsets_.find(partition); found != offsets_.end() && found->second.on_their_way > 0) return true;
  for (const auto& [producer_id, commits] : transactions_) {
    if (commits.contains(partition)) return true;
  }
  return false;
}

std::vector<TopicPartition> GroupOffsets::all() const {
  std::vector<TopicPartition> partitions;
  partitions.reserve(offsets_.size());
  for (const auto& [partition, entry] : offsets_) {
    if (entry.committed) partitions.push_back(partition);
  }
  return partitions;
}

std::vector<TopicPartition> GroupOffsets::all_known() const {
  std::set<TopicPartition> known;
  for (const auto& [partition, entry] : offsets_) known.insert(partition);
  for (const auto& [producer_id, commits] : transactions_) {
    for (const auto& [partition, entry] : commits) known.insert(partition);
  }
  return {known.begin(), known.end()};
}

std::vector<std::pair<TopicPartition, std::int64_t>> GroupOffsets::positions() const {
  std::vector<std::pair<TopicPartition, std::int64_t>> positions;
  positions.reserve(offsets_.size());
  for (const auto& [partition, entry] : offsets_) {
    if (entry.committed) positions.emplace_back(partition, entry.value.offset);
  }
  return positions;
}

std::vector<TopicPartition> GroupOffsets::of_topics(const std::set<std::string>& topics) const {
  std::vector<TopicPartition> partitions = all_known();
  std::erase_if(partitions, [&](const TopicPartition& partition) { return !topics.contains(partition.topic); });
  return partitions;
}

std::vector<TopicPartition> GroupOffsets::expired(const ClassicGroup& group, std::int64_t now_wall_ms,
                                                  std::int64_t retention_ms) const {
  const bool standalone = !group.protocol_type();  // nobody ever joined: a store of offsets only
  const bool empty = group.state() == GroupState::empty;
  const bool consuming =
      group.uses_consumer_protocol() && group.subscribed_topics() && group.state() == GroupState::stable;
  std::vector<TopicPartition> partitions;
  if (!standalone && !empty && !consuming) return partitions;
  for (const auto& [partition, entry] : offsets_) {
    if (is_unstable(partition)) continue;
    if (!standalone && !empty && group.may_be_subscribed_to(partition.topic)) continue;
    const CommittedOffset& value = entry.value;
    const std::int64_t since = !standalone && empty ? group.current_state_timestamp().value_or(value.commit_timestamp)
                                                    : value.commit_timestamp;
    const bool is_over =
        value.expire_timestamp ? now_wall_ms >= *value.expire_timestamp : base::saturating_sub(now_wall_ms, since) >= retention_ms;
    if (is_over) partitions.push_back(partition);
  }
  return partitions;
}

std::vector<TopicPartition> GroupOffsets::expired(const std::function<bool(const std::string& topic)>& is_subscribed_to,
                                                  std::int64_t now_wall_ms, std::int64_t retention_ms) const {
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, entry] : offsets_) {
    const CommittedOffset& value = entry.value;
    const std::int64_t end = value.expire_timestamp.value_or(base::saturating_add(value.commit_timestamp, retention_ms));
    if (now_wall_ms < end || is_unstable(partition) || is_subscribed_to(partition.topic)) continue;
    partitions.push_back(partition);
  }
  return partitions;
}

}  // namespace broker::group
