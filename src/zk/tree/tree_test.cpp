// The znodes by themselves: found, loaded and refused.
#include "zk/tree/tree.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace zk::tree {
namespace {

// More than the table's tags tell apart, with the same names below many parents.
TEST(Tree, FindsEachOfManyAndNoneThatIsGone) {
  constexpr int kParents = 40, kChildren = 2000;
  Tree tree;
  auto path = [](int parent, int child) { return "/p" + std::to_string(parent) + "/c" + std::to_string(child); };
  CreateTxn create;
  for (int parent = 0; parent < kParents; ++parent) {
    create.path = "/p" + std::to_string(parent);
    ASSERT_EQ(tree.create(create, 0, 1, 1), Error::ok);
    for (int child = 0; child < kChildren; ++child) {
      create.path = path(parent, child);
      ASSERT_EQ(tree.create(create, 0, 1, 1), Error::ok);
      ASSERT_EQ(tree.create(create, 0, 1, 1), Error::node_exists);
    }
  }
  auto goes = [](int parent, int child) { return (parent * 7 + child) % 3 == 0; };
  for (int parent = 0; parent < kParents; ++parent) {
    for (int child = 0; child < kChildren; ++child) {
      if (!goes(parent, child)) continue;
      ASSERT_EQ(tree.remove(path(parent, child), 2), Error::ok);
    }
  }
  for (int parent = 0; parent < kParents; ++parent) {
    for (int child = 0; child < kChildren; ++child) {
      const Znode* node = tree.find(path(parent, child));
      ASSERT_EQ(node == nullptr, goes(parent, child)) << path(parent, child);
      ASSERT_EQ(node == nullptr ? path(parent, child) : tree.path_of(*node), path(parent, child));
    }
  }
}

// A client's path is checked before it gets here; one of a log isn't.
TEST(Tree, RefusesPathsThatNoLookupWouldFind) {
  Tree tree;
  for (const char* path : {"", "x", "//x", "/x/", "//", "/zookeeper//x", "//zookeeper"}) {
    CreateTxn txn;
    txn.path = path;
    EXPECT_NE(tree.create(txn, 0, 1, 1), Error::ok) << path;
    EXPECT_NE(tree.remove(path, 2), Error::ok) << path;
    EXPECT_TRUE(*path == '\0' || !tree.load(path, "d", AclCache::kOpenId, StatPersisted{})) << path;
    EXPECT_EQ(tree.find("/x"), nullptr) << path;
  }
  EXPECT_NE(tree.find("/zookeeper"), nullptr);
}

TEST(Tree, LoadsParentsFirstOnly) {
  Tree tree;
  tree.clear();
  auto load = [&](const char* path) { return tree.load(path, std::nullopt, AclCache::kOpenId, StatPersisted{}); };
  EXPECT_TRUE(load(""));
  EXPECT_TRUE(load("/a"));
  EXPECT_TRUE(load("/a/b"));
  EXPECT_TRUE(load("/a/c"));
  EXPECT_TRUE(load("/a/b/c"));
  EXPECT_TRUE(load("/a/d"));
  EXPECT_TRUE(load("/e"));
  EXPECT_FALSE(load("/a/d"));
  EXPECT_FALSE(load("/f/g"));
  EXPECT_FALSE(load("/f/h"));
  EXPECT_FALSE(load("a"));
  EXPECT_FALSE(load("/"));
  EXPECT_EQ(tree.find("/a/b/c")->parent, tree.find("/a/b"));
  EXPECT_EQ(tree.path_without_acl(), std::nullopt);
  EXPECT_TRUE(tree.load("/x", std::nullopt, 17, StatPersisted{}));  // no such list
  EXPECT_EQ(tree.path_without_acl(), "/x");
  CreateTxn again;
  again.path = "/x";
  again.acl = AclList{AclEntry{kRead, Identity{"ip", "::1"}}};
  EXPECT_EQ(tree.create(again, 0, 1, 1), Error::node_exists);
  EXPECT_EQ(*tree.acl_of(*tree.find("/x")), *again.acl);
  EXPECT_EQ(tree.path_without_acl(), std::nullopt);
  // Nothing is open to all, here as where the znode isn't there.
  again.acl = AclList();
  EXPECT_TRUE(tree.load("/y", std::nullopt, 17, StatPersisted{}));
  for (const char* path : {"/y", "/z"}) {
    again.path = path;
    (void)tree.create(again, 0, 1, 1);
    EXPECT_EQ(tree.find(path)->acl_id, AclCache::kOpenId) << path;
  }
}

// A path has bytes for half a million levels; who walks them has no more stack for that.
class DeepTreeTest : public testing::Test {
 protected:
  static constexpr std::size_t kLevels = 1500;
  static constexpr std::size_t kStackBytes = 128 * 1024;

  void fill() {
    std::string path;
    for (std::size_t level = 0; level < kLevels; ++level) {
      ASSERT_TRUE(tree_.load(path += "/a", "d", AclCache::kOpenId, StatPersisted{}));
    }
    deepest_ = path;
  }
  // On a thread whose stack has less than 90 bytes for each level (a sanitizer gives it more).
  static void on_a_small_stack(std::function<void()> work) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStackBytes), 0);
    pthread_t thread;
    const auto run = [](void* argument) -> void* {
      (*static_cast<std::function<void()>*>(argument))();
      return nullptr;
    };
    ASSERT_EQ(pthread_create(&thread, &attributes, run, &work), 0);
    pthread_attr_destroy(&attributes);
    pthread_join(thread, nullptr);
  }

  Tree tree_;
  std::string deepest_;
};

TEST_F(DeepTreeTest, AChangeAtTheBottomHandsTheAncestorsOverFirst) {
  fill();
  std::vector<std::size_t> sizes;
  on_a_small_stack([&] {
    tree_.begin_snapshot([&](std::string_view path, const Znode& node) {
      sizes.push_back(path.size());
      EXPECT_EQ(node.data.view(), path == "/" || path.starts_with("/zookeeper") ? "" : "d");
    });
    EXPECT_EQ(tree_.set_data(SetDataTxn{.path = deepest_, .data = std::string("new"), .version = 1}, 2, 1), Error::ok);
  });
  ASSERT_EQ(sizes.size(), kLevels + 1);  // and the root
  for (std::size_t level = 1; level <= kLevels; ++level) ASSERT_EQ(sizes[level], level * 2);
  while (!tree_.step_snapshot(100)) {
  }
  EXPECT_EQ(sizes.size(), tree_.node_count());
}

TEST_F(DeepTreeTest, IsWalkedCountedAndDeletedOnASmallStack) {
  fill();
  on_a_small_stack([&] {
    std::size_t handed = 0;
    tree_.begin_snapshot([&](std::string_view path, const Znode& node) {
      ++handed;
      EXPECT_EQ(path, tree_.path_of(node));
    });
    while (!tree_.step_snapshot(100)) {
    }
    EXPECT_EQ(handed, tree_.node_count());
    EXPECT_EQ(tree_.descendant_count(*tree_.find("/")) + 1, static_cast<std::int64_t>(tree_.node_count()));
    EXPECT_EQ(tree_.remove(deepest_, 3), Error::ok);
    tree_.clear();
  });
  EXPECT_EQ(tree_.node_count(), 1u);
}

}  // namespace
}  // namespace zk::tree
