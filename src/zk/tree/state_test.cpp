// Deciding and applying belong together: what was decided against outstanding changes must fit when it is applied, and
// the digest promised in the transaction must be the tree's afterwards.
#include "zk/tree/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "zk/tree/proposals.h"

namespace zk::tree {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const AclList kOpen{AclEntry{kAll, Identity{"world", "anyone"}}};
constexpr std::int64_t kSession = 0x100000000000001;

// Events as "watcher type path".
class Events : public EventSink {
 public:
  void on_event(WatcherId watcher, const Event& event) override {
    seen.push_back(std::to_string(watcher) + " " + std::to_string(static_cast<int>(event.type)) + " " +
                   std::string(event.path));
  }
  std::vector<std::string> take() { return std::exchange(seen, {}); }
  std::vector<std::string> seen;
};

class StateTest : public ::testing::Test {
 protected:
  StateTest() { open_session(kSession); }

  void open_session(std::int64_t id) { run(CreateSessionRequest{30000}, id); }
  Txn decide(WriteRequest request, std::int64_t session = kSession) {
    Caller caller;
    caller.session_id = session;
    caller.identities = identities_;
    ++zxid_;
    Txn txn;
    proposals_.decide(request, caller, zxid_, 1000 + zxid_, txn);
    return txn;
  }
  Applied apply(const Txn& txn) {
    Applied applied = state_.apply(txn, &events_);
    proposals_.applied(txn);
    if (txn.digest) {
      EXPECT_EQ(*txn.digest, state_.tree().digest()) << "zxid " << txn.zxid;
    }
    return applied;
  }
  Applied run(const WriteRequest& request, std::int64_t session = kSession) { return apply(decide(request, session)); }
  Error create(const std::string& path, std::int32_t flags = 0, std::int64_t session = kSession) {
    return run(creation(path, flags), session).outcome.error;
  }
  static CreateRequest creation(const std::string& path, std::int32_t flags = 0, const std::string& data = "d") {
    CreateRequest request;
    request.path = path;
    request.data = data;
    request.acl = kOpen;
    request.flags = flags;
    return request;
  }
  static SetDataRequest setting(const std::string& path, const std::string& data, std::int32_t version = -1) {
    return SetDataRequest{path, data, version};
  }
  Stat stat(const std::string& path) const { return state_.tree().stat_of(*state_.tree().find(path)); }

