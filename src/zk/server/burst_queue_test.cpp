#include "zk/server/burst_queue.h"

#include <gtest/gtest.h>

#include <array>

namespace zk::server {
namespace {

using Item = std::array<std::size_t, 32>;
using Queue = BurstQueue<Item>;

void push(Queue& queue, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) queue.emplace_back().front() = i;
}

TEST(BurstQueue, IsAQueue) {
  Queue queue;
  push(queue, 100);
  EXPECT_EQ(queue.size(), 100u);
  EXPECT_EQ(queue.back().front(), 99u);
  std::size_t sum = 0;
  for (const Item& each : queue) sum += each.front();
  EXPECT_EQ(sum, 4950u);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(queue.front().front(), i);
    queue.pop_front();
  }
  EXPECT_EQ(queue.size(), 0u);
}

TEST(BurstQueue, GivesTheMemoryOfABurstBack) {
  Queue queue;
  const std::size_t at_first = queue.bytes_held();
  push(queue, 100'000);
  EXPECT_GE(queue.bytes_held(), 100'000 * sizeof(Item));
  queue.trim();
  EXPECT_EQ(queue.front().front(), 0u) << "not while there is anything in it";
  EXPECT_EQ(queue.size(), 100'000u);
  while (queue.size() > 0) queue.pop_front();
  EXPECT_GE(queue.bytes_held(), 100'000 * sizeof(Item));
  queue.trim();
  EXPECT_EQ(queue.bytes_held(), at_first);
  push(queue, 3);
  EXPECT_EQ(queue.back().front(), 2u);
}

TEST(BurstQueue, KeepsWhatItUsesAllTheTime) {
  Queue queue;
  push(queue, 100);
  while (queue.size() > 0) queue.pop_front();
  const std::size_t before = queue.bytes_held();
  EXPECT_LE(before, Queue::kBytesKept);
  queue.trim();
  EXPECT_EQ(queue.bytes_held(), before);
}

}  // namespace
}  // namespace zk::server
