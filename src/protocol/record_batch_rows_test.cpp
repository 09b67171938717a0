// Batches that Kafka's own classes made (or broke), with what they read out of them and what real brokers answered.
#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/json.hpp>
#include <map>

#include "protocol/record_batch_builder.h"
#include "protocol/record_batch_validation.h"

namespace protocol {
namespace {

struct Row {
  std::string kind, name;
  base::Bytes bytes;
  std::string decoded_json, reader_result, produce_v8, produce_v2;
};

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::size_t start = 0;
  while (true) {
    const std::size_t end = line.find(separator, start);
    fields.push_back(line.substr(start, end - start));
    if (end == std::string::npos) return fields;
    start = end + 1;
  }
}

std::vector<Row> read_rows() {
  gzFile file = gzopen(MILENA_SOURCE_DIR "/src/protocol/testdata/record-batches.tsv.gz", "rb");
  std::string text;
  char piece[65536];
  int count = 0;
  while ((count = gzread(file, piece, sizeof piece)) > 0) text.append(piece, static_cast<std::size_t>(count));
  gzclose(file);
  std::vector<Row> rows;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    auto fields = split(line, '\t');
    fields.resize(9);
    rows.push_back({fields[0], fields[1], *base::from_hex(fields[2]), fields[3], fields[4], fields[6], fields[8]});
  }
  return rows;
}

std::optional<base::Bytes> bytes_of(const boost::json::value& value) {
  if (value.is_null()) return std::nullopt;
  return base::from_hex(std::string(value.as_string()));
}
std::optional<base::Bytes> bytes_of(const std::optional<base::ByteView>& view) {
  if (!view) return std::nullopt;
  return base::Bytes(view->begin(), view->end());
}

void expect_record(const boost::json::object& expected, const Record& record) {
  EXPECT_EQ(record.offset, expected.at("offset").to_number<std::int64_t>());
  EXPECT_EQ(record.timestamp, expected.at("timestamp").to_number<std::int64_t>());
  EXPECT_EQ(record.sequence, expected.at("sequence").to_number<std::int32_t>());
  EXPECT_EQ(bytes_of(record.key), bytes_of(expected.at("key")));
  EXPECT_EQ(bytes_of(record.value), bytes_of(expected.at("value")));
  const auto headers = read_headers(record);
  const auto& expected_headers = expected.at("headers").as_array();
  ASSERT_EQ(headers.size(), expected_headers.size());
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto& pair = expected_headers[i].as_array();
    EXPECT_EQ(base::to_hex(base::as_bytes(headers[i].name)), pair[0].as_string());
    EXPECT_EQ(bytes_of(headers[i].value), bytes_of(pair[1]));
  }
}

void expect_batch(const boost::json::object& expected, base::ByteView batch) {
  const auto header = read_batch_header(batch);
  ASSERT_TRUE(header);
  EXPECT_TRUE(crc_is_valid(batch));
  const auto number = [&](const char* name) { return expected.at(name).to_number<std::int64_t>(); };
  EXPECT_EQ(header->magic, number("magic"));
  EXPECT_EQ(header->last_offset(), number("lastOffset"));
  EXPECT_EQ(header->next_offset(), number("nextOffset"));
  EXPECT_EQ(header->size_in_bytes(), number("sizeInBytes"));
  EXPECT_EQ(base::name_of(*header->codec()), expected.at("codec").as_string());
  EXPECT_EQ(header->max_timestamp, number("maxTimestamp"));
  EXPECT_EQ(header->crc, number("checksum"));
  EXPECT_EQ(header->producer_id, number("producerId"));
  EXPECT_EQ(header->producer_epoch, number("producerEpoch"));
  EXPECT_EQ(header->base_sequence, number("baseSequence"));
  EXPECT_EQ(header->last_sequence(), number("lastSequence"));
  EXPECT_EQ(header->is_transactional(), expected.at("transactional").as_bool());
  EXPECT_EQ(header->is_control(), expected.at("control").as_bool());
  EXPECT_EQ(header->partition_leader_epoch, number("partitionLeaderEpoch"));
  EXPECT_EQ(header->has_delete_horizon(), !expected.at("deleteHorizonMs").is_null());
  const std::map<TimestampType, std::string> types = {{TimestampType::none, "NoTimestampType"},
                                                      {TimestampType::create_time, "CreateTime"},
                                                      {TimestampType::log_append_time, "LogAppendTime"}};
  EXPECT_EQ(types.at(header->timestamp_type()), expected.at("timestampType").as_string());
  RecordReader reader(batch);
  Record record;
  for (const auto& one : expected.at("records").as_array()) {
    ASSERT_TRUE(reader.next(record));
    expect_record(one.as_object(), record);
  }
  EXPECT_FALSE(reader.next(record));
}

TEST(RecordBatchRows, GoodOnesReadAsKafkaReadsThem) {
  int rows = 0;
  for (const Row& row : read_rows()) {
    if (row.kind != "good" || row.decoded_json.empty()) continue;
    SCOPED_TRACE(row.name);
    ++rows;
    base::ByteView rest = row.bytes;
    const boost::json::value batches = boost::json::parse(row.decoded_json);
    for (const auto& batch : batches.as_array()) {
      const NextBatch next = next_batch(rest);
      ASSERT_EQ(next.frame, BatchFrame::whole);
      expect_batch(batch.as_object(), rest.first(next.size_in_bytes));
      rest = rest.subspan(next.size_in_bytes);
    }
    EXPECT_TRUE(rest.empty());
  }
  EXPECT_EQ(rows, 60);
}

