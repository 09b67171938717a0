#include "broker/transaction/transaction.h"

#include <gtest/gtest.h>

#include <limits>

namespace broker::transaction {
namespace {

const TopicPartition kA0{"a", 0};
const TopicPartition kA1{"a", 1};

// A transactional id in simulated time, whose records are committed at once.
struct Sim {
  Transaction transaction{fresh()};
  std::int64_t now_ms = 1'000'000;
  std::int64_t next_producer_id = 100;

  static TransactionImage fresh() {
    TransactionImage image;
    image.producer_id = 7;
    return image;
  }
  const TransactionImage& image() const { return transaction.image(); }
  void take(TransactionImage next) {
    transaction.begin(next.state);
    transaction.complete(std::move(next));
  }
  ErrorCode init(std::optional<ProducerIdentity> expected = std::nullopt) {
    InitProducerIdRequest request;
    request.timeout_ms = 60'000;
    request.expected = expected;
    auto decided = transaction.init(request, std::nullopt, now_ms);
    if (!decided) return decided.error();
    if (decided->kind == InitDecision::Kind::needs_producer_id) {
      decided = transaction.init(request, next_producer_id++, now_ms);
    }
    if (decided->kind == InitDecision::Kind::abort_first) {
      fence();
      return ErrorCode::concurrent_transactions;
    }
    take(decided->next);
    return ErrorCode::none;
  }
  void fence() {
    EndTransactionRequest request;
    request.producer = transaction.fenced().producer();
    request.client_version = image().client_version;
    transaction.begin_fence();
    auto decided = transaction.end(request, false, std::nullopt, now_ms);
    if (decided && decided->kind == EndDecision::Kind::needs_producer_id) {
      decided = transaction.end(request, false, next_producer_id++, now_ms);
    }
    ASSERT_TRUE(decided);
    EXPECT_TRUE(decided->fences);
    take(decided->next);
    take(transaction.completed(now_ms));
  }
  ErrorCode add(const ProducerIdentity& producer, std::vector<TopicPartition> partitions, std::int16_t version = 0) {
    auto decided = transaction.add(producer, partitions, version, now_ms);
    if (decided && *decided) take(**decided);
    return decided.error();
  }
  ErrorCode prepare(const ProducerIdentity& producer, bool commit, std::int16_t version = 0) {
    EndTransactionRequest request;
    request.producer = producer;
    request.commit = commit;
    request.client_version = version;
    auto decided = transaction.end(request, true, std::nullopt, now_ms);
    if (decided && decided->kind == EndDecision::Kind::needs_producer_id) {
      decided = transaction.end(request, true, next_producer_id++, now_ms);
    }
    if (!decided) return decided.error();
    answer = decided->answer;
    if (decided->kind == EndDecision::Kind::prepare) take(decided->next);
    return ErrorCode::none;
  }
  ErrorCode end(const ProducerIdentity& producer, bool commit, std::int16_t version = 0) {
    const ErrorCode error = prepare(producer, commit, version);
    const bool prepared =
        image().state == TransactionState::prepare_commit || image().state == TransactionState::prepare_abort;
    if (error == ErrorCode::none && prepared) take(transaction.completed(now_ms));
    return error;
  }
  ProducerIdentity answer;
};

TEST(Transaction, CommitsAndGoesOn) {
  Sim sim;
  EXPECT_EQ(sim.init(), ErrorCode::none);
  const ProducerIdentity me = sim.image().producer();
  EXPECT_EQ(me, (ProducerIdentity{7, 0}));
  EXPECT_EQ(sim.end(me, true), ErrorCode::invalid_txn_state) << "nothing was begun";
  EXPECT_EQ(sim.add(me, {kA0}), ErrorCode::none);
  EXPECT_EQ(sim.image().start_ms, sim.now_ms);
  sim.now_ms += 10;
  EXPECT_EQ(sim.add(me, {kA0, kA1}), ErrorCode::none);
  EXPECT_EQ(sim.image().start_ms, sim.now_ms - 10);
  EXPECT_FALSE(*sim.transaction.add(me, {kA1}, 0, sim.now_ms)) << "known, so that nothing is written";
  EXPECT_EQ(*sim.transaction.verify(me, {kA0, {"b", 0}}),
            (std::vector{ErrorCode::none, ErrorCode::transaction_abortable}));
  EXPECT_EQ(sim.prepare(me, true), ErrorCode::none);
  EXPECT_EQ(sim.image().state, TransactionState::prepare_commit);
  EXPECT_EQ(sim.image().partitions.size(), 2u);
  EXPECT_EQ(sim.prepare(me, true), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.prepare(me, false), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.add(me, {kA0}), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.init(), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.transaction.verify(me, {kA0}).error(), ErrorCode::concurrent_transactions);
  sim.take(sim.transaction.completed(sim.now_ms));
  EXPECT_EQ(sim.image().state, TransactionState::complete_commit);
  EXPECT_TRUE(sim.image().partitions.empty());
  EXPECT_EQ(sim.prepare(me, true), ErrorCode::none) << "a retry whose answer was lost";
  EXPECT_EQ(sim.prepare(me, false), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.add(me, {kA0}), ErrorCode::none);
  EXPECT_EQ(sim.end(me, false), ErrorCode::none);
  EXPECT_EQ(sim.image().state, TransactionState::complete_abort);
}

TEST(Transaction, NothingHappensInTheMiddleOfATransition) {
  Sim sim;
  sim.init();
  const ProducerIdentity me = sim.image().producer();
  sim.transaction.begin(TransactionState::ongoing);
  EXPECT_EQ(sim.init(), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.add(me, {kA0}), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.end(me, true), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.end({8, 0}, true), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(sim.end({8, 0}, true, 2), ErrorCode::concurrent_transactions) << "it may be the id to come";
  EXPECT_EQ(sim.add({8, 0}, {kA0}, 2), ErrorCode::concurrent_transactions) << "likewise";
  EXPECT_FALSE(sim.transaction.expired(sim.now_ms + 1'000'000, 1));
  sim.transaction.abandon();
  EXPECT_EQ(sim.add(me, {kA0}), ErrorCode::none);
}

TEST(Transaction, StrangersAreRefused) {
  Sim sim;
  sim.init();
  EXPECT_EQ(sim.add({8, 0}, {kA0}), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(sim.add({7, 1}, {kA0}), ErrorCode::producer_fenced);
  EXPECT_EQ(sim.add({7, -1}, {kA0}), ErrorCode::producer_fenced);
  sim.add({7, 0}, {kA0});
  EXPECT_EQ(sim.end({8, 0}, true), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(sim.end({7, 1}, true), ErrorCode::producer_fenced);
  EXPECT_EQ(sim.transaction.verify({7, 1}, {kA0}).error(), ErrorCode::producer_fenced);
}

TEST(Transaction, AnHeirFencesTheZombie) {
  Sim sim;
  sim.init();
  const ProducerIdentity zombie = sim.image().producer();
  sim.add(zombie, {kA0});
  EXPECT_EQ(sim.init(), ErrorCode::concurrent_transactions) << "first the zombie's transaction is aborted";
  EXPECT_EQ(sim.image().state, TransactionState::complete_abort);
  EXPECT_EQ(sim.image().producer_epoch, 1);
  EXPECT_EQ(sim.init(), ErrorCode::none);
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{7, 2}));
  EXPECT_EQ(sim.add(zombie, {kA0}), ErrorCode::producer_fenced);
  EXPECT_EQ(sim.end(zombie, true), ErrorCode::producer_fenced);
}

TEST(Transaction, AFenceThatFailsTakesTheSameEpochAgain) {
  Sim sim;
  sim.init();
  sim.add({7, 0}, {kA0});
  EXPECT_EQ(sim.transaction.fenced().producer_epoch, 1);
  sim.transaction.begin_fence();
  sim.transaction.abandon(true);
  EXPECT_EQ(sim.transaction.fenced().producer_epoch, 1);
  EXPECT_EQ(sim.end({7, 0}, true), ErrorCode::producer_fenced);
  sim.fence();
  EXPECT_EQ(sim.image().producer_epoch, 1);
  sim.init();
  sim.add({7, 2}, {kA0});
  EXPECT_EQ(sim.transaction.fenced().producer_epoch, 3);
}

// KIP-360: after an error that it may go on from, a producer asks for the next epoch with its present one.
TEST(Transaction, AProducerGoesOnAfterAnError) {
  Sim sim;
  sim.init();
  EXPECT_EQ(sim.init(ProducerIdentity{7, 0}), ErrorCode::none);
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{7, 1}));
  EXPECT_EQ(sim.init(ProducerIdentity{7, 0}), ErrorCode::none) << "the answer got lost";
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{7, 1})) << "and the epoch isn't bumped twice";
  EXPECT_EQ(sim.init(ProducerIdentity{9, 1}), ErrorCode::producer_fenced);
  EXPECT_EQ(sim.init(), ErrorCode::none) << "another producer";
  EXPECT_EQ(sim.init(ProducerIdentity{7, 1}), ErrorCode::producer_fenced);
  EXPECT_EQ(sim.init(ProducerIdentity{7, 0}), ErrorCode::producer_fenced);
  EXPECT_EQ(sim.image().producer_epoch, 2);
}

