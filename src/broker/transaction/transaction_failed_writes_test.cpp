// What becomes of a transaction whose record or markers aren't written as something throws, say for want of memory.
#include <gtest/gtest.h>

#include <new>
#include <string>
#include <utility>
#include <vector>

#include "broker/coordinator/testing/forwarding_log.h"
#include "broker/coordinator/testing/simulation.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::transaction {
namespace {

using coordinator::testing::ForwardingLog;
using coordinator::testing::Simulation;

class ThrowingLog final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch,
                                        std::optional<std::uint64_t> guard) override {
    if (throws_at > 0 && --throws_at == 0) throw std::bad_alloc();
    return ForwardingLog::append(partition, std::move(batch), guard);
  }

  int throws_at = 0;  // the n-th append from now on
};

class ThrowingClock final : public base::Clock {
 public:
  explicit ThrowingClock(const base::Clock& to) : to_(to) {}
  std::int64_t wall_ms() const override { return to_.wall_ms(); }
  std::int64_t monotonic_ms() const override {
    if (std::exchange(throws_next, false)) throw std::bad_alloc();
    return to_.monotonic_ms();
  }

  mutable bool throws_next = false;

 private:
  const base::Clock& to_;
};

class ProducerIds final : public ProducerIdSource {
 public:
  base::Task<protocol::Result<std::int64_t>> next() override { co_return protocol::Result<std::int64_t>(last_++); }

 private:
  std::int64_t last_ = 1000;
};

class ThrowingMarkers final : public MarkerWriter {
 public:
  base::Task<std::vector<ErrorCode>> write(TransactionMarker, std::vector<TopicPartition> partitions) override {
    if (std::exchange(throws_next, false)) throw std::bad_alloc();
    co_return std::vector<ErrorCode>(partitions.size(), ErrorCode::none);
  }

  bool throws_next = false;
};

class TransactionFailedWrites : public ::testing::Test {
 protected:
  ~TransactionFailedWrites() override {
    transactions.stop();
    world.poll();
  }
  ProducerIdentity init(const std::string& id) {
    InitProducerIdRequest request;
    request.transactional_id = id;
    request.timeout_ms = 60'000;
    return world.run(transactions.init_producer_id(std::move(request))).producer;
  }
  ErrorCode add(const ProducerIdentity& producer) {
    return world.run(transactions.add_partitions("t", producer, {TopicPartition{"a", 0}}, 0));
  }
  ErrorCode commit(const ProducerIdentity& producer) {
    EndTransactionRequest request;
    request.transactional_id = "t";
    request.producer = producer;
    request.commit = true;
    return world.run(transactions.end(std::move(request))).error;
  }
  TransactionDescription describe(const std::string& id) { return world.run(transactions.describe(id)); }
  void pass(std::int64_t ms) {
    world.clock.advance_ms(ms);
    world.start(transactions.run_due_work());
  }

  Simulation world;
  ThrowingLog log{world.log};
  ThrowingClock clock{world.clock};
  ProducerIds producer_ids;
  ThrowingMarkers markers;
  TransactionLimits limits;
  TransactionCoordinator transactions{Environment{log, clock, producer_ids, markers}, limits,
                                      TransactionCoordinator::Threads::none};
};

// Else the id would be in transition for ever: nobody could go on with it, and its transaction never time out.
TEST_F(TransactionFailedWrites, ARecordThatIsNotWrittenChangesNothing) {
  const ProducerIdentity me = init("t");
  log.throws_at = 1;
  EXPECT_EQ(add(me), ErrorCode::unknown_server_error);
  EXPECT_EQ(describe("t").image.state, TransactionState::empty);
  EXPECT_EQ(add(me), ErrorCode::none);
  log.throws_at = 1;
  EXPECT_EQ(commit(me), ErrorCode::unknown_server_error);
  EXPECT_EQ(describe("t").image.state, TransactionState::ongoing);
  log.throws_at = 1;
  pass(70'000);  // the fence of the one that timed out
  EXPECT_EQ(describe("t").image.state, TransactionState::ongoing);
  pass(10'000);
  EXPECT_EQ(describe("t").image.state, TransactionState::complete_abort);
}

TEST_F(TransactionFailedWrites, WhatIsDecidedIsCompletedLater) {
  const ProducerIdentity me = init("t");
  for (const bool by_markers : {true, false}) {
    EXPECT_EQ(add(me), ErrorCode::none);
    markers.throws_next = by_markers;
    if (!by_markers) log.throws_at = 2;  // the record behind the markers
    EXPECT_EQ(commit(me), ErrorCode::none);
    EXPECT_EQ(describe("t").image.state, TransactionState::prepare_commit);
    pass(100);
    EXPECT_EQ(describe("t").image.state, TransactionState::complete_commit);
  }
}

// Not even putting it off comes off.
TEST_F(TransactionFailedWrites, WhatIsDecidedAndLostIsFoundByTheCheck) {
  const ProducerIdentity me = init("t");
  EXPECT_EQ(add(me), ErrorCode::none);
  markers.throws_next = true;
  clock.throws_next = true;
  EXPECT_EQ(commit(me), ErrorCode::none) << "it is decided";
  EXPECT_EQ(describe("t").image.state, TransactionState::prepare_commit);
  EXPECT_EQ(add(me), ErrorCode::concurrent_transactions);
  pass(limits.abort_check_interval_ms);
  EXPECT_EQ(describe("t").image.state, TransactionState::complete_commit);
  EXPECT_EQ(add(me), ErrorCode::none);
}

TEST_F(TransactionFailedWrites, ATombstoneThatIsNotWrittenHoldsUpNothingElse) {
  init("t");
  init("u");
  log.throws_at = 1;
  pass(limits.id_expiration_ms);
  const auto known = [this] { return transactions.list(TransactionFilter()).transactions.size(); };
  EXPECT_EQ(known(), 1U);
  pass(limits.expiration_check_interval_ms);
  EXPECT_EQ(known(), 0U);
}

}  // namespace
}  // namespace broker::transaction
