// The edges of what is allowed: versions, times to live, quotas, counters that a replay must not turn back.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "zk/tree/proposals.h"

namespace zk::tree {
namespace {

constexpr std::int64_t kSession = 0x100000000000001;
enum Flags : std::int32_t { kPlain = 0, kEphemeral = 1, kContainer = 4, kTtl = 5, kTtlSequential = 6 };

class EdgesTest : public ::testing::Test {
 protected:
  EdgesTest() { run(CreateSessionRequest{30000}); }

  Error run(WriteRequest request) {
    Caller caller;
    caller.session_id = kSession;
    Txn txn;
    proposals_->decide(request, caller, ++zxid_, 1000, txn);
    const Error error = state_.apply(txn).outcome.error;
    proposals_->applied(txn);
    return error;
  }
  void rule(const ProposalRules& rules) { proposals_ = std::make_unique<Proposals>(state_, rules); }
  Error create(const std::string& path, std::int32_t flags = kPlain, std::int64_t ttl_ms = 0, const std::string& data = "d") {
    CreateRequest request;
    request.type = flags <= kEphemeral ? OpCode::create : flags == kContainer ? OpCode::create_container : OpCode::create_ttl;
    request.path = path;
    request.data = data;
    request.flags = flags;
    request.ttl_ms = ttl_ms;
    return run(request);
  }
  Error set(const std::string& path, const std::string& data) { return run(SetDataRequest{path, data, -1}); }
  void limit(const std::string& limits) {
    ASSERT_EQ(create("/a"), Error::ok);
    ASSERT_EQ(create("/zookeeper/quota/a"), Error::ok);
    ASSERT_EQ(create("/zookeeper/quota/a/zookeeper_limits", kPlain, 0, limits), Error::ok);
    ASSERT_EQ(create("/zookeeper/quota/a/zookeeper_stats", kPlain, 0, ""), Error::ok);
  }

