// Against partitions of __transaction_state that Kafka 3.9.2 wrote, with what its admin client said of them.
#include "broker/transaction/transaction_records.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "broker/transaction/transaction_loader.h"

namespace broker::transaction {
namespace {

const std::string kData = MILENA_SOURCE_DIR "/src/broker/transaction/testdata/";
constexpr int kPartitions[] = {11, 24, 28, 48};

base::Bytes read_log(int partition) {
  std::ifstream file(kData + "transaction-state-" + std::to_string(partition) + ".log", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t topic_count(const TransactionImage& image) {
  std::set<std::string> topics;
  for (const TopicPartition& one : image.partitions) topics.insert(one.topic);
  return topics.size();
}

// But for the order of several topics, which is that of a hash table there.
TEST(TransactionRecords, BatchesAreKafkasByteForByte) {
  int exact = 0, reordered = 0;
  for (const int partition : kPartitions) {
    const base::Bytes log = read_log(partition);
    ASSERT_FALSE(log.empty());
    for (base::ByteView rest = log; !rest.empty();) {
      const protocol::NextBatch next = protocol::next_batch(rest);
      ASSERT_EQ(next.frame, protocol::BatchFrame::whole);
      const base::ByteView batch = rest.first(next.size_in_bytes);
      rest = rest.subspan(next.size_in_bytes);
      protocol::RecordReader reader(batch);
      protocol::Record record;
      ASSERT_TRUE(reader.next(record));
      const auto stored = read_transaction_record(record);
      const auto* transaction = std::get_if<TransactionRecord>(&stored);
      ASSERT_NE(transaction, nullptr);
      EXPECT_EQ(coordinator::partition_of(transaction->transactional_id, 50), partition);
      const coordinator::KeyAndValue again = to_record(*transaction);
      base::Bytes rebuilt = coordinator::build_batch({again}, reader.header().max_timestamp);
      protocol::set_base_offset(rebuilt, reader.header().base_offset);
      protocol::set_partition_leader_epoch(rebuilt, reader.header().partition_leader_epoch);
      EXPECT_FALSE(reader.next(record));
      if (topic_count(*transaction->image) > 1) {
        EXPECT_EQ(again.value->size(), record.value->size());
        ++reordered;
        continue;
      }
      EXPECT_EQ(base::to_hex(rebuilt), base::to_hex(batch)) << "partition " << partition;
      ++exact;
    }
  }
  EXPECT_EQ(exact, 12);
  EXPECT_EQ(reordered, 5);
}

TEST(TransactionRecords, LoadedAsKafkaDescribesThem) {
  TransactionLoader loader;
  for (const int partition : kPartitions) loader.add(read_log(partition));
  std::ifstream table(kData + "transactions.tsv");
  std::size_t rows = 0;
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string id, state, producer_id, epoch, timeout, partitions;
    std::getline(fields, id, '\t');
    std::getline(fields, state, '\t');
    std::getline(fields, producer_id, '\t');
    std::getline(fields, epoch, '\t');
    std::getline(fields, timeout, '\t');
    std::getline(fields, partitions, '\t');
    const TransactionImage& image = loader.transactions().at(id).image;
    EXPECT_EQ(name_of(image.state), state) << id;
    EXPECT_EQ(std::to_string(image.producer_id), producer_id) << id;
    EXPECT_EQ(std::to_string(image.producer_epoch), epoch) << id;
    EXPECT_EQ(std::to_string(image.timeout_ms), timeout) << id;
    std::string known;
    for (const TopicPartition& one : image.partitions) {
      known += (known.empty() ? "" : ", ") + one.topic + "-" + std::to_string(one.partition);
    }
    EXPECT_EQ("[" + known + "]", partitions) << id;
    ++rows;
  }
  EXPECT_EQ(rows, loader.transactions().size());
  EXPECT_EQ(loader.unknown_count(), 0u);
}

TransactionImage read_back(const TransactionImage& image) {
  TransactionRecord written;
  written.transactional_id = "t";
  written.image = image;
  const auto bytes = to_record(written);
  protocol::Record record;
  record.key = bytes.key;
  record.value = *bytes.value;
  return *std::get<TransactionRecord>(read_transaction_record(record)).image;
}

TEST(TransactionRecords, ARecordThatCannotBeReadMakesWhatIsKnownOutdated) {
  TransactionRecord written;
  written.transactional_id = "t";
  written.image.emplace();
  TransactionLoader loader;
  loader.add(coordinator::build_batch({to_record(written)}, 1));
  EXPECT_FALSE(loader.may_be_outdated(loader.transactions().at("t")));
  auto damaged = to_record(written);
  damaged.value->resize(3);
  loader.add(coordinator::build_batch({damaged}, 1));
  EXPECT_TRUE(loader.may_be_outdated(loader.transactions().at("t")));
  EXPECT_EQ(loader.unknown_count(), 1u);
  // What comes behind it was decided without it, unless it gives another producer id.
  loader.add(coordinator::build_batch({to_record(written)}, 1));
  EXPECT_TRUE(loader.may_be_outdated(loader.transactions().at("t")));
  written.image->producer_id = 8;
  loader.add(coordinator::build_batch({to_record(written)}, 1));
  EXPECT_FALSE(loader.may_be_outdated(loader.transactions().at("t")));
}

TEST(TransactionRecords, Version1KeepsWhatNewerProducersNeed) {
  TransactionImage image;
  image.producer_id = 7;
  image.previous_producer_id = 6;
  image.next_producer_id = 8;
  image.producer_epoch = 3;
  image.timeout_ms = 1000;
  image.state = TransactionState::prepare_abort;
  image.partitions = {{"a", 0}, {"a", 2}, {"b", 1}};
  image.start_ms = 5;
  image.last_update_ms = 9;
  image.client_version = kVersionWithEpochBump;
  EXPECT_EQ(read_back(image), image);
  image.client_version = 0;
  image.previous_producer_id = image.next_producer_id = kNoProducerId;
  EXPECT_EQ(read_back(image), image);
}

TEST(TransactionRecords, WhatCannotBeReadIsToldApart) {
  protocol::Record record;
  EXPECT_TRUE(std::holds_alternative<UnknownRecord>(read_transaction_record(record)));
  TransactionRecord tombstone;
  tombstone.transactional_id = "t";
  const auto bytes = to_record(tombstone);
  record.key = bytes.key;
  EXPECT_FALSE(std::get<TransactionRecord>(read_transaction_record(record)).image);
  const base::Bytes damaged = {0, 0, 1};
  record.value = damaged;
  EXPECT_TRUE(std::holds_alternative<UnknownRecord>(read_transaction_record(record)));
  const base::Bytes newer = {0, 1};
  record.key = newer;
  EXPECT_TRUE(std::holds_alternative<UnknownRecord>(read_transaction_record(record)));
}

}  // namespace
}  // namespace broker::transaction
