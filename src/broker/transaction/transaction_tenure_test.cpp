// A partition of __transaction_state whose leadership goes, or comes anew, between two steps of a request.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "broker/coordinator/coordinator_records.h"
#include "broker/coordinator/testing/interrupted_log.h"
#include "broker/coordinator/testing/simulation.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::transaction {
namespace {

using coordinator::testing::InterruptedLog;
using coordinator::testing::Simulation;

class ProducerIds final : public ProducerIdSource {
 public:
  base::Task<protocol::Result<std::int64_t>> next() override {
    if (on_next) std::exchange(on_next, nullptr)();
    co_return protocol::Result<std::int64_t>(last_++);
  }
  std::function<void()> on_next;  // once

 private:
  std::int64_t last_ = 1000;
};

class Markers final : public MarkerWriter {
 public:
  base::Task<std::vector<ErrorCode>> write(TransactionMarker marker, std::vector<TopicPartition> partitions) override {
    epochs.push_back(marker.coordinator_epoch);
    co_return std::vector<ErrorCode>(partitions.size(), ErrorCode::none);
  }
  std::vector<std::int32_t> epochs;  // of the coordinator
};

class TransactionTenure : public ::testing::Test {
 protected:
  TransactionTenure() { transactions.partition_elected(partition); }
  ~TransactionTenure() override {
    transactions.stop();
    world.poll();
  }

  void resign() {
    world.log.lead(partition, false);
    transactions.partition_resigned(partition);
  }
  void elect() {
    ++world.log.epoch;
    world.log.lead(partition, true);
    transactions.partition_elected(partition);
  }
  ProducerResult init() {
    InitProducerIdRequest request;
    request.transactional_id = "t";
    request.timeout_ms = 60'000;
    return world.run(transactions.init_producer_id(std::move(request)));
  }
  ErrorCode add(const ProducerIdentity& producer) {
    return world.run(transactions.add_partitions("t", producer, {TopicPartition{"a", 0}}, 0));
  }
  ErrorCode end(const ProducerIdentity& producer) {
    EndTransactionRequest request;
    request.transactional_id = "t";
    request.producer = producer;
    request.commit = true;
    return world.run(transactions.end(std::move(request))).error;
  }

  Simulation world;
  InterruptedLog log{world.log};
  ProducerIds producer_ids;
  Markers markers;
  TransactionCoordinator transactions{Environment{log, world.clock, producer_ids, markers}, TransactionLimits(),
                                      TransactionCoordinator::Threads::none};
  const std::int32_t partition = coordinator::partition_of("t", 50);
};

// With the epoch of an earlier one, whoever has seen the later would refuse its markers.
TEST_F(TransactionTenure, ANewIdIsOfTheOneThatItIsMadeIn) {
  producer_ids.on_next = [this] {
    log.after_leader_epoch = [this] {
      resign();
      elect();
    };
  };
  const ProducerResult me = init();
  EXPECT_EQ(me.error, ErrorCode::none);
  EXPECT_EQ(add(me.producer), ErrorCode::none);
  EXPECT_EQ(end(me.producer), ErrorCode::none);
  EXPECT_EQ(markers.epochs, std::vector<std::int32_t>{1});
}

TEST_F(TransactionTenure, NoIdIsMadeWhereItHasEnded) {
  producer_ids.on_next = [this] { log.after_leader_epoch = [this] { resign(); }; };
  const std::size_t written = world.log.batch_count();
  EXPECT_EQ(init().error, ErrorCode::not_coordinator);
  EXPECT_EQ(world.log.batch_count(), written);
  EXPECT_TRUE(transactions.list(TransactionFilter()).transactions.empty());
}

// Who is told that its id isn't known gives up; who is told that it is somebody else's looks for it.
TEST_F(TransactionTenure, AnIdThatHasGoneElsewhereIsNotUnknown) {
  const ProducerResult me = init();
  log.after_leader_epoch = [this] { resign(); };
  EXPECT_EQ(add(me.producer), ErrorCode::not_coordinator);
  elect();
  EXPECT_EQ(add(me.producer), ErrorCode::none);
}

}  // namespace
}  // namespace broker::transaction