  State state_;
  Proposals proposals_{state_, ProposalRules{}};
  Events events_;
  std::vector<Identity> identities_{Identity{"ip", "127.0.0.1"}};
  std::int64_t zxid_ = 0;
};

TEST_F(StateTest, AWriteIsCheckedAgainstThoseBeforeItThatAreNotAppliedYet) {
  Txn parent = decide(creation("/a"));
  Txn child = decide(creation("/a/b"));
  Txn again = decide(creation("/a"));
  Txn full = decide(DeleteRequest{"/a", -1});
  Txn gone = decide(DeleteRequest{"/a/b", -1});
  Txn empty = decide(DeleteRequest{"/a", -1});
  EXPECT_EQ(apply(parent).outcome.error, Error::ok);
  EXPECT_EQ(apply(child).outcome.error, Error::ok);
  EXPECT_EQ(apply(again).outcome.error, Error::node_exists);
  EXPECT_EQ(apply(full).outcome.error, Error::not_empty);
  EXPECT_EQ(apply(gone).outcome.error, Error::ok);
  EXPECT_EQ(apply(empty).outcome.error, Error::ok);
  EXPECT_EQ(proposals_.outstanding(), 0u);
}

TEST_F(StateTest, SequenceNumbersCountCreatesAndNeverGoBack) {
  create("/q");
  auto created = [this](const std::string& path) {
    const Txn txn = decide(creation(path, 2));
    return std::string(apply(txn).outcome.path);
  };
  EXPECT_EQ(created("/q/n-"), "/q/n-0000000000");
  create("/q/plain");
  run(DeleteRequest{"/q/n-0000000000", -1});
  EXPECT_EQ(created("/q/n-"), "/q/n-0000000002");
  EXPECT_EQ(created("/q/"), "/q/0000000003");
}

TEST_F(StateTest, ParentsCversionCountsDeletesForClients) {
  create("/a");
  create("/a/b");
  run(DeleteRequest{"/a/b", -1});
  EXPECT_EQ(stat("/a").cversion, 2);
  EXPECT_EQ(stat("/a").pzxid, zxid_);
  EXPECT_EQ(stat("/zookeeper").cversion, -2);
}

TEST_F(StateTest, AFailedMultiLeavesNothingBehind) {
  create("/a");
  MultiRequest multi;
  multi.requests = {creation("/a/b"), creation("/a/b/c"), setting("/a", "new"), CheckRequest{"/a", 7}, creation("/z")};
  Txn failed = decide(multi);
  Txn after = decide(creation("/a/b"));  // decided before the multi is applied
  Applied applied = apply(failed);
  std::vector<Error> errors;
  for (const Outcome& part : applied.parts) errors.push_back(part.error);
  EXPECT_THAT(errors, ElementsAre(Error::ok, Error::ok, Error::ok, Error::bad_version, Error::runtime_inconsistency));
  EXPECT_EQ(state_.tree().find("/a/b"), nullptr);
  EXPECT_EQ(apply(after).outcome.error, Error::ok);
}

TEST_F(StateTest, PartsOfAMultiSeeEachOtherAndShareOneZxid) {
  MultiRequest multi;
  multi.requests = {creation("/m"), creation("/m/a"), setting("/m", "2", 0), DeleteRequest{"/m/a", -1}};
  Applied applied = run(multi);
  for (const Outcome& part : applied.parts) EXPECT_EQ(part.error, Error::ok);
  EXPECT_EQ(stat("/m").czxid, zxid_);
  EXPECT_EQ(stat("/m").mzxid, zxid_);
  EXPECT_EQ(stat("/m").version, 1);
}

TEST_F(StateTest, ClosingASessionTakesItsEphemeralsAlsoThoseOnTheirWay) {
  create("/e1", 1);
  create("/gone", 1);
  Txn second = decide(creation("/e2", 1));
  Txn removed = decide(DeleteRequest{"/gone", -1});
  Txn close = decide(CloseSessionRequest{});
  Txn late = decide(creation("/e3", 1));
  EXPECT_THAT(std::get<CloseSessionTxn>(close.body).paths, ElementsAre("/e1", "/e2"));
  apply(second);
  apply(removed);
  apply(close);
  EXPECT_EQ(apply(late).outcome.error, Error::session_expired);
  EXPECT_EQ(state_.tree().node_count(), 4u);
  EXPECT_THAT(state_.sessions(), IsEmpty());
}

// What it does is undone, whosever the znodes would have been.
TEST_F(StateTest, ClosingASessionTakesWhatAFailedMultiHasLeft) {
  constexpr std::int64_t kOther = kSession + 1;
  open_session(kOther);
  Txn first = decide(creation("/e1", 1));
  MultiRequest multi;
  multi.requests = {DeleteRequest{"/e1", -1}, creation("/e1", 1), creation("/e2", 1), DeleteRequest{"/none", -1}};
  Txn failed = decide(multi);
  Txn failed_too = decide(multi, kOther);
  Txn close = decide(CloseSessionRequest{});
  Txn close_other = decide(CloseSessionRequest{}, kOther);
  EXPECT_THAT(std::get<CloseSessionTxn>(close.body).paths, ElementsAre("/e1"));
  EXPECT_THAT(std::get<CloseSessionTxn>(close_other.body).paths, IsEmpty());
  for (const Txn* txn : {&first, &failed, &failed_too, &close, &close_other}) apply(*txn);
  EXPECT_EQ(state_.tree().node_count(), 4u);
}

// A lock that goes from one session to another, and the end of the first one, before any of it is applied.
TEST_F(StateTest, ClosingASessionLeavesWhatAnotherOneHasMadeAnewUnderItsPath) {
  constexpr std::int64_t kOther = kSession + 1;
  open_session(kOther);
  for (const std::int32_t flags : {1, 0}) {  // an ephemeral of the other one's, and a znode that stays
    create("/lock", 1);
    MultiRequest multi;
    multi.requests = {DeleteRequest{"/lock", -1}, creation("/lock", flags)};
    Txn taken = decide(multi, kOther);
    Txn close = decide(CloseSessionRequest{});
    EXPECT_THAT(std::get<CloseSessionTxn>(close.body).paths, IsEmpty());
    for (const Outcome& part : apply(taken).parts) EXPECT_EQ(part.error, Error::ok);
    apply(close);
    ASSERT_NE(state_.tree().find("/lock"), nullptr);
    EXPECT_EQ(stat("/lock").ephemeral_owner, flags == 1 ? kOther : 0);
    run(DeleteRequest{"/lock", -1}, kOther);
    open_session(kSession);
  }
}

TEST_F(StateTest, EphemeralsHaveNoChildren) {
  create("/e", 1);
  EXPECT_EQ(create("/e/x"), Error::no_children_for_ephemerals);
}

TEST_F(StateTest, AclsGuardEachOperation) {
  identities_.push_back(Identity{"digest", "u:hash"});
  CreateRequest request = creation("/secret");
  request.acl = AclList{AclEntry{kRead | kWrite | kCreate | kDelete, Identity{"auth", ""}},
                        AclEntry{kRead, Identity{"world", "anyone"}}};
  EXPECT_EQ(run(request).outcome.error, Error::ok);
  EXPECT_EQ(create("/secret/child"), Error::ok);
  identities_.pop_back();
  EXPECT_EQ(run(setting("/secret", "x")).outcome.error, Error::no_auth);
  EXPECT_EQ(create("/secret/other"), Error::no_auth);
  EXPECT_EQ(run(DeleteRequest{"/secret/child", -1}).outcome.error, Error::no_auth);
  EXPECT_EQ(run(SetAclRequest{"/secret", kOpen, -1}).outcome.error, Error::no_auth);
  MultiRequest multi;
  multi.requests = {CheckRequest{"/secret", 0}};
  EXPECT_EQ(run(multi).parts.front().error, Error::ok);
}

TEST_F(StateTest, WatchesFireOnceInZooKeepersOrder) {
  create("/p");
  state_.data_watches().add("/p/c", 1, kStandardWatch);
  state_.child_watches().add("/p", 1, kStandardWatch);
  create("/p/c");
  EXPECT_THAT(events_.take(), ElementsAre("1 1 /p/c", "1 4 /p"));
  create("/p/d");
  EXPECT_THAT(events_.take(), IsEmpty());

  state_.data_watches().add("/p/c", 1, kStandardWatch);
  state_.child_watches().add("/p/c", 1, kStandardWatch);
  state_.child_watches().add("/p/c", 2, kStandardWatch);
  run(DeleteRequest{"/p/c", -1});
  EXPECT_THAT(events_.take(), ElementsAre("1 2 /p/c", "2 2 /p/c"));  // 1 hears of it once
  EXPECT_EQ(state_.data_watches().watch_count() + state_.child_watches().watch_count(), 0u);
}

TEST_F(StateTest, RecursiveWatchesStayAndNeverTellOfChildren) {
  create("/r");
  state_.add_watch("/r", 5, kRecursiveWatch);
  create("/r/a");
  run(setting("/r/a", "x"));
  run(DeleteRequest{"/r/a", -1});
  EXPECT_THAT(events_.take(), ElementsAre("5 1 /r/a", "5 3 /r/a", "5 2 /r/a"));
  state_.remove_watcher(5);
  create("/r/b");
  EXPECT_THAT(events_.take(), IsEmpty());
}

TEST_F(StateTest, SetWatchesTellsWhatWasMissed) {
  create("/old");
  std::int64_t seen = zxid_;
  create("/new");
  run(setting("/old", "changed"));
  WatchLists lists;
  lists.relative_zxid = seen;
  lists.data = {"/old", "/never"};
  lists.exist = {"/new", "/absent"};
  lists.child = {"/old", "/"};
  state_.set_watches(9, lists, events_);
  EXPECT_THAT(events_.take(), ElementsAre("9 3 /old", "9 2 /never", "9 1 /new", "9 4 /"));
  create("/absent");
  create("/old/child");
  EXPECT_THAT(events_.take(), ElementsAre("9 1 /absent", "9 4 /old"));
}

TEST_F(StateTest, MissedEventsAreToldWithoutAskingTheAcl) {
  struct Acls : EventSink {
    void on_event(WatcherId, const Event& event) override { with_acl += event.acl != nullptr; }
    int with_acl = 0;
  } acls;
  create("/there");
  WatchLists lists;
  lists.data = lists.exist = lists.child = {"/there"};
  state_.set_watches(9, lists, acls);
  EXPECT_EQ(acls.with_acl, 0);
}

TEST_F(StateTest, TheAnswerToACreateOfQuotaStatsTellsWhatWasWritten) {
  create("/zookeeper/quota/a");
  Applied made = run(creation("/zookeeper/quota/a/zookeeper_stats", 0, "ab"));
  EXPECT_EQ(made.outcome.stat.data_length, 2);
  EXPECT_EQ(state_.tree().find("/zookeeper/quota/a/zookeeper_stats")->data.view(), "count=0,bytes=0");
}

TEST_F(StateTest, OnlyNodesWithATimeToLiveTakeOne) {
  CreateRequest request = creation("/plain");
  request.type = OpCode::create_ttl;
  for (std::int64_t ttl_ms : {INT64_C(5000), INT64_C(-1)}) {
    request.ttl_ms = ttl_ms;
    EXPECT_EQ(run(request).outcome.error, Error::bad_arguments);
  }
}

TEST_F(StateTest, QuotaStatsFollowTheSubtree) {
  create("/a");
  for (const char* path :
       {"/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_limits", "/zookeeper/quota/a/zookeeper_stats"}) {
    ASSERT_EQ(create(path), Error::ok);
  }
  run(creation("/a/b", 0, "12345"));
  run(setting("/a", "xyz"));
  EXPECT_EQ(state_.tree().find("/zookeeper/quota/a/zookeeper_stats")->data.view(), "count=2,bytes=8");
  run(DeleteRequest{"/a/b", -1});
  EXPECT_EQ(state_.tree().find("/zookeeper/quota/a/zookeeper_stats")->data.view(), "count=1,bytes=3");
}

// As measured from ZooKeeper 3.9.4.
TEST_F(StateTest, ReconfigIsDisabledOrUnknownToOneServer) {
  constexpr std::int64_t kStranger = kSession + 1;
  EXPECT_EQ(run(ReconfigRequest{}).outcome.error, Error::reconfig_disabled);
  EXPECT_EQ(run(ReconfigRequest{}, kStranger).outcome.error, Error::reconfig_disabled);
  ProposalRules rules;
  rules.reconfig = true;
  Proposals enabled(state_, rules);
  Caller caller;
  for (const auto& [session, expected] : {std::pair(kSession, Error::unimplemented), {kStranger, Error::session_expired}}) {
    caller.session_id = session;
    WriteRequest request = ReconfigRequest{};
    Txn txn;
    enabled.decide(request, caller, ++zxid_, 1, txn);
    ASSERT_TRUE(std::holds_alternative<ErrorTxn>(txn.body));
    EXPECT_EQ(std::get<ErrorTxn>(txn.body).error, expected);
    EXPECT_EQ(txn.zxid, zxid_);
  }
}

TEST_F(StateTest, HardQuotasRefuseAndSoftOnesTell) {
  create("/a");
  create("/zookeeper/quota/a");
  run(creation("/zookeeper/quota/a/zookeeper_limits", 0, "count=2,bytes=10=;byteHardLimit=20;countHardLimit=3"));
  run(creation("/zookeeper/quota/a/zookeeper_stats", 0, "count=0,bytes=0"));
  ProposalRules rules;
  rules.enforce_quota = true;
  Proposals enforcing(state_, rules);
  auto error_of = [&](WriteRequest request) {
    Caller caller;
    caller.session_id = kSession;
    caller.identities = identities_;
    Txn txn;
    enforcing.decide(request, caller, ++zxid_, 1, txn);
    Error error = state_.apply(txn).outcome.error;
    enforcing.applied(txn);
    return error;
  };
  EXPECT_EQ(error_of(creation("/a/b", 0, "12345")), Error::ok);
  EXPECT_FALSE(enforcing.take_quota_exceeded());
  EXPECT_EQ(error_of(creation("/a/c", 0, "")), Error::ok);
  EXPECT_EQ(error_of(creation("/a/d", 0, "")), Error::quota_exceeded);
  auto exceeded = enforcing.take_quota_exceeded();
  ASSERT_TRUE(exceeded);
  EXPECT_TRUE(exceeded->hard);
  EXPECT_FALSE(exceeded->of_bytes);
  EXPECT_EQ(exceeded->would_be, 4);
  EXPECT_EQ(exceeded->limit, 3);
  EXPECT_EQ(error_of(setting("/a/b", std::string(20, 'x'))), Error::quota_exceeded);  // with the byte of /a itself
  EXPECT_TRUE(enforcing.take_quota_exceeded()->of_bytes);
  EXPECT_EQ(error_of(setting("/a/b", std::string(19, 'x'))), Error::ok);
  // A limit in plain form is soft.
  EXPECT_EQ(error_of(setting("/zookeeper/quota/a/zookeeper_limits", "count=3,bytes=10")), Error::ok);
  EXPECT_EQ(error_of(setting("/a/b", std::string(30, 'x'))), Error::ok);
  exceeded = enforcing.take_quota_exceeded();
  ASSERT_TRUE(exceeded);
  EXPECT_FALSE(exceeded->hard);
  // The quota's own znodes and what lies elsewhere don't count.
  EXPECT_EQ(error_of(creation("/elsewhere", 0, std::string(1000, 'x'))), Error::ok);
  EXPECT_FALSE(enforcing.take_quota_exceeded());
}

TEST_F(StateTest, ReplayOverATreeThatHasTheEffectsChangesNothing) {
  std::vector<Txn> txns;
  auto note = [&](const WriteRequest& request) {
    txns.push_back(decide(request));
    apply(txns.back());
  };
  note(creation("/f"));
  note(creation("/f/a", 2));
  note(creation("/f/b"));
  note(DeleteRequest{"/f/b", -1});
  note(setting("/f", "2"));
  std::uint64_t digest = state_.tree().digest();
  for (const Txn& txn : txns) state_.apply(txn);
  // The child that came and went is there for a moment, the last state is the same.
  EXPECT_EQ(state_.tree().digest(), digest);
}

// Random operations, some of which are decided before the ones before them are applied, while a snapshot is taken.
class RandomStateTest : public StateTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  std::string path() {
    static const std::vector<std::string> names = {"/a", "/b", "/a/x", "/a/y", "/b/x", "/a/x/1", "/a/x/2", "/b/x/1"};
    return names[random_() % names.size()];
  }
  SubRequest part() {
    switch (random_() % 5) {
      case 0:
        return DeleteRequest{path(), random_() % 4 == 0 ? 0 : -1};
      case 1:
        return setting(path(), std::string(random_() % 20, 'v'));
      case 2:
        return CheckRequest{path(), static_cast<std::int32_t>(random_() % 3) - 1};
      default:
        return creation(path(), static_cast<std::int32_t>(random_() % 4));
    }
  }
  WriteRequest request() {
    if (random_() % 6 == 0) {
      MultiRequest multi;
      for (std::size_t count = random_() % 4; count > 0; --count) multi.requests.push_back(part());
      return multi;
    }
    if (random_() % 15 == 0) {
      AclList acl{
          AclEntry{static_cast<std::int32_t>(random_() % 2 == 0 ? kAll : kAll - kAdmin), Identity{"world", "anyone"}}};
      return SetAclRequest{path(), acl, -1};
    }
    for (;;) {
      SubRequest one = part();
      if (auto* create = std::get_if<CreateRequest>(&one)) return *create;
      if (auto* remove = std::get_if<DeleteRequest>(&one)) return *remove;
      if (auto* set = std::get_if<SetDataRequest>(&one)) return *set;
    }
  }