  State state_;
  std::unique_ptr<Proposals> proposals_ = std::make_unique<Proposals>(state_, ProposalRules{});
  std::int64_t zxid_ = 0;
};

TEST_F(EdgesTest, AListHasAVersionOfItsOwn) {
  create("/a");
  set("/a", "1");
  set("/a", "2");
  const AclList open{AclEntry{kAll, Identity{"world", "anyone"}}};
  EXPECT_EQ(run(SetAclRequest{"/a", open, 2}), Error::bad_version);
  EXPECT_EQ(run(SetAclRequest{"/a", open, 0}), Error::ok);
  EXPECT_EQ(run(SetAclRequest{"/a", open, 0}), Error::bad_version);
  EXPECT_EQ(run(SetAclRequest{"/a", open, 1}), Error::ok);
}

TEST_F(EdgesTest, TimesToLive) {
  EXPECT_EQ(create("/t", kTtl, 5), Error::unimplemented);
  ProposalRules rules;
  rules.extended_types = true;
  rule(rules);
  EXPECT_EQ(create("/t", kTtl, 0), Error::bad_arguments);
  EXPECT_EQ(create("/t", kTtl, kTtlMaxMs + 1), Error::bad_arguments);
  EXPECT_EQ(create("/t", kTtl, kTtlMaxMs), Error::ok);
  EXPECT_EQ(create("/u", kTtl, 1), Error::ok);
  EXPECT_EQ(kind_of_owner(state_.tree().find("/t")->stat.ephemeral_owner), NodeKind::ttl);
  EXPECT_EQ(create("/s", kTtlSequential + 1, 5), Error::bad_arguments);
  EXPECT_EQ(create("/s", -1), Error::bad_arguments);
}

// The sweeper deletes what it has found outdated, and a client may have put something else there meanwhile.
TEST_F(EdgesTest, TheSweeperDeletesContainersAndTtlZnodesAlone) {
  create("/plain");
  create("/container", kContainer);
  EXPECT_EQ(run(DeleteContainerRequest{"/plain"}), Error::bad_version);
  EXPECT_EQ(run(DeleteContainerRequest{"/container"}), Error::ok);
  EXPECT_NE(state_.tree().find("/plain"), nullptr);
}

TEST_F(EdgesTest, QuotasRefuseNothingUnlessTheyAreEnforced) {
  limit("count=1,bytes=1=;byteHardLimit=1;countHardLimit=1");
  EXPECT_EQ(create("/a/b"), Error::ok);
  EXPECT_EQ(set("/a", "long"), Error::ok);
  EXPECT_FALSE(proposals_->take_quota_exceeded());
}

TEST_F(EdgesTest, AHardLimitOfNothingIsOne) {
  ProposalRules rules;
  rules.enforce_quota = true;
  rule(rules);
  limit("count=-1,bytes=-1=;countHardLimit=0");
  EXPECT_EQ(create("/a/b"), Error::quota_exceeded);
}

// As in ZooKeeper, which asks whether what is there afterwards is too much.
TEST_F(EdgesTest, WhatIsTooLargeMayNotBecomeALittleSmaller) {
  limit("count=-1,bytes=-1=;byteHardLimit=5");
  set("/a", "0123456789");
  ProposalRules rules;
  rules.enforce_quota = true;
  rule(rules);
  EXPECT_EQ(set("/a", "012345678"), Error::quota_exceeded);
  EXPECT_EQ(set("/a", "01234"), Error::ok);
}

TEST_F(EdgesTest, AHardLimitOfZnodesCountsBesideASoftOneOfBytes) {
  ProposalRules rules;
  rules.enforce_quota = true;
  rule(rules);
  limit("count=-1,bytes=2=;countHardLimit=1");
  EXPECT_EQ(create("/a/b", kPlain, 0, "long"), Error::quota_exceeded);
  EXPECT_TRUE(proposals_->take_quota_exceeded()->hard);
}

// Else the lists of all znodes that ever were would be in memory, and in every snapshot.
TEST_F(EdgesTest, ListsGoWithTheirLastZnode) {
  const auto lists = [&] { return state_.tree().acls().lists().size(); };
  const std::size_t before = lists();
  ProposalRules rules;
  rules.acl.skip_checks = true;
  rule(rules);
  CreateRequest request;
  request.path = "/a";
  request.acl = AclList{AclEntry{kAll, Identity{"ip", "::1"}}};
  ASSERT_EQ(run(request), Error::ok);
  EXPECT_EQ(lists(), before + 1);
  ASSERT_EQ(run(SetAclRequest{"/a", AclList{AclEntry{kAdmin, Identity{"world", "anyone"}}}, -1}), Error::ok);
  EXPECT_EQ(lists(), before + 1);
  ASSERT_EQ(run(DeleteRequest{"/a", -1}), Error::ok);
  EXPECT_EQ(lists(), before);
}

TEST(TreeEdges, ListsThatNoZnodeHasAreNotKeptOfASnapshot) {
  Tree tree;
  tree.clear();
  tree.acls().load(7, AclList{AclEntry{kRead, Identity{"ip", "::1"}}});
  tree.acls().load(9, AclList{AclEntry{kRead, Identity{"ip", "::2"}}});
  ASSERT_TRUE(tree.load("/a", "d", 9, StatPersisted{}));
  tree.finish_load();
  EXPECT_FALSE(tree.acls().lists().contains(7));
  // No id of a list that was there before comes again: a record in the log, or a snapshot, may name it.
  EXPECT_GT(tree.acls().acquire(AclList{AclEntry{kWrite, Identity{"ip", "::3"}}}), 9);
}

// As servers before 3.6 wrote it: it names no znodes.
TEST_F(EdgesTest, TheEndOfASessionTakesItsEphemeralsUnnamed) {
  ASSERT_EQ(create("/e", kEphemeral), Error::ok);
  Txn end;
  end.session_id = kSession;
  end.zxid = ++zxid_;
  end.body = CloseSessionTxn{};
  state_.apply(end);
  EXPECT_EQ(state_.tree().find("/e"), nullptr);
}

TEST_F(EdgesTest, WhatASessionHasSeenIsNoMissedEvent) {
  struct Events : EventSink {
    void on_event(WatcherId, const Event& event) override { seen.push_back(std::string(event.path)); }
    std::vector<std::string> seen;
  } events;
  create("/p");
  create("/p/c");
  const std::int64_t child_made = zxid_;
  set("/p", "new");
  WatchLists lists;
  lists.data = lists.child = {"/p"};
  lists.relative_zxid = zxid_;
  state_.set_watches(1, lists, events);
  EXPECT_TRUE(events.seen.empty());
  lists.data.clear();
  lists.relative_zxid = child_made;
  state_.set_watches(1, lists, events);
  EXPECT_TRUE(events.seen.empty());
  lists.relative_zxid = child_made - 1;
  state_.set_watches(1, lists, events);
  EXPECT_EQ(events.seen, std::vector<std::string>{"/p"});
}

TEST_F(EdgesTest, WatchesThatStayAreSetAgainAsTheyWere) {
  struct Events : EventSink {
    void on_event(WatcherId, const Event& event) override {
      seen.push_back(std::to_string(static_cast<int>(event.type)) + std::string(event.path));
    }
    std::vector<std::string> seen;
  } events;
  for (const char* path : {"/p", "/r"}) create(path);
  WatchLists lists;
  lists.persistent = {"/p"};
  lists.recursive = {"/r"};
  state_.set_watches(1, lists, events);
  Txn txn;
  txn.session_id = kSession;
  CreateTxn made;
  for (const char* path : {"/p/c", "/p/c/d", "/r/c", "/r/c/d"}) {
    made.path = path;
    txn.body = made;
    txn.zxid = ++zxid_;
    state_.apply(txn, &events);
  }
  EXPECT_EQ(events.seen, (std::vector<std::string>{"4/p", "1/r/c", "1/r/c/d"}));
}

// Who may read the one may not read the other.
TEST_F(EdgesTest, AnEventIsForThoseWhoMayReadTheZnodeThatItNames) {
  struct Events : EventSink {
    void on_event(WatcherId, const Event& event) override {
      seen.push_back(std::string(event.path) + " " + std::to_string(event.acl->at(0).permissions));
    }
    std::vector<std::string> seen;
  } events;
  Txn txn;
  const auto apply = [&](TxnBody body) {
    txn.body = std::move(body);
    txn.zxid = ++zxid_;
    state_.apply(txn, &events);
  };
  const auto made = [](const char* path, std::int32_t permissions) {
    CreateTxn create;
    create.path = path;
    create.acl = AclList{AclEntry{permissions, Identity{"ip", "::1"}}};
    return create;
  };
  const auto watch = [&] {
    state_.child_watches().add("/p", 1, kStandardWatch);
    state_.data_watches().add("/p/c", 1, kStandardWatch);
  };
  apply(made("/p", 3));
  watch();
  apply(made("/p/c", 5));
  watch();
  DeleteTxn gone;
  gone.path = "/p/c";
  apply(gone);
  EXPECT_EQ(events.seen, (std::vector<std::string>{"/p/c 5", "/p 3", "/p/c 5", "/p 3"}));
}

TEST_F(EdgesTest, WatchesOfOnePathDontEndEachOther) {
  WatchTable& watches = state_.data_watches();
  watches.add("/a", 1, kPersistentWatch);
  watches.add("/a", 1, kStandardWatch);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(watches.fire("/a"), std::vector<WatcherId>{1});
  watches.add("/", 2, kRecursiveWatch);
  EXPECT_EQ(watches.fire("/a/b"), std::vector<WatcherId>{2});
  EXPECT_TRUE(watches.remove("/a", 1, kPersistentWatch));
  EXPECT_EQ(watches.fire("/a/b"), std::vector<WatcherId>{2});
  EXPECT_EQ(watches.fire("/"), std::vector<WatcherId>{2});
}

TEST_F(EdgesTest, WithoutDigestsNoneIsLogged) {
  ProposalRules rules;
  rules.digest = false;
  rule(rules);
  WriteRequest request = SetDataRequest{"/", "x", -1};
  Caller caller;
  caller.session_id = kSession;
  Txn txn;
  proposals_->decide(request, caller, ++zxid_, 1000, txn);
  EXPECT_FALSE(txn.digest);
}

TEST_F(EdgesTest, WithoutItsLimitsAQuotaCountsNoMore) {
  limit("count=9,bytes=-1");
  ASSERT_EQ(run(DeleteRequest{"/zookeeper/quota/a/zookeeper_limits", -1}), Error::ok);
  create("/a/b");
  EXPECT_EQ(state_.tree().find("/zookeeper/quota/a/zookeeper_stats")->data.view(), "count=1,bytes=1");
  EXPECT_TRUE(state_.tree().limited_paths().empty());
}

// Its place in memory is soon another znode's, elsewhere in the tree: what is between would be missing.
TEST(TreeEdges, ASnapshotGoesOnBehindAZnodeThatWasNextAndIsGone) {
  Tree tree;
  CreateTxn create;
  const auto make = [&](const char* path) {
    create.path = path;
    ASSERT_EQ(tree.create(create, 0, 1, 1), Error::ok);
  };
  for (const char* path : {"/first", "/second", "/gone"}) make(path);
  std::set<std::string> handed;
  tree.begin_snapshot([&](std::string_view path, const Znode&) { handed.emplace(path); });
  ASSERT_FALSE(tree.step_snapshot(1));  // the root; children come newest first
  ASSERT_EQ(tree.remove("/gone", 2), Error::ok);
  for (const char* path : {"/first/a", "/first/b", "/first/c"}) make(path);
  while (!tree.step_snapshot(1)) {
  }
  EXPECT_EQ(handed, (std::set<std::string>{"/", "/first", "/second", "/gone", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}));
}

// Another one may have written the snapshot, which holds what the counters were before what came after.
TEST(TreeEdges, QuotasAreCountedAnewWhenASnapshotIsLoaded) {
  Tree tree;
  tree.clear();
  const auto load = [&](const char* path, const char* data) {
    ASSERT_TRUE(tree.load(path, data, AclCache::kOpenId, StatPersisted{})) << path;
  };
  for (const char* path : {"/a", "/a/b", "/zookeeper", "/zookeeper/quota", "/zookeeper/quota/a"}) load(path, "xyz");
  load("/zookeeper/quota/a/zookeeper_limits", "count=9,bytes=-1");
  load("/zookeeper/quota/a/zookeeper_stats", "count=77,bytes=1");
  tree.finish_load();
  EXPECT_EQ(tree.find("/zookeeper/quota/a/zookeeper_stats")->data.view(), "count=2,bytes=6");
}

TEST(TreeEdges, TheConfigZnodeIsAsServersMakeIt) {
  const Tree tree;
  const Znode& config = *tree.find("/zookeeper/config");
  EXPECT_EQ(config.stat.aversion, -1);
  EXPECT_EQ(*tree.acl_of(config), (AclList{AclEntry{kRead, Identity{"world", "anyone"}}}));
}

TEST(TreeEdges, AReplayTurnsNoCounterBack) {
  Tree tree;
  CreateTxn create;
  const auto make = [&](const char* path, std::int32_t cversion, std::int64_t zxid) {
    create.path = path;
    create.parent_cversion = cversion;
    return tree.create(create, 0, zxid, 1);
  };
  const auto counters = [&] {
    const StatPersisted& stat = tree.find("/p")->stat;
    return std::pair(stat.cversion, stat.pzxid);
  };
  ASSERT_EQ(make("/p", 1, 1), Error::ok);
  ASSERT_EQ(make("/p/a", 1, 5), Error::ok);
  ASSERT_EQ(make("/p/b", 2, 6), Error::ok);
  ASSERT_EQ(tree.remove("/p/b", 9), Error::ok);
  EXPECT_EQ(counters(), std::pair(2, std::int64_t{9}));
  EXPECT_EQ(make("/p/a", 1, 5), Error::node_exists);
  EXPECT_EQ(make("/p/b", 2, 6), Error::ok);
  EXPECT_EQ(tree.remove("/p/c", 7), Error::no_node);
  EXPECT_EQ(counters(), std::pair(2, std::int64_t{9}));
  // What the snapshot lacked is lifted, also where the child is there already.
  EXPECT_EQ(make("/p/a", 3, 10), Error::node_exists);
  EXPECT_EQ(counters(), std::pair(3, std::int64_t{10}));
  // It wraps.
  ASSERT_EQ(make("/p/x", INT32_MAX, 11), Error::ok);
  ASSERT_EQ(make("/p/y", INT32_MIN, 12), Error::ok);
  EXPECT_EQ(counters(), std::pair(INT32_MIN, std::int64_t{12}));
}

}  // namespace
}  // namespace zk::tree
