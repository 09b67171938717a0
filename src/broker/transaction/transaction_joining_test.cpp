// What several transactional ids write in one turn of an event loop.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/coordinator/testing/simulation.h"
#include "broker/transaction/transaction_coordinator.h"
#include "broker/transaction/transaction_records.h"
#include "protocol/record.h"

namespace broker::transaction {
namespace {

constexpr std::int32_t kPartition = 7;

class ProducerIds final : public ProducerIdSource {
 public:
  base::Task<protocol::Result<std::int64_t>> next() override { co_return protocol::Result<std::int64_t>(last_++); }

 private:
  std::int64_t last_ = 1000;
};

class Markers final : public MarkerWriter {
 public:
  base::Task<std::vector<ErrorCode>> write(TransactionMarker, std::vector<TopicPartition> partitions) override {
    co_return std::vector<ErrorCode>(partitions.size(), ErrorCode::none);
  }
};

class TransactionJoining : public ::testing::Test {
 protected:
  TransactionJoining() {
    for (int i = 0; ids.size() < 3; ++i) {
      const std::string id = "t" + std::to_string(i);
      if (coordinator::partition_of(id, 50) == kPartition) ids.push_back(id);
    }
    transactions.partition_elected(kPartition);
  }
  ~TransactionJoining() override {
    transactions.stop();
    world.poll();
  }

  // Not before the next turn.
  void begin_init(const std::string& id) {
    InitProducerIdRequest request;
    request.transactional_id = id;
    request.timeout_ms = 60'000;
    boost::asio::co_spawn(world.loop, transactions.init_producer_id(std::move(request)),
                          [this, id](const std::exception_ptr& failure, ProducerResult result) {
                            if (failure) std::rethrow_exception(failure);
                            told[id] = result;
                          });
  }
  void begin_add(const std::string& id, const std::string& topic) {
    boost::asio::co_spawn(world.loop,
                          transactions.add_partitions(id, told.at(id).producer, {TopicPartition{topic, 0}}, 0),
                          [this, id](const std::exception_ptr& failure, ErrorCode error) {
                            if (failure) std::rethrow_exception(failure);
                            added[id].push_back(error);
                          });
  }
  TransactionState state(const std::string& id) { return world.run(transactions.describe(id)).image.state; }

  coordinator::testing::Simulation world;
  ProducerIds producer_ids;
  Markers markers;
  TransactionCoordinator transactions{Environment{world.log, world.clock, producer_ids, markers}, TransactionLimits(),
                                      TransactionCoordinator::Threads::none, TransactionCoordinator::Joining::always};
  std::vector<std::string> ids;  // all of them in the same partition
  std::map<std::string, ProducerResult> told;
  std::map<std::string, std::vector<ErrorCode>> added;
};

TEST_F(TransactionJoining, StepsOfSeveralIdsAreOneBatch) {
  for (const std::string& id : ids) begin_init(id);
  world.poll();
  EXPECT_EQ(world.log.batch_count(), 1u);
  for (const std::string& id : ids) EXPECT_EQ(told.at(id).error, ErrorCode::none);
  for (const std::string& id : ids) begin_add(id, "a");
  begin_add(ids[0], "b");  // of one id there is never more than one step on its way
  world.poll();
  EXPECT_EQ(world.log.batch_count(), 2u);
  EXPECT_EQ(added.at(ids[0]).size(), 2u);
  EXPECT_EQ(std::ranges::count(added.at(ids[0]), ErrorCode::concurrent_transactions), 1);
  for (const std::string& id : ids) EXPECT_EQ(state(id), TransactionState::ongoing);
}

TEST_F(TransactionJoining, AnErrorIsEverybodysAndChangesNothing) {
  for (const std::string& id : ids) begin_init(id);
  world.poll();
  for (const std::string& id : ids) begin_add(id, "a");
  world.log.append_error = ErrorCode::not_enough_replicas;
  world.poll();
  for (const std::string& id : ids) {
    EXPECT_EQ(added.at(id), std::vector{ErrorCode::coordinator_not_available});
    EXPECT_EQ(state(id), TransactionState::empty);
  }
  world.log.append_error = ErrorCode::none;
  for (const std::string& id : ids) begin_add(id, "a");
  world.poll();
  for (const std::string& id : ids) EXPECT_EQ(state(id), TransactionState::ongoing);
}

// Its event loop may end before its turn does.
TEST_F(TransactionJoining, AStopLeavesNobodyWaiting) {
  begin_init(ids[0]);
  world.loop.restart();
  (void)world.loop.poll_one();  // up to the end of the turn
  EXPECT_EQ(world.log.batch_count(), 0u);
  transactions.stop();
  EXPECT_EQ(world.log.batch_count(), 1u);
  world.poll();
  EXPECT_EQ(told.at(ids[0]).error, ErrorCode::not_coordinator);
}

// What was decided when the partition goes is in the log before another tenure can begin.
TEST_F(TransactionJoining, NothingIsLeftOverForTheNextTenure) {
  begin_init(ids[0]);
  world.loop.restart();
  (void)world.loop.poll_one();  // up to the end of the turn
  ASSERT_FALSE(told.contains(ids[0]));
  EXPECT_EQ(world.log.batch_count(), 0u);
  transactions.partition_resigned(kPartition);
  EXPECT_EQ(world.log.batch_count(), 1u);
  world.poll();
  EXPECT_EQ(world.log.batch_count(), 1u);
  EXPECT_EQ(told.at(ids[0]).error, ErrorCode::not_coordinator);
  transactions.partition_elected(kPartition);
  EXPECT_EQ(world.run(transactions.describe(ids[0])).image.producer_epoch, 0);
}

}  // namespace
}  // namespace broker::transaction
