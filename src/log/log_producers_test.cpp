// What a log knows of producers: sequences, epochs, transactions.
#include <gtest/gtest.h>

#include <new>

#include "base/faulty_file_system.h"
#include "log/log.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::BatchFields;
using testing::LogFixture;
using testing::make_batch;

class LogProducers : public LogFixture {};

BatchFields from(std::int64_t id, std::int16_t epoch, std::int32_t sequence) {
  return {.producer_id = id, .producer_epoch = epoch, .base_sequence = sequence};
}

TEST_F(LogProducers, DuplicatesOfTheLastFiveBatchesAnswerTheOldOffsets) {
  open();
  for (int number = 0; number < 6; ++number) append({"a", "b"}, from(1, 0, number * 2));
  for (int number = 1; number < 6; ++number) {
    AppendResult again = append({"a", "b"}, from(1, 0, number * 2));
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.first_offset, number * 2);
    EXPECT_EQ(again.last_offset, number * 2 + 1);
    EXPECT_EQ(again.log_append_time, 1'700'000'000'001) << "the batch's newest, whoever stamped it, as in Kafka";
  }
  EXPECT_EQ(append({"a", "b"}, from(1, 0, 0)).error, ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(append({"a"}, from(1, 0, 10)).error, ErrorCode::out_of_order_sequence_number);  // not the same length
  EXPECT_EQ(log().log_end_offset(), 12);
}

TEST_F(LogProducers, SequencesMustFollow) {
  open();
  EXPECT_TRUE(append({"a"}, from(1, 0, 77)).ok());  // an unknown producer may start anywhere
  EXPECT_EQ(append({"b"}, from(1, 0, 79)).error, ErrorCode::out_of_order_sequence_number);
  EXPECT_TRUE(append({"b"}, from(1, 0, 78)).ok());
  EXPECT_EQ(append({"c"}, from(1, 1, 5)).error, ErrorCode::out_of_order_sequence_number);
  EXPECT_TRUE(append({"c"}, from(1, 1, 0)).ok());
  EXPECT_EQ(append({"d"}, from(1, 0, 79)).error, ErrorCode::invalid_producer_epoch);
}

TEST_F(LogProducers, SequencesWrap) {
  open();
  EXPECT_TRUE(append({"a", "b"}, from(1, 0, 2147483646)).ok());
  EXPECT_TRUE(append({"c"}, from(1, 0, 0)).ok());
  EXPECT_TRUE(append({"d"}, from(2, 0, 2147483647)).ok());
  EXPECT_TRUE(append({"e"}, from(2, 0, 0)).ok());
}

TEST_F(LogProducers, ProducersSurviveRestartWithTheirLastBatch) {
  for (bool clean : {true, false}) {
    open();
    std::int32_t sequence = log().log_end_offset() == 0 ? 0 : 2;
    if (sequence == 0) {
      append({"a"}, from(1, 0, 0));
      append({"b"}, from(1, 0, 1));
    }
    if (clean) log().close();
    open({.clean_shutdown = clean});
    ASSERT_EQ(log().active_producers().size(), 1u);
    EXPECT_TRUE(append({"b"}, from(1, 0, 1)).duplicate);
    EXPECT_EQ(append({"x"}, from(1, 0, 5)).error, ErrorCode::out_of_order_sequence_number);
  }
}

TEST_F(LogProducers, ProducersExpireByRecordTime) {
  open();
  append({"a"}, from(1, 0, 0));
  log().expire_producers(1'700'000'000'000 + 86'400'000 - 1);
  EXPECT_EQ(log().active_producers().size(), 1u);
  log().expire_producers(1'700'000'000'000 + 86'400'000);
  EXPECT_TRUE(log().active_producers().empty());
  EXPECT_TRUE(append({"b"}, from(1, 0, 9)).ok());
}

