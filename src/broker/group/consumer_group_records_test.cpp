// Against partitions of __consumer_offsets that Kafka 4.3.1 wrote for stock Java and librdkafka consumers: members that
// came and went under both assignors, static ones, and one that subscribed by a regular expression.
#include "broker/group/consumer_group_records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "broker/group/group_loader.h"
#include "protocol/record_batch.h"

namespace broker::group {
namespace {

std::vector<base::Bytes> partitions() {
  std::vector<base::Bytes> all;
  for (const int partition : {0, 3, 4, 7}) {
    const std::string name = "kafka-4.3.1-offsets-" + std::to_string(partition) + ".log";
    std::ifstream file(MILENA_SOURCE_DIR "/src/broker/group/testdata/" + name, std::ios::binary);
    all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    EXPECT_FALSE(all.back().empty()) << name;
  }
  return all;
}

// Calls `visit` with each record and its key's type.
template <class Visit>
void for_each_record(base::ByteView log, Visit visit) {
  while (!log.empty()) {
    const protocol::NextBatch next = protocol::next_batch(log);
    ASSERT_EQ(next.frame, protocol::BatchFrame::whole);
    protocol::RecordReader reader(log.first(next.size_in_bytes));
    log = log.subspan(next.size_in_bytes);
    if (reader.header().is_control()) continue;
    protocol::Record record;
    while (reader.next(record)) visit(record, base::load_big_endian<std::int16_t>(record.key->data()));
  }
}

base::Bytes bytes_of(base::ByteView view) { return {view.begin(), view.end()}; }

TEST(ConsumerGroupRecords, AreKafkasByteForByte) {
  std::map<std::int16_t, int> values, tombstones;  // by type
  int in_another_order = 0;
  for (const base::Bytes& log : partitions()) {
    for_each_record(log, [&](const protocol::Record& record, std::int16_t type) {
      if (!is_consumer_group_record(type)) return;
      const auto stored = read_consumer_group_record(type, record);
      ASSERT_TRUE(stored);
      const coordinator::KeyAndValue again = to_record(stored->group_id, stored->record);
      EXPECT_EQ(again.key, bytes_of(*record.key));
      ASSERT_EQ(again.value.has_value(), record.value.has_value());
      ++(record.value ? values : tombstones)[type];
      if (!record.value || *again.value == bytes_of(*record.value)) return;
      // Java's maps have no order: of two topics the other may stand first.
      base::Bytes ours = *again.value, kafkas = bytes_of(*record.value);
      std::ranges::sort(ours);
      std::ranges::sort(kafkas);
      EXPECT_EQ(ours, kafkas) << type;
      ++in_another_order;
    });
  }
  const std::map<std::int16_t, int> all_values = {{3, 21}, {5, 11}, {6, 12}, {7, 20}, {8, 40}, {16, 2}};
  EXPECT_EQ(values, all_values);
  EXPECT_EQ(in_another_order, 8);  // all of the group with two topics
  EXPECT_EQ(tombstones[5], 11);
}

TEST(ConsumerGroupRecords, LoadedAsKafkaLeftThem) {
  const ConsumerGroupLimits limits;
  std::map<std::string, std::int32_t> epochs;
  std::map<std::string, std::size_t> members_most;
  for (const base::Bytes& log : partitions()) {
    GroupLoader loader(limits);
    for (base::ByteView rest = log; !rest.empty();) {
      const protocol::NextBatch next = protocol::next_batch(rest);
      loader.add(rest.first(next.size_in_bytes));
      rest = rest.subspan(next.size_in_bytes);
      for (const auto& [id, group] : loader.groups()) {
        if (group.consumers) members_most[id] = std::max(members_most[id], group.consumers->size());
      }
    }
    EXPECT_EQ(loader.unknown_count(), 0u);
    for (const auto& [id, group] : loader.groups()) {
      ASSERT_TRUE(group.consumers) << id;
      EXPECT_EQ(group.consumers->state(), "Empty") << id;
      epochs[id] = group.consumers->epoch();
      std::int64_t committed = 0;
      for (const TopicPartition& one : group.offsets.all()) committed += group.offsets.find(one)->offset;
      EXPECT_TRUE(id != "uniform-group" || committed == 1200) << committed;
      EXPECT_TRUE(id != "regex-group" || committed == 10) << committed;
    }
  }
  // What Kafka's log said of them last.
  const std::map<std::string, std::int32_t> wanted = {
      {"uniform-group", 7}, {"range-group", 5}, {"static-group", 5}, {"regex-group", 4}, {"librdkafka-group", 5}};
  EXPECT_EQ(epochs, wanted);
  const std::map<std::string, std::size_t> most = {
      {"uniform-group", 3}, {"range-group", 2}, {"static-group", 2}, {"regex-group", 1}, {"librdkafka-group", 2}};
  EXPECT_EQ(members_most, most);
}

TEST(ConsumerGroupRecords, AClassicMemberHasAProtocol) {
  ConsumerMemberMetadata metadata;
  metadata.classic.emplace().protocols = {{"range", {}}};
  for (int turn = 0; turn < 2; ++turn) {
    const coordinator::KeyAndValue written = to_record("g", MemberMetadataRecord{"m", metadata});
    protocol::Record record;
    record.key = written.key;
    record.value = *written.value;
    EXPECT_EQ(read_consumer_group_record(base::load_big_endian<std::int16_t>(written.key.data()), record).has_value(), turn == 0);
    metadata.classic->protocols.clear();
  }
}

// Any prefix of a record is one, or is refused.
TEST(ConsumerGroupRecords, DamageIsRefused) {
  for_each_record(partitions()[0], [](const protocol::Record& record, std::int16_t type) {
    if (!is_consumer_group_record(type) || !record.value) return;
    for (std::size_t size = 0; size < record.value->size(); ++size) {
      protocol::Record cut = record;
      cut.value = record.value->first(size);
      EXPECT_FALSE(read_consumer_group_record(type, cut)) << type << " cut to " << size;
    }
    for (std::size_t size = 0; size < record.key->size(); ++size) {
      protocol::Record cut = record;
      cut.key = record.key->first(size);
      EXPECT_FALSE(read_consumer_group_record(type, cut)) << type << " key cut to " << size;
    }
  });
}

}  // namespace
}  // namespace broker::group