TEST(Transaction, AnIdThatWasForgottenTakesAProducerBack) {
  Sim sim;
  EXPECT_EQ(sim.init(ProducerIdentity{3, 4}), ErrorCode::none);
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{7, 0}));
}

TEST(Transaction, AUsedUpEpochMeansANewProducerId) {
  Sim sim;
  TransactionImage image = sim.image();
  image.producer_epoch = kLastProducerEpoch;
  sim.take(image);
  EXPECT_EQ(sim.init(ProducerIdentity{7, 5}), ErrorCode::unknown_server_error) << "not one that was fenced long ago";
  EXPECT_EQ(sim.init(ProducerIdentity{7, kLastProducerEpoch}), ErrorCode::none);
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{100, 0}));
  EXPECT_EQ(sim.image().previous_producer_id, 7);
  EXPECT_EQ(sim.init(ProducerIdentity{7, kLastProducerEpoch}), ErrorCode::none) << "the answer got lost";
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{100, 0}));
  EXPECT_EQ(sim.init(ProducerIdentity{7, 5}), ErrorCode::producer_fenced);
}

TEST(Transaction, TheHighestEpochIsLeftForFencing) {
  Sim sim;
  TransactionImage image = sim.image();
  image.producer_epoch = kLastProducerEpoch;
  sim.take(image);
  sim.add({7, kLastProducerEpoch}, {kA0});
  EXPECT_EQ(sim.init(), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.image().producer_epoch, 32767);
  EXPECT_EQ(sim.init(), ErrorCode::none);
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{100, 0}));
}

