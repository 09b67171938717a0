#include "broker/controller/assignment.h"

#include <gtest/gtest.h>

#include <set>

namespace broker::controller {
namespace {

std::vector<AssignableBroker> brokers(std::int32_t count) {
  std::vector<AssignableBroker> list;
  for (std::int32_t id = 0; id < count; ++id) list.push_back(AssignableBroker{id, std::nullopt});
  return list;
}

// The table in the comment of Kafka's AdminUtils: 5 brokers, 10 partitions, 3 replicas, all from 0.
TEST(Assignment, SpreadsAsKafkaDocumentsIt) {
  const std::vector<Replicas> expected = {{0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 0}, {4, 0, 1},
                                          {0, 2, 3}, {1, 3, 4}, {2, 4, 0}, {3, 0, 1}, {4, 1, 2}};
  EXPECT_EQ(assign_replicas(brokers(5), 10, 3, 0, 0), expected);
}

TEST(Assignment, OneBrokerGetsEverything) {
  EXPECT_EQ(assign_replicas(brokers(1), 3, 1, 0, 0), (std::vector<Replicas>{{0}, {0}, {0}}));
}

TEST(Assignment, AddedPartitionsGoOnWhereTheOthersEnded) {
  const std::vector<Replicas> all = assign_replicas(brokers(4), 10, 2, 1, 1);
  const std::vector<Replicas> head = assign_replicas(brokers(4), 4, 2, 1, 1);
  EXPECT_EQ(std::vector<Replicas>(all.begin(), all.begin() + 4), head);
  const std::vector<Replicas> tail = assign_replicas(brokers(4), 2, 2, 1, 2, 5);
  EXPECT_EQ(tail[0][0], all[5][0]);
}

// The example of Kafka's AdminUtils: racks of brokers 0-5, alternated 0, 3, 1, 5, 4, 2.
TEST(Assignment, ReplicasLieInDifferentRacks) {
  std::vector<AssignableBroker> list = brokers(6);
  const char* racks[] = {"rack1", "rack3", "rack3", "rack2", "rack2", "rack1"};
  for (std::size_t i = 0; i < 6; ++i) list[i].rack = racks[i];
  const std::vector<Replicas> expected = {{0, 3, 1}, {3, 1, 5}, {1, 5, 4}, {5, 4, 2}, {4, 2, 0}, {2, 0, 3}};
  EXPECT_EQ(assign_replicas(list, 6, 3, 0, 0), expected);
  for (const Replicas& replicas : assign_replicas(list, 50, 3, 2, 1)) {
    std::set<std::string> used;
    for (const std::int32_t id : replicas) used.insert(racks[id]);
    EXPECT_EQ(used.size(), 3U);
  }
  for (const Replicas& replicas : assign_replicas(list, 50, 5, 2, 1)) {
    EXPECT_EQ(std::set<std::int32_t>(replicas.begin(), replicas.end()).size(), 5U);
  }
  EXPECT_FALSE(racks_incomplete(list));
  list[3].rack.reset();
  EXPECT_TRUE(racks_incomplete(list));
}

}  // namespace
}  // namespace broker::controller
