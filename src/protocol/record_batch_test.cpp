#include "protocol/record_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "protocol/record_batch_builder.h"
#include "protocol/record_batch_validation.h"
#include "protocol/record_walker.h"

namespace protocol {
namespace {

NewRecord record_of(std::string_view key, std::string_view value, std::int64_t timestamp) {
  NewRecord record;
  record.key = base::as_bytes(key);
  record.value = base::as_bytes(value);
  record.timestamp = timestamp;
  return record;
}

base::Bytes batch_of(int count, std::size_t value_size, base::Codec codec, std::int64_t timestamp = 1'700'000'000'000) {
  RecordBatchBuilder builder;
  const std::string value(value_size, 'v');
  for (int i = 0; i < count; ++i) builder.append(record_of("key" + std::to_string(i), value, timestamp + i % 7));
  return builder.build(codec);
}

TEST(RecordBatch, SequencesWrap) {
  EXPECT_EQ(add_to_sequence(2147483647, 1), 0);
  EXPECT_EQ(add_to_sequence(2147483640, 10), 2);
  EXPECT_EQ(add_to_sequence(5, 0), 5);
}

TEST(RecordBatch, HeaderSurvivesWriting) {
  BatchHeader header;
  header.base_offset = 1LL << 40;
  header.length = 49;
  header.attributes = kAttributeTransactional | 3;
  header.producer_id = 77;
  header.producer_epoch = 3;
  header.base_sequence = 2147483647;
  header.last_offset_delta = 1;
  header.record_count = 2;
  base::Bytes bytes(kBatchHeaderSize);
  write_batch_header(bytes, header);
  const auto read = read_batch_header(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->base_offset, header.base_offset);
  EXPECT_EQ(read->last_sequence(), 0);
  EXPECT_EQ(read->codec(), base::Codec::lz4);
  EXPECT_TRUE(read->is_transactional());
  EXPECT_FALSE(read->is_control());
}

TEST(RecordBatch, RecordsBelowAnOffsetAreSkipped) {
  for (const base::Codec codec : {base::Codec::none, base::Codec::lz4}) {
    base::Bytes batch = batch_of(10, 200, codec);
    set_base_offset(batch, 1000);
    RecordReader reader(batch);
    Record record;
    ASSERT_TRUE(reader.next_from(1003, record));
    EXPECT_EQ(record.offset, 1003);
    EXPECT_EQ(base::as_text(*record.key), "key3");
    ASSERT_TRUE(reader.next(record));
    EXPECT_EQ(record.offset, 1004);
    ASSERT_TRUE(reader.next_from(0, record));
    EXPECT_EQ(record.offset, 1005);
    ASSERT_TRUE(reader.next_from(1009, record));
    EXPECT_EQ(record.offset, 1009);
    EXPECT_FALSE(reader.next_from(1009, record));
  }
  base::Bytes cut = batch_of(3, 10, base::Codec::none);
  cut[kBatchHeaderSize] = 200;  // the first record's length: more than there is
  cut[kBatchHeaderSize + 1] = 1;
  RecordReader reader(cut);
  Record record;
  EXPECT_THROW(reader.next_from(2, record), InvalidRecord);
}

TEST(RecordBatch, ChangesInPlaceKeepTheCrcTrue) {
  base::Bytes batch = batch_of(3, 10, base::Codec::none);
  const auto crc = read_batch_header(batch)->crc;
  set_base_offset(batch, 123);
  set_partition_leader_epoch(batch, 9);
  EXPECT_TRUE(crc_is_valid(batch));
  EXPECT_EQ(read_batch_header(batch)->crc, crc);
  set_max_timestamp(batch, TimestampType::log_append_time, 42);
  EXPECT_TRUE(crc_is_valid(batch));
  EXPECT_EQ(read_batch_header(batch)->max_timestamp, 42);
  EXPECT_EQ(read_batch_header(batch)->timestamp_type(), TimestampType::log_append_time);
}

TEST(RecordBatch, ControlBatchIsKafkas) {
  // ctl-commit of the golden rows but for crc and epoch.
  const base::Bytes batch = build_control_batch(4000, 3, ControlType::commit, 6, 1'700'000'000'000);
  EXPECT_EQ(batch.size(), 78U);
  RecordReader reader(batch);
  Record record;
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(control_type(record), ControlType::commit);
  EXPECT_EQ(control_coordinator_epoch(record), 6);
  EXPECT_TRUE(reader.header().is_control());
  EXPECT_EQ(reader.header().base_sequence, -1);
}

TEST(RecordBatchValidation, TimestampIsMadeTrueWithoutCopying) {
  for (const auto codec : {base::Codec::none, base::Codec::zstd}) {
    base::Bytes batch = batch_of(20, 100, codec);
    set_max_timestamp(batch, TimestampType::create_time, 5);
    ValidatedRecords validated = validate_for_append(batch, AppendRules(), AppendRequest());
    ASSERT_TRUE(validated.ok());
    EXPECT_EQ(validated.batch.data(), batch.data());
    EXPECT_TRUE(!validated.rewritten);
    EXPECT_EQ(validated.max_timestamp, 1'700'000'000'006);
    EXPECT_EQ(validated.record_count, 20);
    EXPECT_EQ(validated.log_append_time, -1);
    EXPECT_EQ(assign_offsets(validated, 1000, 4), 1019);
    const auto header = read_batch_header(batch);
    EXPECT_EQ(header->base_offset, 1000);
    EXPECT_EQ(header->partition_leader_epoch, 4);
    EXPECT_EQ(header->max_timestamp, 1'700'000'000'006);
    EXPECT_TRUE(crc_is_valid(batch));
  }
}

TEST(RecordBatchValidation, LogAppendTime) {
  base::Bytes batch = batch_of(3, 10, base::Codec::lz4);
  AppendRules rules;
  rules.timestamp_type = TimestampType::log_append_time;
  AppendRequest request;
  request.now_ms = 99;
  ValidatedRecords validated = validate_for_append(batch, rules, request);
  ASSERT_TRUE(validated.ok());
  EXPECT_EQ(validated.log_append_time, 99);
  EXPECT_EQ(validated.max_timestamp, 99);
  EXPECT_EQ(validated.header.timestamp_type(), TimestampType::log_append_time);
  // What comes back with the bit set is refused.
  base::Bytes stamped(validated.batch.begin(), validated.batch.end());
  EXPECT_EQ(validate_for_append(stamped, rules, request).error, ErrorCode::invalid_timestamp);
}

TEST(RecordBatchValidation, CompactedTopicsNeedKeys) {
  RecordBatchBuilder builder;
  builder.append(record_of("k", "v", 1));
  NewRecord without_key;
  without_key.value = base::as_bytes("v");
  builder.append(without_key);
  builder.append(without_key);
  base::Bytes batch = builder.build();
  AppendRules rules;
  rules.compacted = true;
  AppendRequest request;
  request.topic = "t";
  request.partition = 3;
  const ValidatedRecords validated = validate_for_append(batch, rules, request);
  EXPECT_EQ(validated.error, ErrorCode::invalid_record);
  ASSERT_EQ(validated.refusal.get().record_errors.size(), 2U);
  EXPECT_EQ(validated.refusal.get().record_errors[0].batch_index, 1);
  EXPECT_EQ(validated.refusal.get().record_errors[0].message,
            "Compacted topic cannot accept message without key in topic partition t-3");
  EXPECT_EQ(
      validated.refusal.get().message,
      "One or more records have been rejected due to 2 record errors in total, and only showing the first three "
      "errors at most: [RecordError(batchIndex=1, message='Compacted topic cannot accept message without key in topic "
      "partition t-3'), RecordError(batchIndex=2, message='Compacted topic cannot accept message without key in "
      "topic partition t-3')]");
}

TEST(RecordBatchValidation, TimestampsHaveLimits) {
  AppendRules rules;
  rules.timestamp_before_max_ms = 1000;
  rules.timestamp_after_max_ms = 500;
  AppendRequest request;
  request.now_ms = 10'000;
  const auto error_at = [&](std::int64_t timestamp) {
    base::Bytes batch = batch_of(1, 1, base::Codec::none, timestamp);
    return validate_for_append(batch, rules, request).error;
  };
  EXPECT_EQ(error_at(9000), ErrorCode::none);
  EXPECT_EQ(error_at(8999), ErrorCode::invalid_timestamp);
  EXPECT_EQ(error_at(10'500), ErrorCode::none);
  EXPECT_EQ(error_at(10'501), ErrorCode::invalid_timestamp);
  EXPECT_EQ(error_at(-1), ErrorCode::none);
  base::Bytes batch = batch_of(1, 1, base::Codec::none, 20'000);
  const ValidatedRecords refused = validate_for_append(batch, rules, request);
  EXPECT_EQ(refused.refusal.get().message, "One or more records have been rejected due to invalid timestamp");
  EXPECT_EQ(refused.refusal.get().record_errors.at(0).message,
            "Timestamp 20000 of message with offset 0 is out of range. The timestamp should be within [9000, 10500]");
}

TEST(RecordBatchValidation, SizeIsCheckedBeforeAndAfterRewriting) {
  AppendRules rules;
  rules.max_message_bytes = 1000;
  base::Bytes large = batch_of(1, 5000, base::Codec::none);
  EXPECT_EQ(validate_for_append(large, rules, AppendRequest()).error, ErrorCode::message_too_large);
  base::Bytes packed = batch_of(1, 5000, base::Codec::gzip);
  EXPECT_EQ(validate_for_append(packed, rules, AppendRequest()).error, ErrorCode::none);
  rules.compression = base::Codec::none;
  EXPECT_EQ(validate_for_append(packed, rules, AppendRequest()).error, ErrorCode::message_too_large);
}

TEST(RecordBatchValidation, ZstdNeedsVersion7) {
  base::Bytes batch = batch_of(1, 10, base::Codec::zstd);
  AppendRequest request;
  request.produce_version = 6;
  EXPECT_EQ(validate_for_append(batch, AppendRules(), request).error, ErrorCode::unsupported_compression_type);
  request.produce_version = 7;
  EXPECT_EQ(validate_for_append(batch, AppendRules(), request).error, ErrorCode::none);
}

TEST(RecordBatchValidation, CoordinatorsWriteControlBatches) {
  base::Bytes batch = build_control_batch(1, 0, ControlType::abort, 2, 5);
  EXPECT_EQ(validate_for_append(batch, AppendRules(), AppendRequest()).error, ErrorCode::invalid_record);
  AppendRequest request;
  request.origin = AppendOrigin::coordinator;
  AppendRules rules;
  rules.compression = base::Codec::zstd;  // markers stay uncompressed all the same
  const ValidatedRecords validated = validate_for_append(batch, rules, request);
  EXPECT_TRUE(validated.ok());
  EXPECT_FALSE(validated.header.is_compressed());
}

// What isn't looked at again is taken as if it were: what comes out, and when it is refused.
TEST(RecordBatchValidation, WhatWasBuiltHereIsTakenAsWhatIsChecked) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    RecordBatchBuilder builder;
    if (random() % 3 == 0) builder.header.producer_id = 5;
    if (random() % 3 == 0) builder.header.attributes |= kAttributeTransactional;
    for (std::uint32_t i = 0, count = 1 + random() % 4; i < count; ++i) {
      builder.append(record_of("key", std::string(random() % 40, 'v'), static_cast<std::int64_t>(1000 + random() % 5)));
    }
    base::Bytes built = builder.build(random() % 4 == 0 ? base::Codec::lz4 : base::Codec::none);
    base::Bytes checked = built;
    AppendRules rules;
    rules.compacted = true;
    if (random() % 4 == 0) rules.compression = static_cast<base::Codec>(random() % 5);
    if (random() % 4 == 0) rules.timestamp_type = TimestampType::log_append_time;
    if (random() % 4 == 0) rules.timestamp_before_max_ms = 2;
    if (random() % 4 == 0) rules.timestamp_after_max_ms = 2;
    if (random() % 4 == 0) rules.max_message_bytes = 100;
    AppendRequest request;
    request.origin = AppendOrigin::coordinator;
    request.now_ms = 1002;
    const ValidatedRecords expected = validate_for_append(checked, rules, request);
    request.built_here = true;
    const ValidatedRecords got = validate_for_append(built, rules, request);
    ASSERT_EQ(got.error, expected.error);
    ASSERT_TRUE(std::ranges::equal(got.batch, expected.batch));
    EXPECT_EQ(got.max_timestamp, expected.max_timestamp);
    EXPECT_EQ(got.log_append_time, expected.log_append_time);
    EXPECT_EQ(got.record_count, expected.record_count);
    EXPECT_EQ(got.offset_delta_of_max_timestamp, expected.offset_delta_of_max_timestamp);
    if (!got.ok()) continue;
    for (const BatchHeader& header : {got.header, expected.header}) {
      const BatchHeader in_bytes = *read_batch_header(got.batch);
      EXPECT_EQ(header.max_timestamp, in_bytes.max_timestamp);
      EXPECT_EQ(header.attributes, in_bytes.attributes);
      EXPECT_EQ(header.crc, in_bytes.crc);
      EXPECT_EQ(header.producer_id, in_bytes.producer_id);
    }
  }
}

TEST(RecordBatchValidation, LargeRecordsAndBombsPassThroughASmallBuffer) {
  RecordBatchBuilder builder;
  const std::string large(5'000'000, 'x');
  NewRecord record = record_of("key", large, 7);
  record.headers.push_back({"name", base::as_bytes(large)});
  builder.append(record);
  builder.append(record_of("k", "v", 8));
  builder.append(record);
  for (const auto codec : {base::Codec::gzip, base::Codec::snappy, base::Codec::lz4, base::Codec::zstd}) {
    RecordBatchBuilder copy = builder;
    base::Bytes batch = copy.build(codec);
    AppendRules rules;
    rules.max_message_bytes = 100'000'000;
    EXPECT_TRUE(validate_for_append(batch, rules, AppendRequest()).ok()) << base::name_of(codec);
    rules.unpacked_bytes_max = 1'000'000;
    EXPECT_EQ(validate_for_append(batch, rules, AppendRequest()).error, ErrorCode::message_too_large);
  }
}

base::Bytes batch_of_zeros(std::size_t bytes, base::Codec codec) {
  const std::string zeros(bytes, '\0');
  RecordBatchBuilder builder;
  builder.append(record_of("k", zeros, 7));
  return builder.build(codec);
}

// Which honest data can be: of zeros, zstd makes 1/10,000 and less. The other codecs can't reach the ratio.
TEST(RecordBatchValidation, TheRatioAloneRefusesNothing) {
  for (const auto codec : {base::Codec::gzip, base::Codec::snappy, base::Codec::lz4, base::Codec::zstd}) {
    constexpr std::size_t kBytes = std::size_t{32} << 20;
    base::Bytes batch = batch_of_zeros(kBytes, codec);
    const bool beyond = kBytes / batch.size() > AppendRules().unpacked_ratio_max;
    EXPECT_EQ(beyond, codec == base::Codec::zstd) << base::name_of(codec);
    AppendRules rules;
    rules.max_message_bytes = 100'000'000;
    EXPECT_TRUE(validate_for_append(batch, rules, AppendRequest()).ok()) << base::name_of(codec);
    rules.compression = codec == base::Codec::gzip ? base::Codec::lz4 : base::Codec::gzip;
    EXPECT_TRUE(validate_for_append(batch, rules, AppendRequest()).ok()) << base::name_of(codec) << " rewritten";
  }
}

TEST(RecordBatchValidation, BombsAreBoundedByRatioAndSize) {
  struct Row {
    std::uint64_t at_any_ratio, ratio, in_all;
    bool ok;
  };
  constexpr std::uint64_t kPlenty = std::uint64_t{1} << 30;
  constexpr std::size_t kBytes = 1'000'000;
  for (const auto codec : {base::Codec::gzip, base::Codec::snappy, base::Codec::lz4, base::Codec::zstd}) {
    const base::Bytes sent = batch_of_zeros(kBytes, codec);
    const std::uint64_t ratio = kBytes / (sent.size() - kBatchHeaderSize);
    for (const Row& row : {Row{0, ratio + 2, kPlenty, true}, Row{0, ratio / 2, kPlenty, false},
                           Row{kBytes + 100, ratio / 2, kPlenty, true}, Row{kBytes + 100, ratio + 2, kBytes / 2, false}}) {
      for (const bool rewritten : {false, true}) {
        base::Bytes batch = sent;
        AppendRules rules;
        rules.unpacked_at_any_ratio_max = row.at_any_ratio;
        rules.unpacked_ratio_max = row.ratio;
        rules.unpacked_bytes_max = row.in_all;
        if (rewritten) rules.compression = codec == base::Codec::gzip ? base::Codec::lz4 : base::Codec::gzip;
        const ValidatedRecords validated = validate_for_append(batch, rules, AppendRequest());
        EXPECT_EQ(validated.error, row.ok ? ErrorCode::none : ErrorCode::message_too_large)
            << base::name_of(codec) << " " << row.at_any_ratio << " " << row.ratio << " " << row.in_all << " " << rewritten;
        EXPECT_EQ(validated.refusal.get().message.empty(), row.ok);
      }
    }
  }
}

// 300 MB out of some 30 KB, with the bounds that are in force.
TEST(RecordBatchValidation, ABombOfZstdIsRefused) {
  base::Bytes batch = batch_of_zeros(300'000'000, base::Codec::zstd);
  EXPECT_LT(batch.size(), 50'000u);
  EXPECT_EQ(validate_for_append(batch, AppendRules(), AppendRequest()).error, ErrorCode::message_too_large);
}

TEST(RecordBatchValidation, RecompressionKeepsProducerAndHeaders) {
  RecordBatchBuilder builder;
  builder.header.producer_id = 5;
  builder.header.producer_epoch = 1;
  builder.header.base_sequence = 10;
  NewRecord record = record_of("k", "v", 50);
  record.headers.push_back({"h", std::nullopt});
  builder.append(record);
  builder.append(record_of("k2", "v2", 40));
  base::Bytes batch = builder.build(base::Codec::gzip);
  AppendRules rules;
  rules.compression = base::Codec::lz4;
  ValidatedRecords validated = validate_for_append(batch, rules, AppendRequest());
  ASSERT_TRUE(validated.ok());
  EXPECT_EQ(validated.header.producer_id, 5);
  EXPECT_EQ(validated.header.last_sequence(), 11);
  EXPECT_EQ(validated.max_timestamp, 50);
  RecordReader reader(validated.batch);
  Record read;
  ASSERT_TRUE(reader.next(read));
  ASSERT_EQ(read_headers(read).size(), 1U);
  EXPECT_EQ(read_headers(read)[0].name, "h");
  EXPECT_FALSE(read_headers(read)[0].value);
  ASSERT_TRUE(reader.next(read));
  EXPECT_EQ(read.timestamp, 40);
}

TEST(RecordBatchValidation, DamagedBatchesNeverHurt) {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    const auto codec = static_cast<base::Codec>(random() % 5);
    base::Bytes batch = batch_of(5, 50, codec);
    for (int i = 0; i < 3; ++i) batch[21 + random() % (batch.size() - 21)] = static_cast<std::uint8_t>(random());
    renew_crc(batch);
    AppendRules rules;
    if (random() % 2 == 0) rules.compression = static_cast<base::Codec>(random() % 5);
    AppendRequest request;
    request.origin = random() % 4 == 0 ? AppendOrigin::coordinator : AppendOrigin::client;
    const ValidatedRecords validated = validate_for_append(batch, rules, request);
    if (validated.ok()) {
      EXPECT_TRUE(crc_is_valid(validated.batch));
    }
  }
}

}  // namespace
}  // namespace protocol
