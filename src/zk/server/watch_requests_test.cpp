// checkWatches and removeWatches: which of a client's watches a type names.
#include <gtest/gtest.h>

#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using testing::TestPeer;
using tree::Error;
using tree::OpCode;

enum Type : std::int32_t { kChildren = 1, kData = 2, kAny = 3, kPersistent = 4, kRecursive = 5 };

class WatchRequests : public testing::CoordinatorFixture {
 protected:
  WatchRequests() {
    configure("");
    peer_ = &connect();
    for (const char* path : {"/d", "/c", "/p", "/r"}) create(*peer_, path, testing::kOpen);
    get(*peer_, "/d", true);
    proto::GetChildrenRequest children;
    children.path = "/c";
    children.watch = true;
    ask(*peer_, OpCode::get_children, children);
    for (const auto& [path, mode] : {std::pair("/p", 0), {"/r", 1}}) {
      proto::AddWatchRequest add;
      add.path = path;
      add.mode = mode;
      EXPECT_EQ(ask(*peer_, OpCode::add_watch, add).error, Error::ok);
    }
  }
  Error about(OpCode op, const std::string& path, std::int32_t type) {
    proto::CheckWatchesRequest request;
    request.path = path;
    request.type = type;
    return ask(*peer_, op, request).error;
  }
  bool has(const std::string& path, std::int32_t type) { return about(OpCode::check_watches, path, type) == Error::ok; }
  // How many events the client gets of these two, which somebody else does.
  std::size_t events_of_child_and_set(const std::string& path) {
    TestPeer& other = connect();
    peer_->take();
    create(other, path + "/child", testing::kOpen);
    set(other, path);
    return peer_->take().size();
  }

  TestPeer* peer_ = nullptr;
};

TEST_F(WatchRequests, EachTypeNamesItsOwn) {
  const std::pair<const char*, std::int32_t> own[] = {{"/d", kData}, {"/c", kChildren}, {"/p", kPersistent}, {"/r", kRecursive}};
  for (const auto& [path, type] : own) {
    for (const std::int32_t other : {kChildren, kData, kPersistent, kRecursive}) {
      EXPECT_EQ(has(path, other), other == type) << path << ' ' << other;
    }
    EXPECT_TRUE(has(path, kAny)) << path;
  }
  EXPECT_FALSE(has("/", kAny));
  EXPECT_EQ(about(OpCode::check_watches, "/d", 6), Error::marshalling_error);
  EXPECT_EQ(about(OpCode::remove_watches, "/d", 0), Error::marshalling_error);
  for (const std::int32_t mode : {-1, 2}) {
    proto::AddWatchRequest add;
    add.path = "/d";
    add.mode = mode;
    EXPECT_EQ(ask(*peer_, OpCode::add_watch, add).error, Error::marshalling_error) << mode;
  }
}

TEST_F(WatchRequests, WhatIsRemovedIsGoneAsAWhole) {
  EXPECT_EQ(about(OpCode::remove_watches, "/d", kChildren), Error::no_watcher);
  for (const auto& [path, type] : {std::pair("/d", kData), {"/c", kAny}, {"/p", kPersistent}, {"/r", kRecursive}}) {
    EXPECT_EQ(about(OpCode::remove_watches, path, type), Error::ok) << path;
    EXPECT_EQ(about(OpCode::remove_watches, path, type), Error::no_watcher) << path;
    EXPECT_EQ(events_of_child_and_set(path), 0u) << path;
  }
}

TEST_F(WatchRequests, WhatIsNotRemovedStays) {
  EXPECT_EQ(about(OpCode::remove_watches, "/p", kRecursive), Error::no_watcher);
  EXPECT_EQ(events_of_child_and_set("/p"), 2u);
  EXPECT_EQ(events_of_child_and_set("/r"), 2u);  // the child is made, the znode is set
  EXPECT_EQ(events_of_child_and_set("/c"), 1u);
  EXPECT_EQ(events_of_child_and_set("/d"), 1u);
}

}  // namespace
}  // namespace zk::server