TEST_F(LogProducers, TransactionsHoldTheLastStableOffset) {
  open();
  BatchFields fields = from(1, 0, 0);
  fields.transactional = true;
  append({"plain"});
  append({"in"}, fields);
  EXPECT_EQ(log().last_stable_offset(), 1);
  EXPECT_EQ(append({"out"}, from(1, 0, 1)).error, ErrorCode::invalid_txn_state);
  auto marker = [&](protocol::ControlType type, std::int32_t coordinator_epoch) {
    return append_bytes(protocol::build_control_batch(1, 0, type, coordinator_epoch, 1), 0,
                        protocol::AppendOrigin::coordinator);
  };
  EXPECT_TRUE(marker(protocol::ControlType::abort, 3).ok());
  EXPECT_EQ(log().last_stable_offset(), 3);
  EXPECT_EQ(marker(protocol::ControlType::commit, 2).error, ErrorCode::transaction_coordinator_fenced);
  auto read = log().read(0, 1000, ReadIsolation::transactions_committed, FirstBatch::whole);
  ASSERT_EQ(read->aborted_transactions->size(), 1u);
  EXPECT_EQ(read->aborted_transactions->front().first_offset, 1);
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000000.txnindex"));
  for (bool clean : {true, false}) {
    if (clean) log().close();
    open({.clean_shutdown = clean});
    EXPECT_EQ(log().last_stable_offset(), 3);
    read = log().read(0, 1000, ReadIsolation::transactions_committed, FirstBatch::whole);
    EXPECT_EQ(read->aborted_transactions->size(), 1u) << clean;
  }
}

// Its end would find nobody whose transaction it is, and the last stable offset would stay where it is for ever.
TEST_F(LogProducers, AProducerWithAnOpenTransactionDoesNotExpire) {
  constexpr std::int64_t kLaterMs = 1'700'000'000'000 + 10 * LogConfig::kDayMs;
  open();
  BatchFields fields = from(1, 0, 0);
  fields.transactional = true;
  append({"in"}, fields);
  log().expire_producers(kLaterMs);
  ASSERT_EQ(log().active_producers().size(), 1u);
  clock_.advance_ms(10 * LogConfig::kDayMs);
  log().close();
  open({.clean_shutdown = true});
  EXPECT_EQ(log().last_stable_offset(), 0);
  ASSERT_EQ(log().active_producers().size(), 1u);
  EXPECT_EQ(log().active_producers()[0].current_transaction_first_offset, 0);
  EXPECT_TRUE(append_bytes(protocol::build_control_batch(1, 0, protocol::ControlType::commit, 0, 1), 0,
                           protocol::AppendOrigin::coordinator)
                  .ok());
  EXPECT_EQ(log().last_stable_offset(), 2);
  log().expire_producers(kLaterMs);
  EXPECT_TRUE(log().active_producers().empty());
}

// It comes late, from before its producer was fenced.
TEST_F(LogProducers, AMarkerOfAnOlderEpochEndsNothing) {
  open();
  BatchFields fields = from(1, 1, 0);
  fields.transactional = true;
  append({"in"}, fields);
  const auto commit_of_epoch = [&](std::int16_t epoch) {
    return append_bytes(protocol::build_control_batch(1, epoch, protocol::ControlType::commit, 0, 1), 0,
                        protocol::AppendOrigin::coordinator)
        .error;
  };
  EXPECT_EQ(commit_of_epoch(0), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(log().log_end_offset(), 1);
  EXPECT_EQ(log().last_stable_offset(), 0);
  EXPECT_EQ(commit_of_epoch(1), ErrorCode::none);
  EXPECT_EQ(log().last_stable_offset(), 2);
}

// A fetch ends anywhere within a batch, where a producer's bytes may look like a batch that begins at an early offset.
TEST_F(LogProducers, AbortedTransactionsAreNamedWhereverAFetchIsCut) {
  config_.index_interval_bytes = 100;
  open();
  std::int32_t sequence = 0;
  const auto transact = [&](const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      BatchFields fields = from(1, 0, sequence++);
      fields.transactional = true;
      append({value}, fields);
    }
    append_bytes(protocol::build_control_batch(1, 0, protocol::ControlType::abort, 0, 1), 0,
                 protocol::AppendOrigin::coordinator);
  };
  std::string looks_like_batches;
  for (int i = 0; i < 12; ++i) looks_like_batches += std::string(11, '\0') + std::string(1, '\x14') + std::string(4, '\0');
  append({"plain"});
  transact({"in", looks_like_batches, looks_like_batches});
  transact({looks_like_batches, "more"});
  for (const bool again : {false, true}) {
    if (again) {
      log().roll();
      log().close();
      open({.clean_shutdown = true});
    }
    const std::uint64_t size = files_.info("/data/t-0/00000000000000000000.log").size;
    const std::uint64_t plain = make_batch({"plain"}).size();
    for (std::uint64_t bytes = plain + 1; bytes <= size; ++bytes) {
      const auto read = log().read(0, bytes, ReadIsolation::transactions_committed, FirstBatch::whole);
      ASSERT_TRUE(read && read->aborted_transactions);
      ASSERT_GE(read->aborted_transactions->size(), 1u) << bytes;
      EXPECT_EQ(read->aborted_transactions->front().first_offset, 1);
      EXPECT_TRUE(bytes != plain + 1 || read->aborted_transactions->size() == 1) << "the other one is far behind";
      EXPECT_TRUE(bytes != size || read->aborted_transactions->size() == 2);
    }
  }
}

