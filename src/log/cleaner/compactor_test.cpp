// Cleaning of one log, rule by rule.
#include "log/cleaner/compactor.h"

#include <gtest/gtest.h>

#include <thread>

#include "log/corrupt_file.h"
#include "log/testing/compaction_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::CompactionFixture;
using testing::KeyedRecord;
using testing::kNull;

// With the dirty part mapped in either order.
class CompactorTest : public CompactionFixture, public ::testing::WithParamInterface<MapOrder> {
 protected:
  CompactorTest() { options_.map_order = GetParam(); }
  std::vector<std::string> texts(bool committed = false) {
    std::vector<std::string> result;
    for (const KeyedRecord& record : read(committed)) {
      result.push_back(std::to_string(record.offset) + ":" + record.key + "=" + record.value);
    }
    return result;
  }
  using Texts = std::vector<std::string>;
};

TEST_P(CompactorTest, KeepsTheNewestOfEachKeyAndItsOffset) {
  open();
  put({{"a", "1"}, {"b", "1"}});
  put({{"a", "2"}});
  put({{"c", "1"}, {"c", "2"}, {"d", "1"}});
  log().roll();
  put({{"d", "2"}});
  EXPECT_EQ(clean(), 6);
  EXPECT_EQ(texts(), (Texts{"1:b=1", "2:a=2", "4:c=2", "5:d=1", "6:d=2"}));  // the active segment isn't looked at
  EXPECT_EQ(log().log_end_offset(), 7);
  log().roll();
  EXPECT_EQ(clean(), 7);
  EXPECT_EQ(texts(), (Texts{"1:b=1", "2:a=2", "4:c=2", "6:d=2"}));
  EXPECT_EQ(put({{"e", "1"}}).first_offset, 7);
  restart(true);
  EXPECT_EQ(texts(), (Texts{"1:b=1", "2:a=2", "4:c=2", "6:d=2", "7:e=1"}));
}

TEST_P(CompactorTest, BatchesThatLoseNothingAreCopiedByteForByte) {
  for (base::Codec codec :
       {base::Codec::none, base::Codec::gzip, base::Codec::snappy, base::Codec::lz4, base::Codec::zstd}) {
    files_.remove_all("/data/t-0");
    open();
    put({{"a", "1"}, {"b", "1"}}, {.codec = codec});
    put({{"c", "1"}, {"a", "2"}, {"d", "1"}, {"e", std::string(300, 'e')}}, {.codec = codec});
    log().roll();
    base::Bytes before = log_bytes().begin()->second;
    clean();
    base::Bytes after = log_bytes().begin()->second;
    auto first = *protocol::read_batch_header(after);
    EXPECT_EQ(first.base_offset, 0);
    EXPECT_EQ(first.last_offset_delta, 1);
    EXPECT_EQ(first.record_count, 1);
    EXPECT_EQ(first.codec(), codec);
    const auto whole = static_cast<std::ptrdiff_t>(protocol::next_batch(before).size_in_bytes);
    base::Bytes tail(before.begin() + whole, before.end());
    EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), after.rbegin()));
    EXPECT_EQ(texts().front(), "1:b=1");
  }
}

TEST_P(CompactorTest, WhatIsRebuiltKeepsItsTimes) {
  for (bool log_append_time : {false, true}) {
    files_.remove_all("/data/t-0");
    config_.timestamp_type =
        log_append_time ? protocol::TimestampType::log_append_time : protocol::TimestampType::create_time;
    open();
    put({{"a", "1"}, {"b", "1"}, {"c", "1"}}, {.producer_id = 7, .producer_epoch = 3, .base_sequence = 10});
    put({{"a", "2"}, {"c", kNull}});
    log().roll();
    std::vector<KeyedRecord> before = read(false);
    std::erase_if(before, [](const KeyedRecord& record) { return record.offset == 0 || record.offset == 2; });
    clean();
    EXPECT_EQ(read(false), before);
    auto header = headers().front();
    EXPECT_EQ(header.producer_id, 7);
    EXPECT_EQ(header.producer_epoch, 3);
    EXPECT_EQ(header.base_sequence, 10);
    EXPECT_EQ(header.last_sequence(), 12);
    EXPECT_EQ(header.timestamp_type(), config_.timestamp_type);
  }
}

