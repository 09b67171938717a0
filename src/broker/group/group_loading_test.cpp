// A partition of __consumer_offsets whose leadership comes and goes while it is loaded. Threads and event loop are real.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <mutex>
#include <new>
#include <set>
#include <thread>

#include "broker/coordinator/testing/forwarding_log.h"
#include "broker/coordinator/testing/memory_log.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_records.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {
namespace {

using coordinator::testing::ForwardingLog;
using coordinator::testing::MemoryLog;

// Reads, and hands over what it has read when it is told to.
class SlowLog final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  protocol::Result<std::int64_t> read_all(std::int32_t partition, const coordinator::BatchesVisitor& visit,
                                          const coordinator::DamageVisitor& damaged) override {
    std::vector<base::Bytes> read;
    const auto keep = [&](base::ByteView batch) { read.emplace_back(batch.begin(), batch.end()); };
    const auto end = ForwardingLog::read_all(partition, keep, damaged);
    std::unique_lock lock(mutex_);
    const int number = ++begun_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return number <= released_; });
    lock.unlock();
    for (const base::Bytes& batch : read) visit(batch);
    return end;
  }
  void release(int count) {
    std::lock_guard lock(mutex_);
    released_ += count;
    changed_.notify_all();
  }
  void wait_for_loads(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int begun_ = 0;
  int released_ = 0;
};

// Fails when it is told to on all threads but the test's, as anything there may for want of memory.
class FailingClock final : public base::Clock {
 public:
  std::int64_t wall_ms() const override { return system_.wall_ms(); }
  std::int64_t monotonic_ms() const override {
    std::lock_guard lock(mutex_);
    if (!fails_ || std::this_thread::get_id() == tests_) return system_.monotonic_ms();
    failed_.insert(std::this_thread::get_id());
    changed_.notify_all();
    throw std::bad_alloc();
  }
  void fail_until_threads_have(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failed_.size() >= count; });
    fails_ = false;
  }
  void fail() {
    std::lock_guard lock(mutex_);
    fails_ = true;
  }

 private:
  base::SystemClock system_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::set<std::thread::id> failed_;
  const std::thread::id tests_ = std::this_thread::get_id();
  bool fails_ = false;
};

class GroupLoading : public ::testing::Test {
 protected:
  GroupLoading() {
    (void)run(slow.partition_count(true));
    groups.emplace(slow, clock, metadata, GroupLimits(), GroupCoordinator::Threads::own);
  }
  ~GroupLoading() override {
    slow.release(100);
    groups->stop();
  }

  template <class T>
  T run(base::Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&result](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      result = std::move(value);
    });
    loop.restart();
    loop.run();
    return std::move(*result);
  }
  // As the leader of that epoch writes it.
  void write(const std::string& group, std::int64_t offset) {
    OffsetRecord record;
    record.group_id = group;
    record.partition.topic = "t";
    record.value.emplace().offset = offset;
    ASSERT_TRUE(log.append(partition, build_batch({to_record(record)}, 1), std::nullopt).has_value());
  }
  // Once the partition is loaded.
  std::string offset_of(const std::string& group) {
    std::vector<TopicPartition> partitions(1);
    partitions[0].topic = "t";
    while (true) {
      auto asked = partitions;
      const FetchOffsetsResult result = run(groups->fetch_offsets(group, std::move(asked), false, FetchingMember()));
      if (result.error == ErrorCode::none) return std::to_string(result.offsets.at(0).value.offset);
      if (result.error != ErrorCode::coordinator_load_in_progress) return std::string(protocol::name_of(result.error));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void elect(std::int32_t epoch) {
    log.epoch = epoch;
    log.lead(partition, true);
    groups->partition_elected(partition);
  }
  void resign() {
    log.lead(partition, false);
    groups->partition_resigned(partition);
  }

  boost::asio::io_context loop;
  FailingClock clock;
  metadata::MetadataCache metadata;
  MemoryLog log;
  SlowLog slow{log};
  std::optional<GroupCoordinator> groups;
  const std::int32_t partition = partition_of("g", 50);
};

TEST_F(GroupLoading, ALoadOfAnEarlierTenureIsForgotten) {
  write("g", 1);
  elect(5);
  slow.wait_for_loads(1);  // it has read "1"
  resign();
  EXPECT_EQ(offset_of("g"), "NOT_COORDINATOR");
  write("g", 2);  // somebody else leads
  elect(7);
  slow.release(1);
  slow.wait_for_loads(2);
  std::vector<TopicPartition> none;
  EXPECT_EQ(run(groups->fetch_offsets("g", none, false, FetchingMember())).error, ErrorCode::coordinator_load_in_progress)
      << "the first load doesn't stand for the second";
  EXPECT_TRUE(groups->list().groups.empty());
  slow.release(1);
  EXPECT_EQ(offset_of("g"), "2");
}

TEST_F(GroupLoading, WhatIsThrownEndsNeitherThread) {
  write("g", 1);
  slow.release(2);
  clock.fail();
  elect(5);
  clock.fail_until_threads_have(2);  // the one that loads, and the one that looks at timeouts
  EXPECT_EQ(offset_of("g"), "1");
}

TEST_F(GroupLoading, ResignedWhileLoading) {
  write("g", 1);
  elect(5);
  slow.wait_for_loads(1);
  resign();
  slow.release(1);
  EXPECT_EQ(offset_of("g"), "NOT_COORDINATOR");
  EXPECT_TRUE(groups->list().groups.empty());
}

// Later epochs of a partition that this broker goes on leading, as from an election that it wins again.
TEST_F(GroupLoading, ALaterEpochLoadsNothingAgain) {
  write("g", 1);
  elect(5);
  slow.release(1);
  EXPECT_EQ(offset_of("g"), "1");
  elect(6);
  elect(8);
  elect(8);
  EXPECT_EQ(offset_of("g"), "1");
  EXPECT_EQ(log.loads, 1);
  resign();
  write("g", 2);
  elect(9);
  slow.release(1);
  EXPECT_EQ(offset_of("g"), "2");
  EXPECT_EQ(log.loads, 2);
}

TEST_F(GroupLoading, ToAndFro) {
  slow.release(1000);
  for (std::int32_t epoch = 1; epoch <= 50; ++epoch) {
    write("g", epoch);
    elect(2 * epoch);
    if (epoch % 3 == 0) {
      EXPECT_EQ(offset_of("g"), std::to_string(epoch));
    }
    resign();
  }
  write("g", 100);
  elect(1000);
  EXPECT_EQ(offset_of("g"), "100");
}

}  // namespace
}  // namespace broker::group
