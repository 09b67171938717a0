#include "broker/transaction/transaction_coordinator.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "broker/coordinator/testing/memory_log.h"
#include "broker/transaction/transaction_records.h"

namespace broker::transaction {
namespace {

class FakeProducerIds final : public ProducerIdSource {
 public:
  base::Task<protocol::Result<std::int64_t>> next() override {
    if (error != ErrorCode::none) co_return protocol::Result<std::int64_t>(error);
    co_return protocol::Result<std::int64_t>(last++);
  }
  std::int64_t last = 1000;
  ErrorCode error = ErrorCode::none;
};

class FakeMarkers final : public MarkerWriter {
 public:
  base::Task<std::vector<ErrorCode>> write(TransactionMarker marker, std::vector<TopicPartition> partitions) override {
    std::vector<ErrorCode> outcomes;
    for (const TopicPartition& one : partitions) {
      const ErrorCode outcome = errors.contains(one) ? errors.at(one) : ErrorCode::none;
      if (outcome == ErrorCode::none) written[one].push_back(marker);
      outcomes.push_back(outcome);
    }
    co_return outcomes;
  }
  std::map<TopicPartition, ErrorCode> errors;
  std::map<TopicPartition, std::vector<TransactionMarker>> written;
};

class Coordinator : public ::testing::Test {
 protected:
  Coordinator() {
    coordinator::CoordinatorLog& topic = log;
    (void)run(topic.partition_count(true));
  }
  ~Coordinator() override {
    transactions->stop();
    drain();
  }

  void drain() {
    loop.restart();
    loop.poll();
  }
  template <class T>
  std::shared_ptr<std::optional<T>> start(base::Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    boost::asio::co_spawn(loop, std::move(task), [result](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      *result = std::move(value);
    });
    drain();
    return result;
  }
  template <class T>
  T run(base::Task<T> task) {
    auto result = start(std::move(task));
    if (!*result) throw std::runtime_error("still waiting");
    return std::move(**result);
  }
  void pass(std::int64_t ms) {
    clock.advance_ms(ms);
    boost::asio::co_spawn(loop, transactions->run_due_work(), [](const std::exception_ptr& failure) {
      if (failure) std::rethrow_exception(failure);
    });
    drain();
  }
  std::unique_ptr<TransactionCoordinator> make() {
    Environment environment{log, clock, producer_ids, markers};
    return std::make_unique<TransactionCoordinator>(environment, limits, TransactionCoordinator::Threads::none);
  }
  void restart() {
    transactions->stop();
    transactions = make();
    ++log.epoch;
  }

  ProducerResult init(const std::string& id = "t", std::int32_t timeout_ms = 60'000) {
    InitProducerIdRequest request;
    request.transactional_id = id;
    request.timeout_ms = timeout_ms;
    return run(transactions->init_producer_id(request));
  }
  ErrorCode add(const ProducerIdentity& producer, std::vector<TopicPartition> partitions, const std::string& id = "t") {
    return run(transactions->add_partitions(id, producer, std::move(partitions), 0));
  }
  EndTransactionRequest ending(const ProducerIdentity& producer, bool commit, const std::string& id = "t") {
    EndTransactionRequest request;
    request.transactional_id = id;
    request.producer = producer;
    request.commit = commit;
    return request;
  }
  ErrorCode end(const ProducerIdentity& producer, bool commit) {
    return run(transactions->end(ending(producer, commit))).error;
  }
  TransactionState state(const std::string& id = "t") { return run(transactions->describe(id)).image.state; }