std::string answer(const Row& row, std::int16_t version) {
  base::Bytes bytes = row.bytes;
  const Result<bool> transactional = is_transactional(bytes);
  if (!transactional) return std::string(name_of(transactional.error()));
  if (*transactional) return "TRANSACTIONAL_ID_AUTHORIZATION_FAILED";
  AppendRequest request;
  request.produce_version = version;
  request.now_ms = 1'790'000'000'000;
  request.topic = "t";
  return std::string(name_of(validate_for_append(bytes, AppendRules(), request).error));
}

TEST(RecordBatchRows, AppendedAsKafkaAppendsThem) {
  int bad = 0, checked = 0;
  for (const Row& row : read_rows()) {
    if (row.kind == "bad") ++bad;
    if (!row.produce_v8.empty()) {
      EXPECT_EQ(answer(row, 8), row.produce_v8) << row.name;
      ++checked;
    }
    if (!row.produce_v2.empty()) {
      EXPECT_EQ(answer(row, 2), row.produce_v2) << row.name;
      ++checked;
    }
  }
  EXPECT_EQ(bad, 79);
  EXPECT_GT(checked, 200);
}

TEST(RecordBatchRows, ReadersRefuseWhatKafkasRefuse) {
  for (const Row& row : read_rows()) {
    if (row.kind != "bad" || !row.reader_result.starts_with("records:")) continue;
    const NextBatch next = next_batch(row.bytes);
    ASSERT_EQ(next.frame, BatchFrame::whole) << row.name;
    const auto read_all = [&] {
      RecordReader reader(base::ByteView(row.bytes).first(next.size_in_bytes));
      Record record;
      while (reader.next(record)) {
      }
    };
    if (row.reader_result.find("InvalidRecord") != std::string::npos) {
      EXPECT_THROW(read_all(), InvalidRecord) << row.name;
    } else {
      EXPECT_THROW(read_all(), base::CompressionError) << row.name;
    }
  }
}

// Old formats are stored as one batch of magic 2 with the same records.
TEST(RecordBatchRows, OldFormatsAreConverted) {
  int converted_rows = 0;
  for (const Row& row : read_rows()) {
    if (row.kind != "good" || !(row.name.starts_with("m0-") || row.name.starts_with("m1-"))) continue;
    SCOPED_TRACE(row.name);
    if (row.name.ends_with("logappend")) continue;  // below
    ++converted_rows;
    base::Bytes bytes = row.bytes;
    AppendRequest request;
    request.produce_version = 2;
    ValidatedRecords validated = validate_for_append(bytes, AppendRules(), request);
    ASSERT_TRUE(validated.ok());
    EXPECT_EQ(assign_offsets(validated, 100, 7), 99 + validated.record_count);
    EXPECT_TRUE(crc_is_valid(validated.batch));
    EXPECT_EQ(validated.header.magic, 2);
    RecordReader reader(validated.batch);
    Record record;
    std::int64_t offset = 100, max_timestamp = -1;
    const boost::json::value batches = boost::json::parse(row.decoded_json);
    for (const auto& batch : batches.as_array()) {
      EXPECT_EQ(base::name_of(*validated.header.codec()), batch.at("codec").as_string());
      for (const auto& expected : batch.at("records").as_array()) {
        ASSERT_TRUE(reader.next(record));
        EXPECT_EQ(record.offset, offset++);
        EXPECT_EQ(record.timestamp, expected.at("timestamp").to_number<std::int64_t>());
        EXPECT_EQ(bytes_of(record.key), bytes_of(expected.at("key")));
        EXPECT_EQ(bytes_of(record.value), bytes_of(expected.at("value")));
        max_timestamp = std::max(max_timestamp, record.timestamp);
      }
    }
    EXPECT_FALSE(reader.next(record));
    EXPECT_EQ(validated.max_timestamp, max_timestamp);
  }
  EXPECT_EQ(converted_rows, 16);
}

TEST(RecordBatchRows, EveryCodecToEveryOther) {
  for (const Row& row : read_rows()) {
    if (row.kind != "bad" || !row.name.ends_with("-valid") || row.bytes[16] != 2) continue;
    for (int codec = 0; codec <= 4; ++codec) {
      base::Bytes bytes = row.bytes;
      AppendRules rules;
      rules.compression = static_cast<base::Codec>(codec);
      const ValidatedRecords validated = validate_for_append(bytes, rules, AppendRequest());
      ASSERT_TRUE(validated.ok()) << row.name;
      EXPECT_EQ(validated.header.codec(), rules.compression);
      EXPECT_EQ(!validated.rewritten, read_batch_header(row.bytes)->codec() == rules.compression);
      EXPECT_TRUE(crc_is_valid(validated.batch));
      RecordReader reader(validated.batch);
      Record record;
      int records = 0;
      while (reader.next(record)) ++records;
      EXPECT_EQ(records, 2);
    }
  }
}

}  // namespace
}  // namespace protocol
