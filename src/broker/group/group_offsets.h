// The committed offsets of one group. What is in here is committed: a commit that is on its way is only known as
// pending, and a transaction's commits wait for its marker. Guarded by the group's mutex; no IO.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/group/classic_group.h"
#include "broker/group/group_types.h"
#include "broker/group/offset_records.h"

namespace broker::group {

struct OffsetCommit {
  TopicPartition partition;
  CommittedOffset value;
};

class GroupOffsets {
  struct Entry {
    CommittedOffset value;
    std::int64_t log_offset = -1;
    std::int32_t on_their_way = 0;  // commits that were begun
    std::uint64_t last_sender = 0;  // of these
    bool committed = false;         // else `value` is none
  };
  using Entries = std::map<TopicPartition, Entry, coordinator::InOrder>;

 public:
  // Where the commits of one batch will go, so that they are looked for once.
  class OnTheirWay {
   public:
    // For one of the partitions a commit of somebody else was begun before and isn't settled: the log must have that one first, as
    // it may be of the member that the partition was taken from.
    bool is_behind_others() const { return is_behind_others_; }
    bool empty() const { return entries_.empty(); }

   private:
    friend class GroupOffsets;
    std::vector<Entries::iterator> entries_;
    bool is_behind_others_ = false;
  };
  // Around the append of a batch of commits: begin, then commit with the offset of its first record, or abandon; once. `sender` tells
  // members and their generations apart.
  OnTheirWay begin(const std::vector<OffsetCommit>& commits, std::uint64_t sender = 0);
  void commit(OnTheirWay begun, std::vector<OffsetCommit> commits, std::int64_t first_log_offset);
  void abandon(OnTheirWay begun);

  // Where in here the last one of several was put: the next one is mostly of the partition behind it.
  class Place {
   public:
    void forget() { entry_.reset(); }  // whenever anything is removed

   private:
    friend class GroupOffsets;
    std::optional<Entries::iterator> entry_;
  };
  // From the log. An older record never replaces a newer one.
  void replay(Place& place, const OffsetRecordView& record, std::int64_t log_offset);
  void replay(const TopicPartition& partition, CommittedOffset value, std::int64_t log_offset);
  void replay_transactional(std::int64_t producer_id, const TopicPartition& partition, CommittedOffset value,
                            std::int64_t log_offset);
  void end_transaction(std::int64_t producer_id, bool committed);
  bool in_transaction(std::int64_t producer_id) const { return transactions_.contains(producer_id); }
  // The records at these places of the log were not committed after all.
  void abandon_transactional(std::int64_t producer_id, const std::vector<OffsetCommit>& commits,
                             std::int64_t first_log_offset);

  void remove(const TopicPartition& partition);
  // Its tombstone is at this place of the log: a commit that came before it and is still on its way is gone, too.
  void removed_at(const TopicPartition& partition, std::int64_t log_offset);

  const CommittedOffset* find(const TopicPartition& partition) const;
  bool is_unstable(const TopicPartition& partition) const;  // a commit or a transaction is on its way
  bool knows(const TopicPartition& partition) const { return find(partition) != nullptr || is_unstable(partition); }
  std::vector<TopicPartition> all() const;
  std::vector<TopicPartition> all_known() const;  // with those that are on their way
  std::vector<std::pair<TopicPartition, std::int64_t>> positions() const;  // all, with their offsets
  std::vector<TopicPartition> of_topics(const std::set<std::string>& topics) const;  // of all_known()
  bool empty() const { return offsets_.empty() && transactions_.empty(); }

  // Kafka's rules: since the group became empty, or since the commit if it isn't used by members of this topic. Never while a
  // commit is on its way, and, as from Kafka 4.0 on, while one waits for the end of its transaction: it would go with the rest.
  std::vector<TopicPartition> expired(const ClassicGroup& group, std::int64_t now_wall_ms,
                                      std::int64_t retention_ms) const;
  // Of a group of the newer protocol: since the commit, if no member subscribes to the topic.
  std::vector<TopicPartition> expired(const std::function<bool(const std::string& topic)>& is_subscribed_to,
                                      std::int64_t now_wall_ms, std::int64_t retention_ms) const;

 private:
  Entries::iterator find_or_add(Place& place, const coordinator::TopicPartitionView& partition);
  static void put(Entry& entry, CommittedOffset value, std::int64_t log_offset);
  void drop_unused(Entries::iterator entry);

  Entries offsets_;  // committed or on their way
  std::map<TopicPartition, std::int64_t> removed_;  // of those that are on their way
  std::map<std::int64_t, std::map<TopicPartition, Entry>> transactions_;  // by producer id
};

}  // namespace broker::group