TEST(Transaction, TimesOutAndExpires) {
  Sim sim;
  sim.init();
  EXPECT_FALSE(sim.transaction.timed_out(sim.now_ms + 100'000)) << "nothing is ongoing";
  sim.add({7, 0}, {kA0});
  EXPECT_FALSE(sim.transaction.timed_out(sim.now_ms + 60'000));
  EXPECT_TRUE(sim.transaction.timed_out(sim.now_ms + 60'001));
  EXPECT_FALSE(sim.transaction.expired(sim.now_ms + 1'000'000, 1)) << "it has an outcome to come";
  sim.fence();
  EXPECT_EQ(sim.end({7, 0}, true), ErrorCode::producer_fenced);
  EXPECT_FALSE(sim.transaction.expired(sim.now_ms + 999, 1000));
  EXPECT_TRUE(sim.transaction.expired(sim.now_ms + 1000, 1000));
  sim.transaction.mark_dead();
  EXPECT_EQ(sim.init(), ErrorCode::not_coordinator);
  EXPECT_EQ(sim.add({7, 1}, {kA0}), ErrorCode::not_coordinator);
  EXPECT_EQ(sim.end({7, 1}, true), ErrorCode::not_coordinator);
}

// Transactions v2 of KIP-890: each end bumps the epoch, so that nothing late can join the next transaction.
TEST(TransactionV2, EachEndBumpsTheEpoch) {
  Sim sim;
  sim.init();
  EXPECT_EQ(sim.add({7, 0}, {kA0}, 2), ErrorCode::none);
  EXPECT_EQ(sim.prepare({7, 0}, true, 2), ErrorCode::none);
  EXPECT_EQ(sim.answer, (ProducerIdentity{7, 1}));
  EXPECT_EQ(sim.image().producer_epoch, 1) << "which the marker has";
  EXPECT_EQ(sim.prepare({7, 0}, true, 2), ErrorCode::concurrent_transactions) << "a retry, while markers are written";
  EXPECT_EQ(sim.prepare({7, 0}, false, 2), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.prepare({7, 1}, true, 2), ErrorCode::producer_fenced) << "nobody knows that epoch yet";
  sim.take(sim.transaction.completed(sim.now_ms));
  EXPECT_EQ(sim.prepare({7, 0}, true, 2), ErrorCode::none) << "a retry whose answer was lost";
  EXPECT_EQ(sim.answer, (ProducerIdentity{7, 1}));
  EXPECT_EQ(sim.prepare({7, 0}, false, 2), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.add({7, 0}, {kA0}, 2), ErrorCode::producer_fenced) << "a late one of the transaction before";
  EXPECT_EQ(sim.add({7, 1}, {kA0}, 2), ErrorCode::none);
  EXPECT_EQ(sim.end({7, 1}, false, 2), ErrorCode::none);
  EXPECT_EQ(sim.answer, (ProducerIdentity{7, 2}));
}

TEST(TransactionV2, AnAbortNeedsNoPartitions) {
  Sim sim;
  sim.init();
  EXPECT_EQ(sim.end({7, 0}, true, 2), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.end({7, 0}, false, 2), ErrorCode::none);
  EXPECT_EQ(sim.answer, (ProducerIdentity{7, 1}));
  EXPECT_EQ(sim.end({7, 1}, true, 2), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.end({7, 1}, false, 2), ErrorCode::none);
  EXPECT_EQ(sim.answer, (ProducerIdentity{7, 2}));
}

TEST(TransactionV2, AUsedUpEpochGoesOnUnderANewProducerId) {
  Sim sim;
  TransactionImage image = sim.image();
  image.producer_epoch = kLastProducerEpoch;
  sim.take(image);
  sim.add({7, kLastProducerEpoch}, {kA0}, 2);
  EXPECT_EQ(sim.prepare({7, kLastProducerEpoch}, true, 2), ErrorCode::none);
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{7, 32767})) << "the marker is still the old one's";
  EXPECT_EQ(sim.answer, (ProducerIdentity{100, 0}));
  EXPECT_EQ(sim.prepare({7, kLastProducerEpoch}, true, 2), ErrorCode::concurrent_transactions);
  sim.take(sim.transaction.completed(sim.now_ms));
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{100, 0}));
  EXPECT_EQ(sim.prepare({7, kLastProducerEpoch}, true, 2), ErrorCode::none) << "a retry whose answer was lost";
  EXPECT_EQ(sim.answer, (ProducerIdentity{100, 0}));
  EXPECT_EQ(sim.add({100, 0}, {kA0}, 2), ErrorCode::none);
}

// The coordinator's own abort bumps the epoch once, as any other end does, so that it looks like the producer's own.
TEST(TransactionV2, AFenceIsAnAbortToItsProducer) {
  Sim sim;
  sim.init();
  sim.add({7, 0}, {kA0}, 2);
  sim.fence();
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{7, 1}));
  EXPECT_EQ(sim.image().last_producer_epoch, 0);
  EXPECT_EQ(sim.end({7, 0}, true, 2), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.end({7, 0}, false, 2), ErrorCode::none);
  EXPECT_EQ(sim.answer, (ProducerIdentity{7, 1}));
  EXPECT_EQ(sim.end({7, 0}, false), ErrorCode::producer_fenced) << "not so with version 1";
  EXPECT_EQ(sim.init(ProducerIdentity{7, 0}), ErrorCode::none) << "nor is it by KIP-360";
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{7, 1}));
  EXPECT_EQ(sim.init(), ErrorCode::none) << "but by an heir";
  EXPECT_EQ(sim.end({7, 0}, false, 2), ErrorCode::producer_fenced);
  EXPECT_EQ(sim.end({7, 1}, false, 2), ErrorCode::producer_fenced);
}