  const TopicPartition a0{"a", 0}, a1{"a", 1};
  base::ManualClock clock;
  coordinator::testing::MemoryLog log;
  FakeProducerIds producer_ids;
  FakeMarkers markers;
  TransactionLimits limits;
  boost::asio::io_context loop;
  std::unique_ptr<TransactionCoordinator> transactions = make();
};

TEST_F(Coordinator, MarkersAreWrittenBeforeTheEndIsAnswered) {
  const ProducerResult me = init();
  EXPECT_EQ(me.producer, (ProducerIdentity{1000, 0}));
  EXPECT_EQ(add(me.producer, {a0, a1}), ErrorCode::none);
  EXPECT_EQ(end(me.producer, true), ErrorCode::none);
  for (const TopicPartition& one : {a0, a1}) {
    ASSERT_EQ(markers.written[one].size(), 1u);
    EXPECT_TRUE(markers.written[one][0].committed);
    EXPECT_EQ(markers.written[one][0].producer, me.producer);
    EXPECT_EQ(markers.written[one][0].coordinator_epoch, 0);
  }
  EXPECT_EQ(state(), TransactionState::complete_commit);
  EXPECT_EQ(log.batch_count(), 4u) << "Empty, Ongoing, PrepareCommit, CompleteCommit";
  EXPECT_EQ(add(me.producer, {a0}), ErrorCode::none) << "at once";
}

TEST_F(Coordinator, WhatCannotBeMarkedIsTriedAgain) {
  const ProducerResult me = init();
  add(me.producer, {a0, a1});
  markers.errors[a1] = ErrorCode::not_leader_or_follower;
  EXPECT_EQ(end(me.producer, false), ErrorCode::none) << "the outcome is decided";
  EXPECT_EQ(state(), TransactionState::prepare_abort);
  EXPECT_EQ(add(me.producer, {a0}), ErrorCode::concurrent_transactions);
  EXPECT_EQ(end(me.producer, false), ErrorCode::concurrent_transactions);
  pass(1000);
  EXPECT_EQ(state(), TransactionState::prepare_abort);
  markers.errors.clear();
  pass(1000);
  EXPECT_EQ(state(), TransactionState::complete_abort);
  EXPECT_EQ(markers.written[a0].size(), 1u) << "not again";
  EXPECT_EQ(markers.written[a1].size(), 1u);
}

TEST_F(Coordinator, APartitionThatIsGoneHoldsNobodyUp) {
  const ProducerResult me = init();
  add(me.producer, {a0, a1});
  markers.errors[a0] = ErrorCode::unknown_topic_or_partition;
  EXPECT_EQ(end(me.producer, true), ErrorCode::none);
  EXPECT_EQ(state(), TransactionState::complete_commit);
}

TEST_F(Coordinator, GoesOnWhereAnotherLeftOff) {
  const ProducerResult me = init();
  add(me.producer, {a0, a1});
  restart();
  EXPECT_EQ(state(), TransactionState::ongoing);
  EXPECT_EQ(run(transactions->verify_partitions("t", me.producer, {a0})).partitions,
            std::vector{ErrorCode::none});
  markers.errors = {{a0, ErrorCode::kafka_storage_error}, {a1, ErrorCode::kafka_storage_error}};
  EXPECT_EQ(end(me.producer, true), ErrorCode::none);
  restart();
  markers.errors.clear();
  EXPECT_EQ(state(), TransactionState::prepare_commit);
  pass(0);
  EXPECT_EQ(state(), TransactionState::complete_commit);
  ASSERT_EQ(markers.written[a0].size(), 1u);
  EXPECT_EQ(markers.written[a0][0].coordinator_epoch, 2);
  EXPECT_EQ(init().producer, (ProducerIdentity{1000, 1}));
}

// Transactions v2: the answer to the end names another producer id, which may ask for more before the rest is done.
TEST_F(Coordinator, AUsedUpEpochGoesOnUnderANewProducerId) {
  TransactionRecord last;
  last.transactional_id = "t";
  last.image.emplace();
  last.image->producer_id = 7;
  last.image->producer_epoch = kLastProducerEpoch;
  last.image->timeout_ms = 60'000;
  coordinator::CoordinatorLog& topic = log;
  const std::int32_t partition = coordinator::partition_of("t", 50);
  ASSERT_TRUE(topic.append(partition, coordinator::build_batch({to_record(last)}, clock.wall_ms())));
  log.commit_all();
  const ProducerIdentity old{7, kLastProducerEpoch}, next{1000, 0};
  const auto add_v2 = [&](const ProducerIdentity& producer) {
    return run(transactions->add_partitions("t", producer, {a0}, kVersionWithEpochBump));
  };
  EXPECT_EQ(add_v2(old), ErrorCode::none);
  markers.errors[a0] = ErrorCode::not_leader_or_follower;
  EndTransactionRequest request = ending(old, true);
  request.client_version = kVersionWithEpochBump;
  const ProducerResult ended = run(transactions->end(request));
  EXPECT_EQ(ended.error, ErrorCode::none);
  EXPECT_EQ(ended.producer, next);
  EXPECT_EQ(add_v2(next), ErrorCode::concurrent_transactions) << "it isn't a stranger";
  restart();
  EXPECT_EQ(add_v2(next), ErrorCode::concurrent_transactions);
  markers.errors.clear();
  pass(1000);
  ASSERT_EQ(markers.written[a0].size(), 1u);
  EXPECT_EQ(markers.written[a0][0].producer, (ProducerIdentity{7, 32767}));
  EXPECT_EQ(run(transactions->end(request)).producer, next) << "a retry";
  EXPECT_EQ(add_v2(next), ErrorCode::none);
}

TEST_F(Coordinator, AFenceMayNeedAProducerIdAsWell) {
  TransactionRecord last;
  last.transactional_id = "t";
  last.image.emplace();
  last.image->producer_id = 7;
  last.image->producer_epoch = kLastProducerEpoch;
  last.image->timeout_ms = 1000;
  coordinator::CoordinatorLog& topic = log;
  const std::int32_t partition = coordinator::partition_of("t", 50);
  ASSERT_TRUE(topic.append(partition, coordinator::build_batch({to_record(last)}, clock.wall_ms())));
  log.commit_all();
  const ProducerIdentity old{7, kLastProducerEpoch};
  ASSERT_EQ(run(transactions->add_partitions("t", old, {a0}, kVersionWithEpochBump)), ErrorCode::none);
  producer_ids.error = ErrorCode::coordinator_not_available;
  pass(limits.abort_check_interval_ms);
  EXPECT_EQ(state(), TransactionState::ongoing) << "nothing is done by halves";
  EXPECT_EQ(init().error, ErrorCode::coordinator_not_available);
  producer_ids.error = ErrorCode::none;
  pass(limits.abort_check_interval_ms);
  EXPECT_EQ(state(), TransactionState::complete_abort);
  EXPECT_EQ(init().producer, (ProducerIdentity{1000, 1}));
}

// Of which epochs its partitions have seen then, nobody knows: a sequence number could be one of before, and its batch be
// taken for a duplicate.
TEST_F(Coordinator, AnIdWhoseLastRecordMayBeLostGoesOnUnderANewProducerId) {
  const std::int32_t partition = coordinator::partition_of("t", 50);
  std::string other = "o";
  while (coordinator::partition_of(other, 50) != partition) other += "o";
  EXPECT_EQ(init().producer, (ProducerIdentity{1000, 0}));
  EXPECT_EQ(init().producer, (ProducerIdentity{1000, 1}));
  EXPECT_EQ(init(other).producer, (ProducerIdentity{1001, 0}));
  log.break_batch(partition, 1);
  restart();
  EXPECT_EQ(init(other).producer, (ProducerIdentity{1001, 1})) << "its record came later";
  EXPECT_EQ(init().producer, (ProducerIdentity{1002, 0}));
  EXPECT_EQ(init().producer, (ProducerIdentity{1002, 1}));
  restart();
  EXPECT_EQ(init().producer, (ProducerIdentity{1002, 2})) << "this one was never lost";
}

TEST_F(Coordinator, BytesThatAreNoBatchCostWhatTheyHeld) {
  const ProducerResult me = init();
  EXPECT_EQ(add(me.producer, {a0}), ErrorCode::none);
  EXPECT_EQ(add(me.producer, {a1}), ErrorCode::none);
  log.lose_batch(coordinator::partition_of("t", 50), 2);
  restart();
  EXPECT_EQ(state(), TransactionState::ongoing);
  EXPECT_EQ(init().error, ErrorCode::concurrent_transactions) << "what is known of it is aborted";
  EXPECT_EQ(markers.written[a0].size(), 1u);
  EXPECT_EQ(init().producer, (ProducerIdentity{1001, 0}));
}

TEST_F(Coordinator, NothingIsAnsweredBeforeItIsCommitted) {
  const ProducerResult me = init();
  log.commits_by_itself = false;
  auto adding = start(transactions->add_partitions("t", me.producer, {a0}, 0));
  EXPECT_FALSE(*adding);
  EXPECT_EQ(add(me.producer, {a1}), ErrorCode::concurrent_transactions);
  EXPECT_EQ(state(), TransactionState::empty);
  log.commit_all();
  drain();
  EXPECT_EQ(**adding, ErrorCode::none);
  auto ended = start(transactions->end(ending(me.producer, true)));
  EXPECT_FALSE(*ended);
  EXPECT_TRUE(markers.written.empty());
  log.commit_all(ErrorCode::not_enough_replicas_after_append);
  drain();
  EXPECT_EQ((*ended)->error, ErrorCode::coordinator_not_available);
  EXPECT_EQ(state(), TransactionState::ongoing);
}

TEST_F(Coordinator, AbortsAndFencesWhatTakesTooLong) {
  const ProducerResult me = init("t", 1000);
  add(me.producer, {a0});
  pass(limits.abort_check_interval_ms);
  EXPECT_EQ(state(), TransactionState::complete_abort);
  ASSERT_EQ(markers.written[a0].size(), 1u);
  EXPECT_FALSE(markers.written[a0][0].committed);
  EXPECT_EQ(markers.written[a0][0].producer.epoch, 1);
  EXPECT_EQ(end(me.producer, true), ErrorCode::producer_fenced);
  EXPECT_EQ(init().producer.epoch, 2);
}

TEST_F(Coordinator, AnHeirWaitsForTheAbort) {
  const ProducerResult zombie = init();
  add(zombie.producer, {a0});
  EXPECT_EQ(init().error, ErrorCode::concurrent_transactions);
  const ProducerResult heir = init();
  EXPECT_EQ(heir.producer, (ProducerIdentity{1000, 2}));
  EXPECT_EQ(markers.written[a0].at(0).producer.epoch, 1);
  EXPECT_EQ(add(zombie.producer, {a0}), ErrorCode::producer_fenced);
}

TEST_F(Coordinator, ForgetsIdsThatNobodyUses) {
  init("idle");
  const ProducerResult busy = init("busy", 900'000);
  clock.advance_ms(limits.id_expiration_ms - 1);
  add(busy.producer, {a0}, "busy");
  pass(1);
  EXPECT_EQ(run(transactions->describe("idle")).error, ErrorCode::transactional_id_not_found);
  EXPECT_EQ(run(transactions->describe("busy")).error, ErrorCode::none);
  restart();
  EXPECT_EQ(run(transactions->describe("idle")).error, ErrorCode::transactional_id_not_found) << "a tombstone says so";
}

TEST_F(Coordinator, RefusesWhatIsNotItsOwn) {
  EXPECT_EQ(init("").error, ErrorCode::invalid_request);
  EXPECT_EQ(init("t", 0).error, ErrorCode::invalid_transaction_timeout);
  EXPECT_EQ(init("t", limits.timeout_max_ms + 1).error, ErrorCode::invalid_transaction_timeout);
  EXPECT_EQ(add({1, 0}, {a0}), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(end({1, 0}, true), ErrorCode::invalid_producer_id_mapping);
  producer_ids.error = ErrorCode::coordinator_not_available;
  EXPECT_EQ(init().error, ErrorCode::coordinator_not_available);
  producer_ids.error = ErrorCode::none;
  const ProducerResult me = init();
  const std::int32_t partition = coordinator::partition_of("t", 50);
  log.lead(partition, false);
  transactions->partition_resigned(partition);
  EXPECT_EQ(add(me.producer, {a0}), ErrorCode::not_coordinator);
  EXPECT_EQ(init().error, ErrorCode::not_coordinator);
  log.lead(partition, true);
  transactions->partition_elected(partition);
  EXPECT_EQ(add(me.producer, {a0}), ErrorCode::none);
  transactions->stop();
  EXPECT_EQ(init().error, ErrorCode::coordinator_not_available);
}

TEST_F(Coordinator, Lists) {
  const ProducerResult one = init("one");
  const ProducerResult two = init("two");
  add(two.producer, {a0}, "two");
  clock.advance_ms(500);
  const auto ids = [this](const TransactionFilter& filter) {
    std::set<std::string> found;
    for (const TransactionListing& each : transactions->list(filter).transactions) found.insert(each.transactional_id);
    return found;
  };
  using Ids = std::set<std::string>;
  EXPECT_EQ(ids({}), (Ids{"one", "two"}));
  TransactionFilter filter;
  filter.states = {"Ongoing"};
  EXPECT_EQ(ids(filter), Ids{"two"});
  filter.states = {"Busy", "Busy"};
  EXPECT_EQ(ids(filter), Ids());
  EXPECT_EQ(transactions->list(filter).unknown_states, std::vector<std::string>{"Busy"});
  filter = TransactionFilter();
  filter.producer_ids = {one.producer.id};
  EXPECT_EQ(ids(filter), Ids{"one"});
  filter = TransactionFilter();
  filter.states = {"Ongoing"};
  filter.running_longer_than_ms = 499;
  EXPECT_EQ(ids(filter), Ids{"two"});
  filter.running_longer_than_ms = 500;
  EXPECT_EQ(ids(filter), Ids());
  filter = TransactionFilter();
  filter.id_pattern = "o.*";
  EXPECT_EQ(ids(filter), Ids{"one"});
  filter.id_pattern = "n";
  EXPECT_EQ(ids(filter), Ids()) << "all of the id";
  filter.id_pattern = "(";
  EXPECT_EQ(transactions->list(filter).error, ErrorCode::invalid_regular_expression);
}

}  // namespace
}  // namespace broker::transaction