// The only marker goes, and the transaction index with it; nobody may look for it any more.
TEST_F(LogProducers, ATruncationBelowTheFirstAbortLeavesNoTransactionIndex) {
  for (const char* next : {"roll", "flush", "close", "abort"}) {
    files_.remove_all("/data/t-0");
    open();
    const auto transact = [&](std::int32_t sequence) {
      BatchFields fields = from(1, 0, sequence);
      fields.transactional = true;
      append({"in"}, fields);
      append_bytes(protocol::build_control_batch(1, 0, protocol::ControlType::abort, 0, 1), 0,
                   protocol::AppendOrigin::coordinator);
    };
    const auto aborted = [&] {
      auto read = log().read(0, 1000, ReadIsolation::transactions_committed, FirstBatch::whole);
      return read ? read->aborted_transactions->size() : 99u;
    };
    append({"plain"});
    transact(0);
    EXPECT_EQ(aborted(), 1u);
    log().truncate_to(1);
    EXPECT_FALSE(files_.exists("/data/t-0/00000000000000000000.txnindex"));
    EXPECT_EQ(aborted(), 0u);
    if (std::string(next) == "abort") transact(0);
    append({"more"});
    if (std::string(next) != "close") log().roll();
    if (std::string(next) != "roll") log().flush_closed_segments();
    log().close();
    EXPECT_FALSE(directory_->offline()) << next;
    open({.clean_shutdown = true});
    EXPECT_EQ(aborted(), std::string(next) == "abort" ? 1u : 0u) << next;
  }
}

TEST_F(LogProducers, ALateBatchOpensNoTransaction) {
  open();
  BatchFields fields = from(1, 0, 0);
  fields.transactional = true;
  const auto append_verified = [&](std::uint64_t guard) {
    base::Bytes batch = make_batch({"x"}, fields);
    AppendContext context;
    context.verification_guard = guard;
    AppendResult result = log().append_as_leader(batch, context);
    if (result.ok()) ++fields.base_sequence;
    return result.error;
  };
  const auto mark = [&] {
    return append_bytes(protocol::build_control_batch(1, 0, protocol::ControlType::commit, 0, 1), 0,
                        protocol::AppendOrigin::coordinator);
  };
  EXPECT_EQ(append_verified(0), ErrorCode::invalid_txn_state) << "nobody has asked";
  const std::uint64_t guard = log().start_verification(1, 0);
  EXPECT_NE(guard, 0u);
  EXPECT_EQ(log().start_verification(1, 0), guard) << "two requests at once";
  EXPECT_EQ(append_verified(guard + 1), ErrorCode::invalid_txn_state);
  EXPECT_EQ(append_verified(guard), ErrorCode::none);
  EXPECT_EQ(log().start_verification(1, 0), 0u) << "the transaction is open";
  EXPECT_EQ(append_verified(guard), ErrorCode::none) << "the other one of the two";
  EXPECT_EQ(append_verified(0), ErrorCode::none);
  mark();
  EXPECT_EQ(append_verified(0), ErrorCode::invalid_txn_state) << "late";
  EXPECT_EQ(append_verified(guard), ErrorCode::invalid_txn_state);
  const std::uint64_t next = log().start_verification(1, 0);
  EXPECT_NE(next, guard);
  mark();
  EXPECT_EQ(append_verified(next), ErrorCode::invalid_txn_state) << "a marker came between question and append";
  const std::uint64_t last = log().start_verification(1, 0);
  log().cancel_verification(1, last);
  EXPECT_EQ(append_verified(last), ErrorCode::invalid_txn_state);
  EXPECT_EQ(log().last_stable_offset(), log().log_end_offset());
  const std::uint64_t shared = log().start_verification(1, 0);
  EXPECT_EQ(log().start_verification(1, 0), shared);
  log().cancel_verification(1, shared);
  EXPECT_EQ(append_verified(shared), ErrorCode::none) << "only the other of the two was refused";
  mark();
  const std::uint64_t refused = log().start_verification(1, 0);
  EXPECT_EQ(log().start_verification(1, 0), refused);
  for (int i = 0; i < 2; ++i) log().cancel_verification(1, refused);
  EXPECT_EQ(append_verified(refused), ErrorCode::invalid_txn_state);
}

