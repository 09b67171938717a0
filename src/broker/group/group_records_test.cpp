// Against partitions of __consumer_offsets that Kafka 3.9.2 wrote, with what its admin client said of them.
#include "broker/group/group_records.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "broker/group/group_loader.h"
#include "protocol/record_batch.h"

namespace broker::group {
namespace {

const std::string kData = MILENA_SOURCE_DIR "/src/broker/group/testdata/";

base::Bytes read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::pair<std::int32_t, base::Bytes>> partitions() {
  std::vector<std::pair<std::int32_t, base::Bytes>> all;
  for (std::int32_t partition = 0; partition < 50; ++partition) {
    const std::string path = kData + "consumer-offsets-" + std::to_string(partition) + ".log";
    if (std::filesystem::exists(path)) all.emplace_back(partition, read_all(path));
  }
  return all;
}

std::vector<std::vector<std::string>> read_table(const std::string& name) {
  std::ifstream file(kData + name);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string>& row = rows.emplace_back();
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, '\t');) row.push_back(field);
    row.resize(6);
  }
  return rows;
}

// Every plain batch, taken apart and made again, has the same bytes but for what the log assigns.
TEST(GroupRecords, BatchesAreKafkasByteForByte) {
  int batches = 0, records = 0;
  for (const auto& [partition, log] : partitions()) {
    for (base::ByteView rest = log; !rest.empty();) {
      const protocol::NextBatch next = protocol::next_batch(rest);
      ASSERT_EQ(next.frame, protocol::BatchFrame::whole);
      const base::ByteView batch = rest.first(next.size_in_bytes);
      rest = rest.subspan(next.size_in_bytes);
      protocol::RecordReader reader(batch);
      if (reader.header().is_control() || reader.header().is_transactional()) continue;
      protocol::Record record;
      std::vector<KeyAndValue> again;
      while (reader.next(record)) {
        const StoredRecord stored = read_group_record(record);
        if (const auto* offset = std::get_if<OffsetRecord>(&stored)) {
          EXPECT_EQ(partition_of(offset->group_id, 50), partition);
          again.push_back(to_record(*offset));
        } else if (const auto* group = std::get_if<GroupRecord>(&stored)) {
          EXPECT_EQ(partition_of(group->group_id, 50), partition);
          again.push_back(to_record(*group));
        } else {
          FAIL() << std::get<UnknownRecord>(stored).reason;
        }
        ++records;
      }
      base::Bytes rebuilt = build_batch(again, reader.header().max_timestamp, {reader.header().base_sequence});
      const bool offsets = read_group_record(record).index() == 1 && record.value;
      EXPECT_EQ(reader.header().base_sequence, offsets ? kOffsetCommitSequence : -1);
      protocol::set_base_offset(rebuilt, reader.header().base_offset);
      protocol::set_partition_leader_epoch(rebuilt, reader.header().partition_leader_epoch);
      EXPECT_EQ(base::to_hex(rebuilt), base::to_hex(batch));
      ++batches;
    }
  }
  EXPECT_GT(batches, 15);
  EXPECT_GT(records, 35);
}

TEST(GroupRecords, LoadedAsKafkaLoadsThem) {
  std::map<std::string, LoadedGroup> groups;
  for (const auto& [partition, log] : partitions()) {
    const ConsumerGroupLimits limits;
    GroupLoader loader(limits);
    loader.add(log);
    EXPECT_EQ(loader.unknown_count(), 0U);
    for (auto& [id, group] : loader.groups()) {
      if (group.group || !group.offsets.empty()) groups.insert_or_assign(id, std::move(group));
    }
  }
  std::size_t group_rows = 0;
  for (const auto& row : read_table("groups.tsv")) {
    ASSERT_TRUE(groups.contains(row[0])) << row[0];
    const auto& stored = groups.at(row[0]).group;
    EXPECT_EQ(row[1] == "Stable", stored && !stored->members.empty()) << row[0];
    if (row[1] == "Stable") {
      EXPECT_EQ(stored->protocol, row[3]);
      EXPECT_EQ(stored->members[0].group_instance_id, "inst-1");
      EXPECT_EQ(stored->members[0].client_id, "static-client");
    }
    ++group_rows;
  }
  EXPECT_EQ(groups.size(), group_rows);
  std::map<std::string, std::size_t> offsets_seen;
  for (const auto& row : read_table("group-offsets.tsv")) {
    TopicPartition partition;
    partition.topic = row[1];
    partition.partition = std::stoi(row[2]);
    const CommittedOffset* value = groups.at(row[0]).offsets.find(partition);
    ASSERT_NE(value, nullptr) << row[0] << " " << row[1] << row[2];
    EXPECT_EQ(value->offset, std::stoll(row[3])) << row[0];
    EXPECT_EQ(value->leader_epoch, row[4] == "-" ? -1 : std::stoi(row[4]));
    EXPECT_EQ(value->metadata, row[5]);
    ++offsets_seen[row[0]];
  }
  for (const auto& [id, group] : groups) EXPECT_EQ(group.offsets.all().size(), offsets_seen[id]) << id;
  // One transaction of g-txn is open for ever.
  int unstable = 0;
  for (std::int32_t partition = 0; partition < 3; ++partition) {
    for (const char* topic : {"in", "out"}) {
      TopicPartition one;
      one.topic = topic;
      one.partition = partition;
      if (groups.at("g-txn").offsets.is_unstable(one)) ++unstable;
    }
  }
  EXPECT_EQ(unstable, 1);
}

TEST(GroupRecords, PartitionIsJavasHash) {
  EXPECT_EQ(partition_of("", 50), 0);
  EXPECT_EQ(partition_of("a", 50), 97 % 50);
  EXPECT_EQ(partition_of("g-static", 50), 34);                                       // seen
  EXPECT_EQ(partition_of("\xF0\x9F\x98\x80", 1000), (31 * 0xD83D + 0xDE00) % 1000);  // two surrogates in Java
}

TEST(GroupRecords, OwnRetentionIsWrittenInTheOldVersion) {
  OffsetRecord record;
  record.group_id = "g";
  record.partition.topic = "t";
  record.value.emplace();
  record.value->offset = 5;
  record.value->commit_timestamp = 10;
  record.value->expire_timestamp = 20;
  const KeyAndValue written = to_record(record);
  EXPECT_EQ(base::to_hex(*written.value),
            "0001"
            "0000000000000005"
            "0000"
            "000000000000000a"
            "0000000000000014");
  protocol::Record read;
  read.key = written.key;
  read.value = *written.value;
  EXPECT_EQ(std::get<OffsetRecord>(read_group_record(read)).value->expire_timestamp, 20);
}

TEST(GroupRecords, DamageIsSkipped) {
  protocol::Record record;
  EXPECT_EQ(read_group_record(record).index(), 0U);
  const base::Bytes newer = *base::from_hex("000500016700");
  record.key = newer;
  EXPECT_EQ(read_group_record(record).index(), 0U);
  const base::Bytes cut = *base::from_hex("0001000567");
  record.key = cut;
  EXPECT_EQ(read_group_record(record).index(), 0U);
}

}  // namespace
}  // namespace broker::group
