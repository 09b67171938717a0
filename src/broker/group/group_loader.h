// Replays one partition of __consumer_offsets, batch by batch in log order, into what each group is at its end. Lives
// for one load, on one thread. Records that can't be read are skipped and counted, as Kafka does; so is the rest of a batch in
// which records can't be told apart.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "broker/group/consumer_group.h"
#include "broker/group/group_offsets.h"
#include "broker/group/group_records.h"

namespace broker::group {

struct LoadedGroup {
  std::optional<StoredGroup> group;        // nothing: only offsets, nobody ever joined
  std::optional<ConsumerGroup> consumers;  // a group of the newer protocol
  GroupOffsets offsets;
  GroupOffsets::Place last_offset;
};

class GroupLoader {
 public:
  // `limits` outlive the groups.
  explicit GroupLoader(const ConsumerGroupLimits& limits) : limits_(limits) {}

  void add(base::ByteView batches);
  // Here lay batches that can't be read. Transactions that were open before may have ended in them, nobody knows how: their
  // offsets count as aborted. (What was committed and is taken for aborted is consumed again; the other way it would be lost.)
  void pass_over_damage();

  using Groups = std::map<std::string, LoadedGroup, std::less<>>;
  Groups& groups() { return groups_; }
  // Those whose transactions are still open at the end.
  const std::map<std::int64_t, std::set<std::string>>& groups_in_transaction() const { return groups_in_transaction_; }
  std::size_t record_count() const { return record_count_; }
  std::size_t unknown_count() const { return unknown_count_; }
  std::size_t damage_count() const { return damage_count_; }  // batches, or stretches of them

 private:
  void add_batch(base::ByteView batch);
  void pass_over(base::ByteView batch);  // one that can't be read; its header can
  void end_transaction(std::int64_t producer_id, bool committed);
  LoadedGroup& group_of(std::string_view id);
  void apply(const protocol::BatchHeader& batch, std::int64_t log_offset, const OffsetRecordView& record);
  void apply(const StoredConsumerRecord& record);

  const ConsumerGroupLimits& limits_;
  Groups groups_;
  std::optional<Groups::iterator> last_;  // group of the last record, as most are followed by more of theirs
  std::map<std::int64_t, std::set<std::string>> groups_in_transaction_;  // by producer id
  std::size_t record_count_ = 0;
  std::size_t unknown_count_ = 0;
  std::size_t damage_count_ = 0;
};

}  // namespace broker::group
