// An internal topic in memory, for tests: led wholly, written by one, committed at once or when the test says so.
// Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "broker/coordinator/coordinator_log.h"
#include "protocol/record_batch.h"

namespace broker::coordinator::testing {

class MemoryLog final : public CoordinatorLog {
 public:
  base::Task<std::int32_t> partition_count(bool create) override {
    std::lock_guard lock(mutex_);
    if (create && count_ == 0) count_ = 50;
    co_return count_;
  }
  std::optional<std::int32_t> leader_epoch(std::int32_t partition) const override {
    std::lock_guard lock(mutex_);
    if (not_led_.contains(partition)) return std::nullopt;
    return epoch;
  }
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch,
                                        std::optional<std::uint64_t>) override {
    std::lock_guard lock(mutex_);
    if (append_error != protocol::ErrorCode::none) return append_error;
    Partition& to = partitions_[partition];
    protocol::set_base_offset(batch, to.end_offset);
    to.end_offset = protocol::read_batch_header(batch)->next_offset();
    to.batches.push_back(std::move(batch));
    if (commits_by_itself && commit_error == protocol::ErrorCode::none) to.committed_batches = to.batches.size();
    return to.end_offset;
  }
  std::uint64_t start_verification(std::int32_t, std::int64_t, std::int16_t) override {
    return verification_guard;
  }
  void cancel_verification(std::int32_t, std::int64_t, std::uint64_t) override { ++verifications_cancelled; }
  base::Task<protocol::ErrorCode> await_committed(std::int32_t, std::int64_t) override {
    std::unique_lock lock(mutex_);
    if (commits_by_itself) co_return commit_error;
    base::OneShot<protocol::ErrorCode> waiter;
    waiting_.push_back(waiter);
    lock.unlock();
    co_return co_await waiter.wait();
  }
  bool is_committed(std::int32_t, std::int64_t) const override {
    std::lock_guard lock(mutex_);
    return commits_by_itself && commit_error == protocol::ErrorCode::none;
  }
  protocol::Result<std::int64_t> read_all(std::int32_t partition, const BatchesVisitor& visit,
                                          const DamageVisitor& damaged) override {
    std::vector<base::Bytes> batches;
    std::int64_t end = 0;
    {
      std::lock_guard lock(mutex_);
      ++loads;
      batches = partitions_[partition].batches;
      end = partitions_[partition].end_offset;
    }
    for (const base::Bytes& batch : batches) {
      if (batch.empty()) {
        damaged();
      } else {
        visit(batch);
      }
    }
    return end;
  }
  // Of all that is written, in its order; to look at, not as a load.
  void for_each_batch(std::int32_t partition, const BatchesVisitor& visit) {
    (void)read_all(partition, visit, [] {});
  }
  // The n-th batch is bytes that are none.
  void lose_batch(std::int32_t partition, std::size_t index) {
    std::lock_guard lock(mutex_);
    partitions_[partition].batches.at(index).clear();
  }
  // The n-th batch can be found, and its records can't be read: no release knows its codec.
  void break_batch(std::int32_t partition, std::size_t index) {
    std::lock_guard lock(mutex_);
    base::Bytes& batch = partitions_[partition].batches.at(index);
    protocol::BatchHeader header = *protocol::read_batch_header(batch);
    header.attributes |= protocol::kAttributeCodecMask;
    protocol::write_batch_header(batch, header);
  }

  void commit_all(protocol::ErrorCode outcome = protocol::ErrorCode::none) {
    std::vector<base::OneShot<protocol::ErrorCode>> waiting;
    {
      std::lock_guard lock(mutex_);
      waiting.swap(waiting_);
      if (outcome == protocol::ErrorCode::none) {
        for (auto& [number, partition] : partitions_) partition.committed_batches = partition.batches.size();
      }
    }
    for (const auto& waiter : waiting) waiter.set(outcome);
  }
  std::size_t waiting_count() const {
    std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  // Another broker becomes the leader: it has the records that aren't committed yet, or it hasn't.
  void change_leader(bool has_uncommitted) {
    std::lock_guard lock(mutex_);
    for (auto& [number, partition] : partitions_) {
      if (has_uncommitted) partition.committed_batches = partition.batches.size();
      partition.batches.resize(partition.committed_batches);
      partition.end_offset =
          partition.batches.empty() ? 0 : protocol::read_batch_header(partition.batches.back())->next_offset();
    }
  }
  void lead(std::int32_t partition, bool led) {
    std::lock_guard lock(mutex_);
    if (led) {
      not_led_.erase(partition);
    } else {
      not_led_.insert(partition);
    }
  }
  std::size_t batch_count() const {
    std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [number, partition] : partitions_) count += partition.batches.size();
    return count;
  }
  base::Bytes last_batch(std::int32_t partition) {
    std::lock_guard lock(mutex_);
    return partitions_[partition].batches.back();
  }

  // Set before the calls that they are for.
  protocol::ErrorCode append_error = protocol::ErrorCode::none;
  protocol::ErrorCode commit_error = protocol::ErrorCode::none;
  bool commits_by_itself = true;
  int loads = 0;
  std::uint64_t verification_guard = 0;
  int verifications_cancelled = 0;
  std::int32_t epoch = 0;  // of the leader, in all partitions

 private:
  struct Partition {
    std::vector<base::Bytes> batches;
    std::size_t committed_batches = 0;
    std::int64_t end_offset = 0;
  };
  mutable std::mutex mutex_;
  std::int32_t count_ = 0;
  std::set<std::int32_t> not_led_;
  std::map<std::int32_t, Partition> partitions_;
  std::vector<base::OneShot<protocol::ErrorCode>> waiting_;
};

}  // namespace broker::coordinator::testing
