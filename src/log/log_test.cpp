#include "log/log.h"

#include <gtest/gtest.h>

#include "base/memory_file_system.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::BatchFields;
using testing::bytes_of;
using testing::LogFixture;
using testing::make_batch;
using testing::values_in;

class LogTest : public LogFixture {};

TEST_F(LogTest, AppendsAndReadsBack) {
  open();
  EXPECT_EQ(append({"a", "b"}).first_offset, 0);
  AppendResult second = append({"c"});
  EXPECT_EQ(second.first_offset, 2);
  EXPECT_EQ(second.last_offset, 2);
  EXPECT_EQ(log().log_end_offset(), 3);
  EXPECT_EQ(read_values(0), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(read_values(1), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(read_values(2), (std::vector<std::string>{"c"}));
  EXPECT_EQ(read_values(3), (std::vector<std::string>{}));
}

TEST_F(LogTest, ReopensAfterACleanClose) {
  open();
  append({"a", "b"});
  append({"c"});
  log().close();
  open({.clean_shutdown = true});
  EXPECT_EQ(log().log_end_offset(), 3);
  EXPECT_EQ(read_values(0), (std::vector<std::string>{"a", "b", "c"}));
  append({"d"});
  EXPECT_EQ(read_values(2), (std::vector<std::string>{"c", "d"}));
}

// --- Appending ---

TEST_F(LogTest, WritesOffsetsAndEpochIntoTheBatch) {
  open();
  append({"a", "b"});
  base::Bytes bytes = make_batch({"c", "d"});
  AppendContext context;
  context.leader_epoch = 5;
  ASSERT_TRUE(log().append_as_leader(bytes, context).ok());
  auto header = *protocol::read_batch_header(bytes);
  EXPECT_EQ(header.base_offset, 2);
  EXPECT_EQ(header.partition_leader_epoch, 5);
  EXPECT_TRUE(protocol::crc_is_valid(bytes));
  auto read = log().read(2, 1000, ReadIsolation::log_end, FirstBatch::whole);
  EXPECT_EQ(bytes_of(read->records), bytes);
}

TEST_F(LogTest, RefusesWhatIsBroken) {
  open();
  append({"a"});
  base::Bytes bytes = make_batch({"b"});
  bytes.back() ^= 1;
  AppendResult result = append_bytes(bytes);
  EXPECT_EQ(result.error, ErrorCode::corrupt_message);
  EXPECT_EQ(result.log_start_offset, 0);
  config_.max_message_bytes = 80;
  log().set_config(config_);
  EXPECT_EQ(append({std::string(100, 'x')}).error, ErrorCode::message_too_large);
  config_ = LogConfig{};
  config_.segment_bytes = 100;
  log().set_config(config_);
  EXPECT_EQ(append({std::string(100, 'x')}).error, ErrorCode::record_list_too_large);
  EXPECT_EQ(log().log_end_offset(), 1);
}

TEST_F(LogTest, CompactedTopicsNeedKeys) {
  config_.cleanup_compact = true;
  open();
  protocol::RecordBatchBuilder builder;
  protocol::NewRecord record;
  record.value = base::as_bytes("v");
  record.timestamp = 1;
  builder.append(record);
  AppendResult result = append_bytes(builder.build());
  EXPECT_EQ(result.error, ErrorCode::invalid_record);
  ASSERT_EQ(result.refusal.get().record_errors.size(), 1u);
  EXPECT_EQ(result.refusal.get().record_errors[0].message,
            "Compacted topic cannot accept message without key in topic partition " + log().topic_partition().to_string());
  EXPECT_EQ(log().log_end_offset(), 0);
}

TEST_F(LogTest, StampsAppendTime) {
  config_.timestamp_type = protocol::TimestampType::log_append_time;
  open();
  AppendResult result = append({"a"});
  EXPECT_EQ(result.log_append_time, clock_.wall_ms());
  EXPECT_EQ(log().list_offset(kMaxTimestamp, ReadIsolation::log_end)->timestamp, clock_.wall_ms());
}

TEST_F(LogTest, FlushesAfterSoManyMessages) {
  config_.flush_messages = 3;
  open();
  append({"a", "b"});
  EXPECT_EQ(log().recovery_point(), 0);
  append({"c"});
  EXPECT_EQ(log().recovery_point(), 3);
  append({"d"});
  EXPECT_EQ(log().recovery_point(), 3);
}

TEST_F(LogTest, WhatNeedsAFlushHoldsBackWhatComesBehindIt) {
  config_.flush_messages = 3;
  open();
  const auto append_without_flush = [this](const std::vector<std::string>& values, const BatchFields& fields = {}) {
    base::Bytes bytes = make_batch(values, fields);
    return log().append_as_leader(bytes, AppendContext());
  };
  EXPECT_FALSE(append_without_flush({"a", "b"}).flush_due);
  EXPECT_EQ(log().acknowledgeable_end(), 2);
  const BatchFields fields{.producer_id = 5, .producer_epoch = 0, .base_sequence = 0};
  EXPECT_TRUE(append_without_flush({"c"}, fields).flush_due);
  EXPECT_EQ(log().acknowledgeable_end(), 2);
  EXPECT_TRUE(append_without_flush({"d"}).flush_due);
  const AppendResult again = append_without_flush({"c"}, fields);
  EXPECT_TRUE(again.duplicate && again.flush_due) << "a repetition is no more on disk than what it repeats";
  EXPECT_TRUE(log().flush_is_due());
  log().flush();
  EXPECT_FALSE(log().flush_is_due());
  EXPECT_EQ(log().acknowledgeable_end(), 4);
  EXPECT_FALSE(append_without_flush({"c"}, fields).flush_due);
  EXPECT_FALSE(append_without_flush({"e", "f"}).flush_due);
  EXPECT_TRUE(append_without_flush({"g"}).flush_due);
  log().truncate_to(6);
  EXPECT_FALSE(log().flush_is_due());
  EXPECT_EQ(log().acknowledgeable_end(), 6);
}

TEST_F(LogTest, FollowersKeepOffsetsAndEpochs) {
  open();
  base::Bytes chunk;
  for (std::int64_t offset : {10, 20, 30}) {
    base::Bytes bytes = make_batch({"a", "b"});
    protocol::set_base_offset(bytes, offset);
    protocol::set_partition_leader_epoch(bytes, static_cast<std::int32_t>(offset / 10));
    chunk.insert(chunk.end(), bytes.begin(), bytes.end());
  }
  ASSERT_TRUE(log().append_as_follower(chunk).ok());
  EXPECT_EQ(log().log_end_offset(), 32);
  EXPECT_EQ(log().epoch_end_offset(1).end_offset, 20);
  EXPECT_EQ(log().epoch_end_offset(3).end_offset, 32);
  EXPECT_EQ(log().append_as_follower(chunk).error, ErrorCode::offset_out_of_range);
  chunk.resize(chunk.size() - 1);
  EXPECT_EQ(log().append_as_follower(chunk).error, ErrorCode::corrupt_message);
  auto read = log().read(15, 10, ReadIsolation::log_end, FirstBatch::whole);
  EXPECT_EQ(protocol::read_batch_header(bytes_of(read->records))->base_offset, 20);
}

// --- Reading ---

TEST_F(LogTest, ReadObeysBoundsAndSizes) {
  open();
  for (int number = 0; number < 10; ++number) append({"value-" + std::to_string(number)});
  std::uint64_t batch = log().size_bytes() / 10;
  EXPECT_EQ(log().read(-1, 100, ReadIsolation::log_end, FirstBatch::whole).error(), ErrorCode::offset_out_of_range);
  EXPECT_EQ(log().read(11, 100, ReadIsolation::log_end, FirstBatch::whole).error(), ErrorCode::offset_out_of_range);
  EXPECT_EQ(log().read(10, 100, ReadIsolation::log_end, FirstBatch::whole)->records.size, 0u);
  EXPECT_EQ(log().read(3, 1, ReadIsolation::log_end, FirstBatch::whole)->records.size, batch);
  EXPECT_EQ(log().read(3, 1, ReadIsolation::log_end, FirstBatch::if_it_fits)->records.size, 0u);
  EXPECT_EQ(log().read(3, 1, ReadIsolation::log_end, FirstBatch::cut)->records.size, 1u);
  EXPECT_EQ(log().read(3, batch * 2 + 5, ReadIsolation::log_end, FirstBatch::whole)->records.size, batch * 2 + 5);
  log().update_high_watermark(5);
  auto bounded = log().read(3, 1 << 20, ReadIsolation::high_watermark, FirstBatch::whole);
  EXPECT_EQ(bounded->records.size, batch * 2);
  EXPECT_EQ(bounded->high_watermark, 5);
  EXPECT_EQ(bounded->log_end_offset, 10);
  EXPECT_TRUE(bounded->start.same_segment(bounded->upper_bound));
  EXPECT_EQ(bounded->upper_bound.position - bounded->start.position, batch * 2);
  EXPECT_EQ(log().read(7, 1 << 20, ReadIsolation::high_watermark, FirstBatch::whole)->records.size, 0u);
}

TEST_F(LogTest, SlicesOutliveTheirSegment) {
  config_.segment_bytes = 200;
  open();
  for (int number = 0; number < 10; ++number) append({std::string(80, 'a')});
  auto read = log().read(0, 1000, ReadIsolation::log_end, FirstBatch::whole);
  ASSERT_TRUE(log().delete_records(-1).has_value());
  log().delete_old_segments(clock_.wall_ms());
  clock_.advance_ms(60'000);
  log().run_deletes(clock_.monotonic_ms());
  EXPECT_FALSE(files_.exists("/data/t-0/00000000000000000000.log"));
  EXPECT_EQ(values_in(bytes_of(read->records)), (std::vector<std::string>{std::string(80, 'a')}));
}

TEST_F(LogTest, ReadsOldPlacesThroughTheIndex) {
  config_.index_interval_bytes = 100;
  open();
  for (int number = 0; number < 500; ++number) append({"value-" + std::to_string(number)});
  for (int number = 0; number < 500; number += 7) {
    EXPECT_EQ(read_values(number, 1), std::vector<std::string>{"value-" + std::to_string(number)});
  }
  log().close();
  open({.clean_shutdown = true});
  for (int number = 0; number < 500; number += 7) {
    EXPECT_EQ(read_values(number, 1), std::vector<std::string>{"value-" + std::to_string(number)});
  }
}

// --- Rolling ---

TEST_F(LogTest, RollsBySize) {
  config_.segment_bytes = 250;
  open();
  append({std::string(100, 'a')});
  append({std::string(20, 'a')});
  EXPECT_EQ(log().segment_count(), 2u);
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000001.log"));
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000001.snapshot"));
}

TEST_F(LogTest, RollsByRecordTimeNotByTheClock) {
  config_.segment_ms = 1000;
  open();
  append({"a"}, {.timestamp = 5000});
  clock_.advance_ms(100'000);
  append({"b"}, {.timestamp = 6000});
  EXPECT_EQ(log().segment_count(), 1u);
  append({"c"}, {.timestamp = 6001});
  EXPECT_EQ(log().segment_count(), 2u);
  append({"d"}, {.timestamp = 1});
  EXPECT_EQ(log().segment_count(), 2u);
}

TEST_F(LogTest, RollsByTheClockWithoutRecordTime) {
  config_.segment_ms = 1000;
  open();
  append({"a"}, {.timestamp = -1});
  clock_.advance_ms(1000);
  append({"b"}, {.timestamp = -1});
  EXPECT_EQ(log().segment_count(), 1u);
  clock_.advance_ms(1);
  append({"c"}, {.timestamp = -1});
  EXPECT_EQ(log().segment_count(), 2u);
}

TEST_F(LogTest, RollsWhenTheIndexIsFull) {
  config_.index_interval_bytes = 0;
  config_.segment_index_bytes = 40;  // 5 entries, and 2 of time with one slot kept
  open();
  for (int number = 0; number < 20; ++number) append({"a"}, {.timestamp = 1000 + number});
  EXPECT_GT(log().segment_count(), 3u);
  log().close();
  for (const std::string& name : names()) {
    if (!name.ends_with(".timeindex")) continue;
    EXPECT_LE(files_.info("/data/t-0/" + name).size, 36u) << name;
  }
}

TEST_F(LogTest, RollsWhenOffsetsGrowTooFar) {
  open();
  base::Bytes bytes = make_batch({"a"});
  ASSERT_TRUE(log().append_as_follower(bytes).ok());
  protocol::set_base_offset(bytes, 2147483647);
  ASSERT_TRUE(log().append_as_follower(bytes).ok());
  EXPECT_EQ(log().segment_count(), 1u);
  protocol::set_base_offset(bytes, 2147483648);
  ASSERT_TRUE(log().append_as_follower(bytes).ok());
  EXPECT_EQ(log().segment_count(), 2u);
}

TEST_F(LogTest, AnIndexEntryNeedsMoreBytesThanTheInterval) {
  config_.index_interval_bytes = static_cast<std::int64_t>(make_batch({"a"}).size());
  open();
  for (int number = 0; number < 5; ++number) append({"a"}, {.timestamp = 1000 + number});
  log().close();
  // Before the 3rd (2 sizes > 1 size) and the 5th append; never before the first.
  base::Bytes index = base::read_file(files_, "/data/t-0/00000000000000000000.index");
  std::uint32_t size = static_cast<std::uint32_t>(make_batch({"a"}).size());
  ASSERT_EQ(index.size(), 16u);
  EXPECT_EQ(base::load_big_endian<std::uint32_t>(index.data()), 2u);
  EXPECT_EQ(base::load_big_endian<std::uint32_t>(index.data() + 4), size * 2);
  EXPECT_EQ(base::load_big_endian<std::uint32_t>(index.data() + 8), 4u);
  base::Bytes times = base::read_file(files_, "/data/t-0/00000000000000000000.timeindex");
  ASSERT_EQ(times.size(), 24u);  // the last one stands for the close too
  EXPECT_EQ(base::load_big_endian<std::int64_t>(times.data() + 12), 1004);
}

// --- ListOffsets ---

TEST_F(LogTest, ListsOffsetsByTime) {
  config_.segment_bytes = 400;
  config_.index_interval_bytes = 0;
  open();
  EXPECT_EQ(log().list_offset(kMaxTimestamp, ReadIsolation::log_end)->offset, -1);
  EXPECT_EQ(log().list_offset(5, ReadIsolation::log_end)->offset, -1);
  for (int number = 0; number < 30; ++number) append({"a", "b"}, {.timestamp = 1000 + 10 * number});
  EXPECT_GT(log().segment_count(), 3u);
  auto offset_of = [&](std::int64_t time) { return log().list_offset(time, ReadIsolation::high_watermark)->offset; };
  EXPECT_EQ(offset_of(0), 0);
  EXPECT_EQ(offset_of(1000), 0);
  EXPECT_EQ(offset_of(1001), 1);
  EXPECT_EQ(offset_of(1002), 2);
  EXPECT_EQ(offset_of(1155), 32);
  EXPECT_EQ(offset_of(1291), 59);
  EXPECT_EQ(offset_of(1292), -1);
  EXPECT_EQ(offset_of(kMaxTimestamp), 59);
  EXPECT_EQ(offset_of(kLatestTimestamp), 60);
  EXPECT_EQ(offset_of(kEarliestTimestamp), 0);
  EXPECT_EQ(offset_of(kEarliestLocalTimestamp), 0);
  EXPECT_EQ(offset_of(kLatestTieredTimestamp), -1);
  log().update_high_watermark(40);
  EXPECT_EQ(offset_of(1190), 38);
  EXPECT_EQ(offset_of(1200), -1);
  EXPECT_EQ(offset_of(kLatestTimestamp), 40);
  log().update_high_watermark(60);
  ASSERT_TRUE(log().delete_records(33).has_value());
  EXPECT_EQ(offset_of(1155), 33);
  EXPECT_EQ(offset_of(kEarliestTimestamp), 33);
}

TEST_F(LogTest, ListOffsetsNamesEpochs) {
  open();
  append_bytes(make_batch({"a"}, {.timestamp = 10}), 3);
  append_bytes(make_batch({"b"}, {.timestamp = 20}), 7);
  EXPECT_EQ(log().list_offset(kEarliestTimestamp, ReadIsolation::log_end)->leader_epoch, 3);
  EXPECT_EQ(log().list_offset(kLatestTimestamp, ReadIsolation::log_end)->leader_epoch, 7);
  EXPECT_EQ(log().list_offset(5, ReadIsolation::log_end)->leader_epoch, 3);
  EXPECT_EQ(log().list_offset(15, ReadIsolation::log_end)->leader_epoch, 7);
}

// --- Retention, DeleteRecords, truncation ---

TEST_F(LogTest, DeletesBySize) {
  config_.segment_bytes = 100;
  open();
  for (int number = 0; number < 10; ++number) append({"a"});
  std::int64_t segment = static_cast<std::int64_t>(log().size_bytes() / 10);
  config_.retention_bytes = segment * 3;
  config_.retention_ms = -1;
  log().set_config(config_);
  EXPECT_EQ(log().delete_old_segments(clock_.wall_ms()), 7u);
  EXPECT_EQ(log().log_start_offset(), 7);
  EXPECT_EQ(log().segment_count(), 3u);
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000000.log.deleted"));
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000001.snapshot.deleted"));
  log().run_deletes(clock_.monotonic_ms() + 59'999);
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000000.log.deleted"));
  log().run_deletes(clock_.monotonic_ms() + 60'000);
  for (const std::string& name : names()) EXPECT_FALSE(name.ends_with(".deleted")) << name;
}

TEST_F(LogTest, DeletesByTimeTheActiveSegmentToo) {
  config_.segment_bytes = 100;
  config_.retention_ms = 1000;
  open();
  std::int64_t now = clock_.wall_ms();
  append({"a"}, {.timestamp = now - 5000});
  append({"b"}, {.timestamp = now - 1001});
  append({"c"}, {.timestamp = now - 1000});
  EXPECT_EQ(log().delete_old_segments(now), 2u);
  EXPECT_EQ(log().delete_old_segments(now + 1), 1u);
  EXPECT_EQ(log().log_start_offset(), 3);
  EXPECT_EQ(log().segment_count(), 1u);
  EXPECT_EQ(append({"d"}).first_offset, 3);
}

TEST_F(LogTest, RetentionStopsAtTheFirstThatStays) {
  config_.segment_bytes = 100;
  config_.retention_ms = 1000;
  open();
  std::int64_t now = clock_.wall_ms();
  append({"future"}, {.timestamp = now + 1'000'000});
  append({"old"}, {.timestamp = now - 5000});
  EXPECT_EQ(log().delete_old_segments(now), 0u);
}

TEST_F(LogTest, RetentionNeverPassesTheHighWatermark) {
  config_.segment_bytes = 100;
  config_.retention_bytes = 0;
  open();
  for (int number = 0; number < 5; ++number) append({"a"});
  log().update_high_watermark(2);
  EXPECT_EQ(log().delete_old_segments(clock_.wall_ms()), 2u);
  EXPECT_EQ(log().log_start_offset(), 2);
}

TEST_F(LogTest, RetentionUsesFileTimeWithoutRecordTime) {
  config_.segment_bytes = 100;
  config_.retention_ms = 1000;
  open();
  append({"a"}, {.timestamp = -1});
  append({"b"}, {.timestamp = -1});
  files_.set_modified_ms("/data/t-0/00000000000000000000.log", clock_.wall_ms() - 2000);
  EXPECT_EQ(log().delete_old_segments(clock_.wall_ms()), 1u);
}

TEST_F(LogTest, CompactedLogsOnlyDropWhatLogStartHasPassed) {
  config_.segment_bytes = 100;
  config_.retention_bytes = 0;
  config_.cleanup_compact = true;
  config_.cleanup_delete = false;
  open();
  for (int number = 0; number < 5; ++number) append({"a"});
  EXPECT_EQ(log().delete_old_segments(clock_.wall_ms()), 0u);
  EXPECT_EQ(log().delete_records(2).error(), ErrorCode::policy_violation);
  log().advance_log_start(2);
  EXPECT_EQ(log().delete_old_segments(clock_.wall_ms()), 2u);
}

TEST_F(LogTest, DeleteRecordsMovesLogStartWithinABatch) {
  open();
  append({"a", "b", "c"});
  append({"d"});
  EXPECT_EQ(log().delete_records(5).error(), ErrorCode::offset_out_of_range);
  EXPECT_EQ(log().delete_records(-2).error(), ErrorCode::offset_out_of_range);
  EXPECT_EQ(*log().delete_records(1), 1);
  EXPECT_EQ(*log().delete_records(0), 1);
  EXPECT_EQ(log().read(0, 100, ReadIsolation::log_end, FirstBatch::whole).error(), ErrorCode::offset_out_of_range);
  EXPECT_EQ(read_values(1), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(log().log_start_to_checkpoint(), 1);
  EXPECT_EQ(*log().delete_records(-1), 4);
  log().close();
  open({.clean_shutdown = true, .log_start_offset = 4});
  EXPECT_EQ(log().log_start_offset(), 4);
  EXPECT_EQ(log().log_end_offset(), 4);
}

TEST_F(LogTest, TruncatesWholeBatches) {
  config_.segment_bytes = 250;
  open();
  for (int number = 0; number < 8; ++number) append({"a" + std::to_string(number), "b"}, {.timestamp = 100 * number});
  EXPECT_GT(log().segment_count(), 2u);
  log().truncate_to(5);
  EXPECT_EQ(log().log_end_offset(), 5);
  EXPECT_EQ(log().high_watermark(), 5);
  EXPECT_EQ(all_values(), (std::vector<std::string>{"a0", "b", "a1", "b"}));
  log().truncate_to(100);
  EXPECT_EQ(log().log_end_offset(), 5);
  EXPECT_EQ(append({"new"}).first_offset, 5);
  EXPECT_EQ(all_values(), (std::vector<std::string>{"a0", "b", "a1", "b", "new"}));
  log().truncate_fully_and_start_at(50);
  EXPECT_EQ(append({"far"}).first_offset, 50);
  EXPECT_EQ(log().log_start_offset(), 50);
  log().truncate_to(20);
  EXPECT_EQ(log().log_start_offset(), 20);
  EXPECT_EQ(log().log_end_offset(), 20);
}

TEST_F(LogTest, TruncationTakesBackRecoveryPointAndEpochs) {
  open();
  append_bytes(make_batch({"a"}), 1);
  append_bytes(make_batch({"b"}), 2);
  log().flush();
  EXPECT_EQ(log().recovery_point(), 2);
  log().truncate_to(1);
  EXPECT_EQ(log().recovery_point(), 1);
  EXPECT_EQ(log().latest_epoch(), 1);
}

// --- Directory ---

TEST_F(LogTest, KeepsItsTopicId) {
  open();
  base::Uuid id = base::Uuid::random();
  EXPECT_FALSE(log().topic_id());
  EXPECT_EQ(log().set_topic_id(id), ErrorCode::none);
  EXPECT_EQ(log().set_topic_id(id), ErrorCode::none);
  EXPECT_EQ(log().set_topic_id(base::Uuid::random()), ErrorCode::inconsistent_topic_id);
  EXPECT_EQ(files_.info("/data/t-0/partition.metadata").size, 43u);
  open();
  EXPECT_EQ(log().topic_id(), id);
}

TEST_F(LogTest, ADeletedLogAnswersStorageErrors) {
  open();
  append({"a"});
  log().rename_directory("/data/t-0.0123456789abcdef0123456789abcdef-delete");
  EXPECT_EQ(append({"b"}).error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(log().read(0, 100, ReadIsolation::log_end, FirstBatch::whole).error(), ErrorCode::kafka_storage_error);
  EXPECT_EQ(log().list_offset(0, ReadIsolation::log_end).error(), ErrorCode::kafka_storage_error);
  EXPECT_FALSE(directory_->offline());
}

}  // namespace
}  // namespace storage
