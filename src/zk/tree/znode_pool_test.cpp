#include "zk/tree/znode_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace zk::tree {
namespace {

TEST(ZnodePool, ZnodesKeepWhatTheyHoldWhileOthersComeAndGo) {
  ZnodePool pool;
  std::minstd_rand random(7);
  std::vector<std::pair<Znode*, std::int64_t>> live;
  for (std::int64_t step = 0; step < 20'000; ++step) {
    const bool growing = step % 4'000 < 2'500;
    if (live.empty() || random() % 10 < (growing ? 7 : 3)) {
      Znode* node = pool.make();
      EXPECT_EQ(node->stat.czxid, 0);
      EXPECT_EQ(node->parent, nullptr);
      node->stat.czxid = step;
      live.emplace_back(node, step);
    } else {
      std::swap(live[random() % live.size()], live.back());
      pool.destroy(live.back().first);
      live.pop_back();
    }
  }
  std::set<const Znode*> all;
  for (const auto& [node, zxid] : live) {
    EXPECT_EQ(node->stat.czxid, zxid);
    EXPECT_TRUE(all.insert(node).second);
  }
  for (const auto& [node, zxid] : live) pool.destroy(node);
}

TEST(ZnodePool, MemoryIsUsedAgainInTheOrderOfAddresses) {
  ZnodePool pool;
  std::vector<Znode*> first;
  for (int i = 0; i < 10'000; ++i) first.push_back(pool.make());
  const std::set<Znode*> known(first.begin(), first.end());
  std::shuffle(first.begin(), first.end(), std::minstd_rand(3));
  for (Znode* node : first) pool.destroy(node);
  int reused = 0, jumps = 0;
  Znode* before = nullptr;
  for (int i = 0; i < 10'000; ++i) {
    Znode* node = pool.make();
    reused += known.contains(node);
    if (before != nullptr && node != before + 1) ++jumps;
    before = node;
  }
  EXPECT_GT(reused, 9'800);  // but for what was left of the last chunk
  EXPECT_LT(jumps, 200);     // from chunk to chunk
  pool.clear();
}

}  // namespace
}  // namespace zk::tree
