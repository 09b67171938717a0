// Any bytes as a partition of __consumer_offsets, or, after a byte 255, as the key (its size first) and the value of one
// record of it: what can be read is written again as it was, the rest is counted or refused. Groups that are loaded from
// it live on until all of their members are gone.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/compression.h"
#include "broker/group/group_loader.h"
#include "broker/group/group_records.h"
#include "broker/metadata/cluster_metadata.h"
#include "protocol/record_batch.h"

namespace {

using namespace broker::group;

constexpr int kMembersMax = 3;  // so that some groups are over their capacity
constexpr std::int64_t kLongerThanAnyTimeout = std::int64_t{1} << 33;
constexpr int kRoundsMax = 4;

void check(bool holds) {
  if (!holds) std::abort();
}

// Nothing: of a kind that is never written, only deleted.
std::optional<KeyAndValue> written(const StoredRecord& stored) {
  if (const auto* offset = std::get_if<OffsetRecord>(&stored)) return to_record(*offset);
  if (const auto* group = std::get_if<GroupRecord>(&stored)) return to_record(*group);
  if (const auto* consumers = std::get_if<StoredConsumerRecord>(&stored)) {
    const auto* old = std::get_if<SubscriptionMetadataRecord>(&consumers->record);
    if (old != nullptr && !old->deleted) return std::nullopt;
    return to_record(consumers->group_id, consumers->record);
  }
  return std::nullopt;
}

void check_round_trip(const StoredRecord& stored) {
  const auto first = written(stored);
  if (!first) return;
  protocol::Record record;
  record.key = first->key;
  if (first->value) record.value = *first->value;
  const StoredRecord again = read_group_record(record);
  check(again.index() == stored.index());
  const auto second = written(again);
  check(second && second->key == first->key && second->value == first->value);
}

void one_record(base::ByteView bytes) {
  if (bytes.empty()) return;
  const std::size_t key_size = std::min<std::size_t>(bytes[0], bytes.size() - 1);
  protocol::Record record;
  record.key = bytes.subspan(1, key_size);
  if (bytes.size() > 1 + key_size) record.value = bytes.subspan(1 + key_size);
  const StoredRecord stored = read_group_record(record);
  if (const auto* unknown = std::get_if<UnknownRecord>(&stored)) {
    check(!unknown->reason.empty());
  } else {
    check_round_trip(stored);
  }
}

void live_on(const std::string& id, const StoredGroup& stored, const GroupLimits& limits) {
  ClassicGroup group(id, limits);
  Time now;
  Effects effects;
  group.replay(stored, now, effects);
  check(group.size() <= stored.members.size());
  check(group.summary().members.size() == group.size());
  for (int round = 0; group.next_deadline() && round < kRoundsMax; ++round) {
    now.monotonic_ms += kLongerThanAnyTimeout;
    group.on_time(now, effects);
  }
  check(group.size() == 0 && group.state() == GroupState::empty && !group.next_deadline());
}

void live_on(ConsumerGroup group) {
  const ClusterPtr cluster = std::make_shared<broker::metadata::ClusterMetadata>();
  Time now;
  group.loaded(now);
  check(group.summary().members.size() == group.size());
  const ConsumerGroup whole = group;
  for (int round = 0; group.next_deadline() && round < kRoundsMax; ++round) {
    now.monotonic_ms += kLongerThanAnyTimeout;
    const ConsumerDecision decision = group.expire(cluster, now);
    for (const ConsumerGroupRecord& record : decision.records) check_round_trip(StoredConsumerRecord{group.id(), record});
    group.settle(decision, now);
  }
  check(group.empty() && !group.next_deadline());
  ConsumerGroup deleted = whole;
  for (const ConsumerGroupRecord& record : whole.tombstones()) {
    check(is_tombstone(record));
    deleted.apply(record, now);
  }
  check(deleted.empty() && deleted.state() == "Empty");
}

void check_offsets(GroupOffsets& offsets) {
  const auto all = offsets.all();
  check(all.size() == offsets.positions().size());
  for (const TopicPartition& partition : all) check(offsets.find(partition) != nullptr);
  for (const TopicPartition& partition : all) offsets.remove(partition);
  check(offsets.all().empty());
}

void whole_partition(base::ByteView bytes) {
  GroupLimits limits;
  limits.size_max = kMembersMax;
  GroupLoader loader(limits.consumer);
  loader.add(bytes);
  check(loader.unknown_count() <= loader.record_count());
  check(loader.groups().size() <= loader.record_count());
  bool commits = false;
  for (const auto& [producer_id, groups] : loader.groups_in_transaction()) {
    for (const std::string& id : groups) {
      const auto found = loader.groups().find(id);
      check(found != loader.groups().end() && found->second.offsets.in_transaction(producer_id));
      found->second.offsets.end_transaction(producer_id, commits = !commits);
    }
  }
  for (auto& [id, loaded] : loader.groups()) {
    check(!loaded.group || !loaded.consumers);
    check_offsets(loaded.offsets);
    check(loaded.offsets.empty());
    if (loaded.group) live_on(id, *loaded.group, limits);
    if (loaded.consumers) live_on(std::move(*loaded.consumers));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint8_t kOneRecord = 255;
  if (size > 0 && data[0] == kOneRecord) {
    one_record({data + 1, size - 1});
  } else {
    whole_partition({data, size});
  }
  return 0;
}