// Else the first batch of a producer that isn't known here would be out of order for ever.
TEST_F(LogProducers, NothingOvertakesABatchWhoseVerificationIsPostponed) {
  open();
  const auto append_with = [&](std::int32_t sequence, std::uint64_t guard, std::int16_t epoch = 0) {
    BatchFields fields = from(1, epoch, sequence);
    fields.transactional = true;
    base::Bytes batch = make_batch({"x"}, fields);
    AppendContext context;
    context.verification_guard = guard;
    return log().append_as_leader(batch, context).error;
  };
  const std::uint64_t first = log().start_verification(1, 0, 3);
  log().postpone_verification(1, first);
  const std::uint64_t second = log().start_verification(1, 0, 4);
  EXPECT_EQ(append_with(4, second), ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(append_with(3, log().start_verification(1, 0, 3)), ErrorCode::none);
  EXPECT_EQ(append_with(4, 0), ErrorCode::none);
  EXPECT_EQ(append_with(5, 0), ErrorCode::none);
  // A higher epoch begins anew.
  log().postpone_verification(2, log().start_verification(2, 0, 0));
  log().postpone_verification(1, log().start_verification(1, 1, 0));
  EXPECT_EQ(append_with(1, log().start_verification(1, 1, 1), 1), ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(append_with(0, log().start_verification(1, 1, 0), 1), ErrorCode::none);
}

// As Kafka 3 leaves one that hangs. The producer's next transaction is verified, and goes on without.
TEST_F(LogProducers, AVerificationEndsWithTheAppendBehindATransactionThatHasNoMarker) {
  open();
  const auto append_at = [&](std::int16_t epoch, std::int32_t sequence) {
    BatchFields fields = from(1, epoch, sequence);
    fields.transactional = true;
    base::Bytes batch = make_batch({"x"}, fields);
    AppendContext context;
    context.verification_guard = log().start_verification(1, epoch, sequence);
    return log().append_as_leader(batch, context).error;
  };
  EXPECT_EQ(append_at(0, 0), ErrorCode::none);
  EXPECT_EQ(append_at(1, 0), ErrorCode::none);
  EXPECT_EQ(append_at(1, 1), ErrorCode::none);
  EXPECT_EQ(append_at(1, 2), ErrorCode::none);
  EXPECT_EQ(log().last_stable_offset(), 0);
}

TEST_F(LogProducers, APostponedVerificationIsForgottenSomeday) {
  open();
  const std::uint64_t guard = log().start_verification(1, 0, 3);
  log().postpone_verification(1, guard);
  clock_.advance_ms(10'000);
  log().set_producer_id_expiration(10'000);
  EXPECT_EQ(log().start_verification(1, 0, 3), guard);
  log().postpone_verification(1, guard);
  log().expire_producers(clock_.wall_ms());
  EXPECT_EQ(log().start_verification(1, 0, 3), guard);
  log().postpone_verification(1, guard);
  clock_.advance_ms(10'000);
  log().expire_producers(clock_.wall_ms());
  EXPECT_NE(log().start_verification(1, 0, 3), guard);
}

// Transactions v2: the next one of a producer has the next epoch, and may be there before the last one's marker.
TEST_F(LogProducers, ABatchOfTheNextEpochDoesNotJoinTheLastTransaction) {
  open();
  const auto append_at = [&](std::int16_t epoch, std::uint64_t guard) {
    BatchFields fields = from(1, epoch, 0);
    fields.transactional = true;
    base::Bytes batch = make_batch({"x"}, fields);
    AppendContext context;
    context.verification_guard = guard;
    const ErrorCode error = log().append_as_leader(batch, context).error;
    log().update_high_watermark(log().log_end_offset());
    return error;
  };
  const auto mark = [&](std::int16_t epoch) {
    base::Bytes batch = protocol::build_control_batch(1, epoch, protocol::ControlType::commit, 0, 1);
    AppendContext context;
    context.origin = protocol::AppendOrigin::coordinator;
    context.marker_transaction_version = 2;
    const ErrorCode error = log().append_as_leader(batch, context).error;
    log().update_high_watermark(log().log_end_offset());
    return error;
  };
  EXPECT_EQ(append_at(0, log().start_verification(1, 0)), ErrorCode::none);
  EXPECT_EQ(mark(0), ErrorCode::invalid_producer_epoch) << "its end has a higher epoch";
  EXPECT_EQ(append_at(1, 0), ErrorCode::invalid_txn_state) << "the open transaction isn't this one's";
  const std::uint64_t early = log().start_verification(1, 1);
  EXPECT_NE(early, 0u);
  EXPECT_EQ(mark(1), ErrorCode::none);
  EXPECT_EQ(mark(1), ErrorCode::none) << "sent again";
  EXPECT_EQ(append_at(1, early), ErrorCode::invalid_txn_state) << "a marker came between question and append";
  EXPECT_EQ(log().start_verification(1, 0), 0u) << "nothing to ask";
  EXPECT_EQ(append_at(0, 0), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(append_at(1, log().start_verification(1, 1)), ErrorCode::none);
  EXPECT_EQ(log().last_stable_offset(), 3);
  EXPECT_EQ(mark(1), ErrorCode::invalid_producer_epoch) << "late";
  EXPECT_EQ(mark(2), ErrorCode::none);
  EXPECT_EQ(log().last_stable_offset(), log().log_end_offset());
}

TEST_F(LogProducers, ACutForgetsThemByTheExpirationOfNow) {
  open();
  append({"a"}, from(1, 0, 0));
  log().roll();
  append({"b"}, from(2, 0, 0));
  clock_.advance_ms(2 * LogConfig::kDayMs);
  log().set_producer_id_expiration(7 * LogConfig::kDayMs);
  log().truncate_to(1);
  EXPECT_EQ(log().active_producers().size(), 1u);
}

class LogWithoutMemory : public LogFixture {
 protected:
  base::FileSystem& file_system() override { return faulty_; }

  // An open transaction, and no memory for what its end by an abort has to write behind the marker.
  void leave_a_transaction() {
    open();
    BatchFields fields = from(1, 0, 0);
    fields.transactional = true;
    append({"in"}, fields);
    faulty_.set_before_change([](std::string_view, const std::string& path) {
      if (path.ends_with(".txnindex")) throw std::bad_alloc();
    });
  }
  // No second batch gets the offsets of the one that is in the file.
  void expect_unusable() {
    EXPECT_TRUE(directory_->offline());
    EXPECT_EQ(append({"next"}).error, ErrorCode::kafka_storage_error);
    log_.reset();
    faulty_.set_before_change(nullptr);
    open();
    EXPECT_EQ(log().log_end_offset(), 2);
    EXPECT_EQ(log().last_stable_offset(), 2);
  }

  base::FaultyFileSystem faulty_{files_};
};

TEST_F(LogWithoutMemory, ALeadersLogThatIsHalfAppendedToIsntUsedAnyMore) {
  leave_a_transaction();
  base::Bytes marker = protocol::build_control_batch(1, 0, protocol::ControlType::abort, 3, 1);
  EXPECT_EQ(append_bytes(marker, 0, protocol::AppendOrigin::coordinator).error, ErrorCode::kafka_storage_error);
  expect_unusable();
}

TEST_F(LogWithoutMemory, AFollowersLogThatIsHalfAppendedToIsntUsedAnyMore) {
  leave_a_transaction();
  base::Bytes marker = protocol::build_control_batch(1, 0, protocol::ControlType::abort, 3, 1);
  protocol::set_base_offset(marker, 1);
  EXPECT_EQ(log().append_as_follower(marker).error, ErrorCode::kafka_storage_error);
  expect_unusable();
}

}  // namespace
}  // namespace storage
