#include "broker/group/metadata_hash.h"

#include <gtest/gtest.h>

namespace broker::group {
namespace {

using Racks = std::vector<std::optional<std::string>>;  // of the replicas of one partition

// The id is of 16 bytes that count up from two numbers on.
std::int64_t hash_of(const std::string& name, int high, int low, const std::vector<Racks>& partitions) {
  metadata::Topic topic;
  topic.name = name;
  for (int i = 0; i < 8; ++i) {
    topic.id.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(high + i);
    topic.id.bytes[static_cast<std::size_t>(8 + i)] = static_cast<std::uint8_t>(low + i);
  }
  metadata::ClusterMetadata cluster;
  std::int32_t broker = 0;
  for (const Racks& racks : partitions) {
    metadata::Partition& partition = topic.partitions[static_cast<std::int32_t>(topic.partitions.size())];
    for (const auto& rack : racks) {
      cluster.brokers[broker].rack = rack;
      partition.replicas.push_back(broker++);
    }
    partition.replicas.push_back(100'000);  // a broker that isn't there
  }
  return hash_of_topic(topic, cluster);
}

// What Utils.computeTopicHash and computeGroupHash of Kafka 4.3.1's group coordinator give for the same.
TEST(MetadataHash, IsKafkas) {
  const std::int64_t orders = hash_of("orders", 0x01, 0x09, {{}});
  const std::int64_t payments = hash_of("payments", 0xf1, 0x11, {{}, {}, {std::nullopt}});
  EXPECT_EQ(orders, -4897732353853479409);
  EXPECT_EQ(payments, 6863687006526299762);
  EXPECT_EQ(hash_of("orders", 0x01, 0x09, {{"b", "a"}, {"rack-\u00e9\U0001f600"}}), -7628625597285545195);
  EXPECT_EQ(hash_of("wide", 0xf1, 0x11, std::vector<Racks>(200, {"east", "east", "west"})), 784751007923943557);

  EXPECT_EQ(hash_of_topics({orders, payments}), -1329173629466643396);
  EXPECT_EQ(hash_of_topics({orders}), -1664608903066994665);
  EXPECT_EQ(hash_of_topics({}), 0);
}

// From a record that Kafka 4.3.1 wrote, with broker.rack=east-1.
TEST(MetadataHash, IsThatOfARealRecord) {
  metadata::ClusterMetadata cluster;
  cluster.brokers[0].rack = "east-1";
  metadata::Topic topic;
  topic.name = "bench";
  topic.id = base::Uuid::parse("DaHqTiZ2QyuvsujNdOzWmg").value();
  for (std::int32_t i = 0; i < 3; ++i) topic.partitions[i].replicas = {0};
  EXPECT_EQ(hash_of_topics({hash_of_topic(topic, cluster)}), 8120150858497240817);
}

}  // namespace
}  // namespace broker::group