TEST_P(CompactorTest, TombstonesGoAfterTheirHorizon) {
  open();
  put({{"a", "1"}, {"b", "1"}});
  put({{"a", kNull}});
  put({{"c", kNull}, {"c", "1"}});
  log().roll();
  clean();
  EXPECT_EQ(texts(), (Texts{"1:b=1", "2:a=null", "4:c=1"}));
  auto horizon_of = [&](std::int64_t offset) {
    for (const auto& header : headers()) {
      if (header.base_offset == offset) return header.has_delete_horizon() ? header.base_timestamp : -1;
    }
    return std::int64_t{-2};
  };
  std::int64_t horizon = clock_.wall_ms() + 1000;
  EXPECT_EQ(horizon_of(2), horizon);
  EXPECT_EQ(horizon_of(0), -1);
  EXPECT_EQ(horizon_of(3), -1);
  clock_.advance_ms(999);
  clean(true);
  EXPECT_EQ(horizon_of(2), horizon);
  EXPECT_EQ(read(false)[1].timestamp, 1'700'000'000'000);
  clock_.advance_ms(1);
  clean(true);
  EXPECT_EQ(texts(), (Texts{"1:b=1", "4:c=1"}));
  EXPECT_EQ(horizon_of(2), -2);
}

TEST_P(CompactorTest, ATombstoneKeptForEverHasNoHorizon) {
  config_.delete_retention_ms = LogConfig::kUnlimited;
  open();
  put({{"a", kNull}});
  log().roll();
  clean();
  clean(true);
  EXPECT_EQ(texts(), (Texts{"0:a=null"}));
  EXPECT_FALSE(headers().front().has_delete_horizon());
}