TEST(TransactionV2, AFenceGoesOnUnderANewProducerId) {
  Sim sim;
  TransactionImage image = sim.image();
  image.producer_epoch = kLastProducerEpoch;
  sim.take(image);
  sim.add({7, kLastProducerEpoch}, {kA0}, 2);
  sim.fence();
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{100, 0}));
  EXPECT_EQ(sim.end({7, kLastProducerEpoch}, true, 2), ErrorCode::invalid_txn_state);
  EXPECT_EQ(sim.end({7, kLastProducerEpoch}, false, 2), ErrorCode::none);
  EXPECT_EQ(sim.answer, (ProducerIdentity{100, 0}));
}

// It can't come to this, but if it does the id isn't stuck.
TEST(TransactionV2, TheHighestEpochIsAbortedToo) {
  Sim sim;
  TransactionImage image = sim.image();
  image.producer_epoch = 32767;
  sim.take(image);
  sim.add({7, 32767}, {kA0}, 2);
  EXPECT_TRUE(sim.transaction.timed_out(sim.now_ms + 1'000'000));
  EXPECT_EQ(sim.init(), ErrorCode::concurrent_transactions);
  EXPECT_EQ(sim.image().producer(), (ProducerIdentity{100, 0}));
  image.client_version = 0;
  sim.take(image);
  sim.add({7, 32767}, {kA0});
  EXPECT_FALSE(sim.transaction.timed_out(sim.now_ms + 1'000'000)) << "as Kafka 3.9.2";
  EXPECT_EQ(sim.init(), ErrorCode::unknown_server_error);
}

TEST(TransactionV2, AFenceThatFailsIsTriedAgain) {
  Sim sim;
  sim.init();
  sim.add({7, 0}, {kA0}, 2);
  sim.transaction.begin_fence();
  sim.transaction.abandon(true);
  EXPECT_EQ(sim.image().producer_epoch, 0);
  sim.fence();
  EXPECT_EQ(sim.image().producer_epoch, 1);
}

// As only a damaged record can say.
TEST(Transaction, ThatBeginsAtTheEndOfTimeIsNotOver) {
  TransactionImage image = Sim::fresh();
  image.state = TransactionState::ongoing;
  image.start_ms = std::numeric_limits<std::int64_t>::max();
  image.timeout_ms = 60'000;
  EXPECT_FALSE(Transaction(image).timed_out(1'000'000));
}

}  // namespace
}  // namespace broker::transaction