  std::minstd_rand random_{GetParam()};
};

TEST_P(RandomStateTest, DecidedMeansApplicableAndSnapshotsAreOfOneMoment) {
  std::int64_t session = kSession;
  std::deque<Txn> waiting;
  struct Copied {
    std::string path;
    Data data;
    std::int64_t acl_id;
    StatPersisted stat;
  };
  std::vector<Copied> copied;
  std::map<std::int64_t, SharedAcl> acls;
  std::uint64_t digest_at_start = 0;
  std::size_t nodes_at_start = 0;
  bool copying = false;
  for (int step = 0; step < 3000; ++step) {
    if (random_() % 100 == 0) {
      waiting.push_back(decide(CloseSessionRequest{}, session));
      waiting.push_back(decide(CreateSessionRequest{1000}, ++session));
      while (!waiting.empty()) {
        apply(waiting.front());
        waiting.pop_front();
      }
    }
    waiting.push_back(decide(request(), session));
    while (!waiting.empty() && (waiting.size() > 5 || random_() % 2 == 0)) {
      bool is_error = std::holds_alternative<ErrorTxn>(waiting.front().body);
      Applied applied = apply(waiting.front());
      EXPECT_TRUE(is_error || applied.outcome.error == Error::ok);
      waiting.pop_front();
    }
    if (!copying && random_() % 50 == 0) {
      copying = true;
      copied.clear();
      acls = state_.tree().acls().lists();
      digest_at_start = state_.tree().digest();
      nodes_at_start = state_.tree().node_count();
      state_.tree().begin_snapshot([&](std::string_view at, const Znode& node) {
        Data data;
        if (!node.data.is_null()) data = std::string(node.data.view());
        copied.push_back(Copied{std::string(at), data, node.acl_id, node.stat});
      });
    }
    if (!copying || !state_.tree().step_snapshot(random_() % 3)) continue;
    copying = false;
    Tree loaded;
    loaded.clear();
    for (const auto& [id, acl] : acls) loaded.acls().load(id, *acl);
    for (const Copied& node : copied) {
      ASSERT_TRUE(loaded.load(node.path == "/" ? "" : node.path, node.data, node.acl_id, node.stat)) << node.path;
    }
    loaded.finish_load();
    ASSERT_EQ(loaded.digest(), digest_at_start);
    ASSERT_EQ(loaded.node_count(), nodes_at_start);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomStateTest, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace zk::tree