TEST_P(CompactorTest, SmallSegmentsAreMerged) {
  open();
  for (int i = 0; i < 90; ++i) put({{"k" + std::to_string(i % 4), "value-" + std::to_string(i)}});
  std::size_t before = log().segment_count();
  ASSERT_GT(before, 5u);
  clean();
  EXPECT_EQ(log().segment_count(), before);  // they were full
  std::int64_t end = clean(true);
  EXPECT_LT(log().segment_count(), before);
  for (const std::string& name : names()) {
    EXPECT_FALSE(name.ends_with(".cleaned") || name.ends_with(".swap")) << name;
    if (name.ends_with(".log")) {
      EXPECT_LE(files_.info("/data/t-0/" + name).size, 1000u);
    }
    auto parsed = parse_file_name(name);
    if (parsed && parsed->suffix == kSnapshotSuffix) {
      EXPECT_TRUE(files_.exists("/data/t-0/" + file_name(parsed->offset, kLogSuffix))) << name;
    }
  }
  // Every offset can be asked for, also those in gaps; so can times.
  std::vector<KeyedRecord> all = read(false);
  for (std::int64_t offset = 0; offset < log().log_end_offset(); ++offset) {
    auto result = log().read(offset, 1, ReadIsolation::high_watermark, FirstBatch::whole);
    ASSERT_TRUE(result && result->records.size > 0) << offset;
    EXPECT_GE(protocol::read_batch_header(testing::bytes_of(result->records))->last_offset(), offset);
  }
  clock_.advance_ms(60'001);
  log().run_deletes(clock_.monotonic_ms());
  restart(false, end);
  EXPECT_EQ(read(false), all);
  log().close();
}

TEST_P(CompactorTest, TheModificationTimeIsKept) {
  open();
  put({{"a", "1"}});
  log().roll();
  files_.set_modified_ms("/data/t-0/00000000000000000000.log", 12345);
  clean();
  EXPECT_EQ(files_.info("/data/t-0/00000000000000000000.log").modified_ms, 12345);
}

TEST_P(CompactorTest, RecordsWithoutKeysAreDropped) {
  config_.cleanup_compact = false;
  open();
  protocol::RecordBatchBuilder builder;
  protocol::NewRecord record;
  record.value = base::as_bytes("no key");
  record.timestamp = 1;
  builder.append(record);
  append_bytes(builder.build());
  put({{"a", "1"}});
  log().roll();
  config_.cleanup_compact = true;
  log().set_config(config_);  // a topic becomes compacted
  protocol::RecordBatchBuilder another;
  another.append(record);
  EXPECT_EQ(append_bytes(another.build()).error, ErrorCode::invalid_record);
  clean();
  EXPECT_EQ(texts(), (Texts{"1:a=1"}));
  EXPECT_EQ(stats_.keyless_records, 1u);
}

TEST_P(CompactorTest, AnEmptyKeyIsAKey) {
  open();
  put({{"", "1"}});
  put({{"", "2"}});
  log().roll();
  clean();
  EXPECT_EQ(texts(), (Texts{"1:=2"}));
}

// A map that is too small for all keys: the pass ends where it is full, and the next goes on from there.
TEST_P(CompactorTest, ASmallMapTakesSeveralPasses) {
  options_.map_bytes_max = OffsetMap::kSlotBytes * 8;
  open();
  for (int i = 0; i < 120; ++i) {
    put({{"k" + std::to_string(i % 20), std::to_string(i)}, {"m" + std::to_string(i % 20), std::to_string(i)}});
  }
  log().roll();
  std::int64_t end = 0;
  int passes = 0;
  while (end < log().log_end_offset()) {
    std::int64_t next = clean();
    ASSERT_GT(next, end);
    end = next;
    ++passes;
    // Of the keys that are mapped, nothing old is left below.
    std::map<std::string, std::string> newest;
    for (const KeyedRecord& record : read(false)) newest[record.key] = record.value;
    EXPECT_EQ(newest.size(), 40u);
    for (const auto& [key, value] : newest) {
      EXPECT_EQ(std::stoi(value) % 20, std::stoi(key.substr(1)));
      EXPECT_GE(std::stoi(value), 100);
    }
  }
  EXPECT_GT(passes, 10);
}

TEST_P(CompactorTest, TheFirstGuessOfTheMapGrows) {
  open();
  std::vector<std::pair<std::string, std::string>> tiny;
  for (int i = 0; i < 20'000; ++i) tiny.emplace_back("key" + std::to_string(i), "");
  config_.segment_bytes = 1 << 20;
  log().set_config(config_);
  put(tiny, {.codec = base::Codec::zstd});
  log().roll();
  EXPECT_EQ(clean(), 20'000);
  EXPECT_EQ(read(false).size(), 20'000u);
}

// --- Producers and transactions ---

TEST_P(CompactorTest, TheLastBatchOfAProducerStaysEmpty) {
  open();
  for (int i = 0; i < 4; ++i) {
    put({{"a", std::to_string(i)}, {"b", std::to_string(i)}},
        {.producer_id = 5, .producer_epoch = 0, .base_sequence = i * 2});
  }
  put({{"a", "x"}, {"b", "x"}});
  log().roll();
  clean();
  EXPECT_EQ(texts(), (Texts{"8:a=x", "9:b=x"}));
  auto all = headers();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].record_count, 0);
  EXPECT_EQ(all[0].base_offset, 6);
  EXPECT_EQ(all[0].last_offset(), 7);
  EXPECT_EQ(all[0].base_sequence, 6);
  EXPECT_EQ(all[0].base_timestamp, -1);
  // Its sequence survives the loss of all snapshots.
  log().close();
  for (const std::string& name : names()) {
    if (name.ends_with(".snapshot")) files_.remove("/data/t-0/" + name);
  }
  open({.clean_shutdown = false, .recovery_point = 10});
  AppendResult again = append_bytes(
      testing::make_keyed_batch({{"a", "3"}, {"b", "3"}}, {.producer_id = 5, .producer_epoch = 0, .base_sequence = 6}));
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.first_offset, 6);
  // Once the producer is forgotten, so is the batch.
  clock_.advance_ms(86'400'001);
  log().expire_producers(clock_.wall_ms());
  clean(true);
  EXPECT_EQ(headers().size(), 1u);
}

TEST_P(CompactorTest, AbortedDataGoesAtOnceAndItsMarkerLater) {
  open();
  put({{"a", "good"}});
  put({{"a", "bad"}, {"b", "bad"}}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
  end_transaction(1, 0, false);
  put({{"c", "1"}}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 2, .transactional = true});
  end_transaction(1, 0, true);
  log().roll();
  Texts good{"0:a=good", "4:c=1"};
  EXPECT_EQ(texts(true), good);
  clean();
  EXPECT_EQ(texts(false), good);
  EXPECT_EQ(texts(true), good);
  auto control_offsets = [&] {
    std::vector<std::int64_t> offsets;
    for (const auto& header : headers()) {
      if (header.is_control()) offsets.push_back(header.base_offset);
    }
    return offsets;
  };
  using Offsets = std::vector<std::int64_t>;
  EXPECT_EQ(control_offsets(), (Offsets{3, 5}));
  clean(true);  // finds that nothing is left of the transaction
  EXPECT_EQ(control_offsets(), (Offsets{3, 5}));
  EXPECT_FALSE(files_.exists("/data/t-0/00000000000000000000.txnindex"));
  clock_.advance_ms(1000);
  clean(true);
  EXPECT_EQ(control_offsets(), (Offsets{5}));  // the committed data is still there
  EXPECT_EQ(texts(true), good);
  restart(false);
  EXPECT_EQ(texts(true), good);
}

TEST_P(CompactorTest, AnOpenTransactionHoldsCleaningBack) {
  open();
  put({{"a", "1"}});
  put({{"a", "2"}});
  log().roll();
  put({{"b", "1"}}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
  log().roll();
  put({{"a", "3"}});
  log().roll();
  EXPECT_EQ(clean(), 2);
  EXPECT_EQ(texts(), (Texts{"1:a=2", "2:b=1", "3:a=3"}));
  end_transaction(1, 0, true);
  log().roll();
  EXPECT_EQ(clean(), 5);
  EXPECT_EQ(texts(), (Texts{"2:b=1", "3:a=3"}));
}

// Else a consumer of committed records would never get from 1 to 3, where the open transaction begins.
TEST_P(CompactorTest, TheLastBatchThatMayBeCleanedStaysEmpty) {
  open();
  put({{"a", "1"}});
  put({{"b", "bad"}, {"c", "bad"}}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
  log().roll();
  put({{"d", "1"}}, {.producer_id = 2, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
  end_transaction(1, 1, false);  // a newer epoch: the producer's sequence is forgotten
  log().roll();
  EXPECT_EQ(clean(), 3);
  const auto all = headers();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[1].base_offset, 1);
  EXPECT_EQ(all[1].last_offset(), 2);
  EXPECT_EQ(all[1].record_count, 0);
  const auto read = log().read(1, 1000, ReadIsolation::transactions_committed, FirstBatch::whole);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(protocol::read_batch_header(testing::bytes_of(read->records))->next_offset(), 3);
  end_transaction(2, 0, true);
  log().roll();
  EXPECT_EQ(clean(), 6);
  EXPECT_EQ(headers()[1].base_offset, 3) << "it has done its service";
}

// A transaction over several segments, of which the last, empty batch stays for its producer: so do marker and entry.
TEST_P(CompactorTest, TheIndexEntryStaysAsLongAsABatchDoes) {
  open();
  for (int i = 0; i < 20; ++i) {
    put({{"a", std::string(100, 'x')}},
        {.producer_id = 1, .producer_epoch = 0, .base_sequence = i, .transactional = true});
    put({{"z", std::to_string(i)}});
  }
  end_transaction(1, 0, false);
  log().roll();
  for (int pass = 0; pass < 4; ++pass) {
    clean(true);
    clock_.advance_ms(1000);
    EXPECT_EQ(texts(false), (Texts{"39:z=19"}));
    if (pass > 0) {
      EXPECT_EQ(log().segment_count(), 2u);  // those that were full before are small now
    }
    PartitionFiles where{files_, "/data/t-0"};
    std::vector<TransactionIndexEntry> entries;
    for (const std::string& name : names()) {
      auto parsed = parse_file_name(name);
      if (!parsed || parsed->suffix != kTransactionIndexSuffix) continue;
      for (const auto& entry : read_transaction_index(where, parsed->offset)) entries.push_back(entry);
    }
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].first_offset, 0);
    EXPECT_EQ(entries[0].last_offset, 40);
    restart(pass % 2 == 0, log().log_end_offset());
  }
  // The next transaction's data is visible.
  put({{"a", "seen"}}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 20, .transactional = true});
  end_transaction(1, 0, true);
  EXPECT_EQ(texts(true), (Texts{"39:z=19", "41:a=seen"}));
}

// --- Others at work on the same log ---

TEST_P(CompactorTest, ReadersKeepWhatTheyHold) {
  open();
  put({{"a", "1"}});
  put({{"a", "2"}});
  log().roll();
  auto held = log().read(0, 1 << 20, ReadIsolation::high_watermark, FirstBatch::whole);
  clean();
  EXPECT_EQ(testing::values_in(testing::bytes_of(held->records)), (Texts{"1", "2"}));
  clock_.advance_ms(100'000);
  log().run_deletes(clock_.monotonic_ms());
  EXPECT_EQ(testing::values_in(testing::bytes_of(held->records)), (Texts{"1", "2"}));
}

TEST_P(CompactorTest, OneAtATimeAndNotOfAClosedLog) {
  open();
  auto session = CleaningSession::try_begin(log_);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(CleaningSession::try_begin(log_), nullptr);
  EXPECT_EQ(log().delete_old_segments(clock_.wall_ms()), 0u);
  session.reset();
  log().close();
  EXPECT_EQ(CleaningSession::try_begin(log_), nullptr);
}

TEST_P(CompactorTest, TruncationEndsACleaningAndTakesTheCheckpointBack) {
  open();
  for (int i = 0; i < 30; ++i) put({{"k" + std::to_string(i % 3), std::to_string(i)}});
  log().roll();
  std::thread truncation;
  {
    auto session = CleaningSession::try_begin(log_);
    truncation = std::thread([&] { log().truncate_to(10); });
    while (!session->unwanted()) std::this_thread::yield();
    Compactor compactor(clock_, std::make_shared<Throttle>(1e12), {});
    Cleanable cleanable = find_cleanable(*log().cleaning_facts(), clock_.wall_ms());
    EXPECT_THROW(compactor.clean(*session, cleanable, stats_), CleaningStopped);
  }
  truncation.join();
  EXPECT_EQ(log().log_end_offset(), 10);
  for (const std::string& name : names()) EXPECT_FALSE(name.ends_with(".cleaned")) << name;
  log().roll();
  EXPECT_EQ(clean(), 10);
  EXPECT_EQ(texts(), (Texts{"7:k1=7", "8:k2=8", "9:k0=9"}));
  log().truncate_to(8);
  EXPECT_EQ(log().first_dirty_offset(), 8);
}

TEST_P(CompactorTest, DeleteRecordsDuringACleaning) {
  config_.cleanup_delete = true;
  config_.retention_ms = -1;
  open();
  for (int i = 0; i < 30; ++i) put({{"k" + std::to_string(i), std::to_string(i)}});
  log().roll();
  {
    auto session = CleaningSession::try_begin(log_);
    ASSERT_TRUE(log().delete_records(25).has_value());
  }
  clean();
  EXPECT_EQ(log().log_start_offset(), 25);
  EXPECT_EQ(read(false).size(), 5u);
  log().delete_old_segments(clock_.wall_ms());
  clean(true);
  EXPECT_EQ(read(false).size(), 5u);
  restart(true);
  EXPECT_EQ(read(false).size(), 5u);
  EXPECT_EQ(log().log_start_offset(), 25);
}

// --- Damage ---

TEST_P(CompactorTest, ACorruptBatchIsNotBlessed) {
  for (std::uint64_t position : {std::uint64_t{40}, std::uint64_t{75}, std::uint64_t{130}}) {
    files_.remove_all("/data/t-0");
    open();
    put({{"a", "1"}, {"b", "1"}});
    put({{"a", "2"}});
    log().roll();
    base::Bytes byte(1);
    auto file = files_.open("/data/t-0/00000000000000000000.log", base::OpenMode::read_write);
    file->read_at(position, byte);
    byte[0] ^= 0x55;
    file->write_at(position, byte);
    auto before = log_bytes();
    EXPECT_THROW(clean(), CorruptFile);
    EXPECT_EQ(log_bytes(), before);
    for (const std::string& name : names()) EXPECT_FALSE(name.ends_with(".cleaned")) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, CompactorTest, ::testing::Values(MapOrder::oldest_first, MapOrder::newest_first));

}  // namespace
}  // namespace storage
