// The pipeline at its edges, without sockets: the sweeper, who is closed when, what a session's tracker counts from, bounds.
#include <gtest/gtest.h>

#include <algorithm>

#include "zk/server/four_letter.h"
#include "zk/server/password.h"
#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using testing::creation;
using testing::PeerReply;
using testing::TestPeer;
using tree::Error;
using tree::OpCode;

class PipelineEdges : public testing::CoordinatorFixture {
 protected:
  bool is_there(const std::string& path) { return coordinator_->state().tree().find(path) != nullptr; }
  void tick(std::int64_t ms) {
    clock_.advance_ms(ms);
    coordinator_->on_tick();
    sync();
  }
  Error create(TestPeer& peer, const std::string& path, std::int32_t flags = 0) {
    constexpr std::int32_t kContainer = 4;
    return ask(peer, flags == kContainer ? OpCode::create_container : OpCode::create, creation(path, flags)).error;
  }
  Error create_ttl(TestPeer& peer, const std::string& path, std::int64_t ttl_ms) {
    proto::CreateTTLRequest request;
    request.path = path;
    request.acl.push_back(testing::kOpen.front());
    request.flags = 5;
    request.ttl = ttl_ms;
    return ask(peer, OpCode::create_ttl, request).error;
  }
  // A connection that asks for a session with these; its answer is in its output.
  TestPeer& attach(std::int64_t session_id, const std::string& password, std::int32_t timeout_ms = 30000,
                   std::int64_t last_zxid_seen = 0) {
    TestPeer& peer = *peers_.emplace_back(std::make_unique<TestPeer>());
    peer.address = "127.0.0.1";
    coordinator_->add_peer(peer);
    proto::ConnectRequest request;
    request.time_out = timeout_ms;
    request.session_id = session_id;
    request.passwd = password;
    request.last_zxid_seen = last_zxid_seen;
    coordinator_->on_frame(peer, proto::to_bytes(request));
    sync();
    return peer;
  }
};

// Of ZooKeeper's ContainerManager.
TEST_F(PipelineEdges, TheSweeperTakesContainersThatHadChildrenAndHaveNone) {
  configure("znode.container.checkIntervalMs=1000\n");
  TestPeer& peer = connect();
  for (const char* path : {"/new", "/used", "/empty"}) ASSERT_EQ(create(peer, path, 4), Error::ok);
  for (const char* path : {"/used/a", "/empty/a"}) ASSERT_EQ(create(peer, path), Error::ok);
  ASSERT_EQ(remove(peer, "/empty/a"), Error::ok);
  const std::int64_t zxid = coordinator_->state().last_zxid();
  tick(1000);
  EXPECT_TRUE(is_there("/new"));
  EXPECT_TRUE(is_there("/used"));
  EXPECT_FALSE(is_there("/empty"));
  EXPECT_EQ(coordinator_->state().last_zxid(), zxid + 1);  // nothing was tried in vain
}

TEST_F(PipelineEdges, TheSweeperLeavesATtlZnodeForItsWholeTimeAndWithChildren) {
  configure("extendedTypesEnabled=true\nznode.container.checkIntervalMs=1000\n");
  TestPeer& peer = connect();
  for (const char* path : {"/ttl", "/parent"}) ASSERT_EQ(create_ttl(peer, path, 1000), Error::ok);
  ASSERT_EQ(create(peer, "/parent/child"), Error::ok);
  const std::int64_t zxid = coordinator_->state().last_zxid();
  tick(1000);
  EXPECT_TRUE(is_there("/ttl"));
  EXPECT_EQ(coordinator_->state().last_zxid(), zxid);
  tick(1000);
  EXPECT_FALSE(is_there("/ttl"));
  EXPECT_TRUE(is_there("/parent"));
  EXPECT_EQ(coordinator_->state().last_zxid(), zxid + 1);
}

TEST_F(PipelineEdges, ASweepDeletesNoMoreThanItsShareOfAMinute) {
  configure("znode.container.checkIntervalMs=1000\nznode.container.maxPerMinute=120\n"
            "znode.container.maxNeverUsedIntervalMs=1\n");
  TestPeer& peer = connect();
  for (const char* path : {"/a", "/b", "/c", "/d", "/e"}) ASSERT_EQ(create(peer, path, 4), Error::ok);
  const std::size_t before = coordinator_->state().tree().node_count();
  tick(1000);
  EXPECT_EQ(coordinator_->state().tree().node_count(), before - 2);
  tick(999);
  EXPECT_EQ(coordinator_->state().tree().node_count(), before - 2);
  tick(1);
  EXPECT_EQ(coordinator_->state().tree().node_count(), before - 4);
}

// As after a log was cut by hand: nobody else would ever delete them.
TEST_F(PipelineEdges, EphemeralsOfASessionThatIsUnknownGo) {
  configure("");
  Coordinator again(config_, clock_);
  tree::CreateTxn create;
  create.path = "/e";
  create.ephemeral = true;
  tree::Txn txn;
  txn.session_id = 77;
  txn.zxid = 5;
  txn.body = create;
  again.state().apply(txn);
  again.begin();
  testing::sync(again);
  EXPECT_EQ(again.state().tree().find("/e"), nullptr);
  EXPECT_EQ(again.state().last_zxid(), 6);
}

TEST_F(PipelineEdges, ASessionThatWasLoadedHasItsWholeTimeout) {
  configure("tickTime=1000\n");
  Coordinator again(config_, clock_);
  again.state().load_session(77, 10'000);
  again.begin();
  const auto is_open = [&](std::int64_t ms) {
    clock_.advance_ms(ms);
    again.on_tick();
    testing::sync(again);
    return again.state().sessions().contains(77);
  };
  EXPECT_TRUE(is_open(10'000));
  EXPECT_FALSE(is_open(1001));
}

TEST_F(PipelineEdges, EveryRequestAndEveryAttachKeepsASession) {
  configure("tickTime=1000\n");
  TestPeer& peer = attach(0, std::string(16, '\0'), 10'000);
  const std::int64_t id = peer.session_id;
  const auto is_open = [&] { return coordinator_->state().sessions().contains(id); };
  tick(9000);
  testing::send(*coordinator_, peer, 1, OpCode::ping, proto::GetSASLRequest());
  tick(9000);
  EXPECT_TRUE(is_open());
  attach(id, session_password(id), 10'000);
  tick(9000);
  EXPECT_TRUE(is_open());
  tick(3000);
  EXPECT_FALSE(is_open());
}

TEST_F(PipelineEdges, AWrongPasswordGetsNothingButEndsTheOldConnection) {
  configure("");
  TestPeer& peer = connect();
  TestPeer& stranger = attach(peer.session_id, session_password(peer.session_id + 1));
  EXPECT_EQ(stranger.phase, PeerPhase::closed);
  EXPECT_EQ(peer.phase, PeerPhase::closed);
  EXPECT_TRUE(coordinator_->state().sessions().contains(peer.session_id));
}

TEST_F(PipelineEdges, ASessionThatIsBeingClosedIsGone) {
  configure("");
  TestPeer& peer = connect();
  const std::int64_t id = peer.session_id;
  testing::send(*coordinator_, peer, 1, OpCode::close_session, proto::GetSASLRequest());
  ASSERT_TRUE(coordinator_->state().sessions().contains(id));  // it is at the log
  TestPeer& again = *peers_.emplace_back(std::make_unique<TestPeer>());
  coordinator_->add_peer(again);
  proto::ConnectRequest request;
  request.time_out = 30000;
  request.session_id = id;
  request.passwd = session_password(id);
  coordinator_->on_frame(again, proto::to_bytes(request));
  EXPECT_EQ(again.phase, PeerPhase::closed);
}

TEST_F(PipelineEdges, AClientThatHasSeenOneMoreIsSentAway) {
  configure("");
  const std::int64_t zxid = (connect(), coordinator_->state().last_zxid());
  EXPECT_EQ(attach(0, "", 30000, zxid).phase, PeerPhase::open);
  EXPECT_EQ(attach(0, "", 30000, zxid + 2).phase, PeerPhase::closed);
}

TEST_F(PipelineEdges, TimeoutsAreWithinTheirBounds) {
  configure("minSessionTimeout=5000\nmaxSessionTimeout=7000\n");
  EXPECT_EQ(attach(0, "", 1).timeout_ms, 5000);
  EXPECT_EQ(attach(0, "", -1).timeout_ms, 5000);
  EXPECT_EQ(attach(0, "", 6000).timeout_ms, 6000);
  EXPECT_EQ(attach(0, "", 600'000).timeout_ms, 7000);
}

// It would be answered as the next run's own.
TEST_F(PipelineEdges, NoIdOfALoadedSessionIsGivenAgain) {
  configure("");
  const std::int64_t next = connect().session_id + 1;
  for (const std::int64_t loaded : {next + 5, next + 900}) coordinator_->state().load_session(loaded, 30000);
  coordinator_->adopt_state();
  EXPECT_EQ(connect().session_id, next + 901);
}

// Clients of 3.3 have no such byte, and take what follows for the next answer.
TEST_F(PipelineEdges, TheReadOnlyByteIsForThoseWhoSendIt) {
  configure("");
  for (const std::size_t sent : {45U, 44U}) {
    TestPeer& peer = *peers_.emplace_back(std::make_unique<TestPeer>());
    coordinator_->add_peer(peer);
    base::Bytes frame(45);
    base::store_big_endian(frame.data() + 12, std::int32_t{30000});
    base::store_big_endian(frame.data() + 24, std::int32_t{16});
    frame.resize(sent);
    coordinator_->on_frame(peer, frame);
    sync();
    EXPECT_EQ(peer.output.size(), 4 + 36 + (sent - 44));
  }
}

TEST_F(PipelineEdges, ASessionThatEndsTakesTheConnectionThatHasIt) {
  configure("tickTime=1000\n");
  TestPeer& peer = connect();
  tick(60'000);
  EXPECT_EQ(peer.phase, PeerPhase::closed);
}

TEST_F(PipelineEdges, WhoAuthenticatesInVainIsClosed) {
  configure("");
  TestPeer& peer = connect();
  EXPECT_EQ(authenticate(peer, "nothing", "x"), Error::auth_failed);
  EXPECT_EQ(peer.phase, PeerPhase::closed);
}

TEST_F(PipelineEdges, WithoutASuperDigestNobodyIsSuper) {
  configure("DigestAuthenticationProvider.superDigest=\n");
  TestPeer& peer = connect();
  EXPECT_EQ(authenticate(peer, "digest", "super:"), Error::ok);
  for (const tree::Identity& identity : peer.identities) EXPECT_NE(identity.scheme, "super");
}

TEST_F(PipelineEdges, AConnectionWithoutAHandshakeEnds) {
  configure("");
  TestPeer peer;
  coordinator_->add_peer(peer);
  tick(10'000);
  EXPECT_EQ(peer.phase, PeerPhase::connecting);
  tick(1);
  EXPECT_EQ(peer.phase, PeerPhase::closed);
  EXPECT_EQ(coordinator_->stats().metrics.sessionless_connections_expired, 1u);
  coordinator_->remove_peer(peer);
}

// Its last answer may be all that it hasn't taken; but not for ever.
TEST_F(PipelineEdges, AConnectionThatTakesNoLastAnswerEndsAfterTenTicks) {
  struct Stuck final : Peer {
    void close_after_output() override { phase = PeerPhase::closed; }
    void close_now() override { ++closed; }
    void flush() override {}
    int closed = 0;
  } peer;
  configure("");
  coordinator_->add_peer(peer);
  peer.close_after_output();
  for (int i = 0; i < 10; ++i) tick(1);
  EXPECT_EQ(peer.closed, 0);
  tick(1);
  EXPECT_EQ(peer.closed, 1);
  coordinator_->remove_peer(peer);
}

TEST_F(PipelineEdges, TokensThatComeBackAreNoMoreThanThereWere) {
  configure("connection_throttle_tokens=2\nconnection_throttle_fill_time=1000\nconnection_throttle_fill_count=5\n");
  EXPECT_EQ(attach(0, "").phase, PeerPhase::open);
  clock_.advance_ms(10'000);
  EXPECT_EQ(attach(0, "").phase, PeerPhase::open);
  EXPECT_EQ(attach(0, "").phase, PeerPhase::open);
  EXPECT_EQ(attach(0, "").phase, PeerPhase::closed);
  clock_.advance_ms(999);
  EXPECT_EQ(attach(0, "").phase, PeerPhase::closed);
  clock_.advance_ms(1);
  EXPECT_EQ(attach(0, "").phase, PeerPhase::open);
}

TEST_F(PipelineEdges, AnEventHasTheZxidOfItsChange) {
  configure("");
  TestPeer& peer = connect();
  ASSERT_EQ(create(peer, "/a"), Error::ok);
  ASSERT_EQ(get(peer, "/a", true), Error::ok);
  TestPeer& other = connect();
  ASSERT_EQ(set(other, "/a"), Error::ok);
  ASSERT_GE(peer.output.size(), 16u);
  EXPECT_EQ(base::load_big_endian<std::int32_t>(peer.output.data() + 4), -1);
  EXPECT_EQ(base::load_big_endian<std::int64_t>(peer.output.data() + 8), coordinator_->state().last_zxid());
}

TEST_F(PipelineEdges, NoMoreIsReadFromAClientThatHasAThousandRequestsWaiting) {
  configure("globalOutstandingLimit=100000\n");
  TestPeer& peer = connect();
  for (std::int32_t xid = 0; xid < 1023; ++xid) testing::send(*coordinator_, peer, xid, OpCode::create, creation("/a"));
  EXPECT_TRUE(coordinator_->accepts(peer));
  testing::send(*coordinator_, peer, 1023, OpCode::create, creation("/a"));
  EXPECT_FALSE(coordinator_->accepts(peer));
  sync();
  EXPECT_TRUE(coordinator_->accepts(peer));
}

TEST_F(PipelineEdges, NoMoreIsReadFromAnybodyWhileSoMuchWaits) {
  configure("");
  TestPeer& peer = connect();
  TestPeer& other = connect();
  testing::send(*coordinator_, peer, 1, OpCode::create, creation("/a"));
  proto::ExistsRequest large;
  large.path = "/" + std::string(1024 * 1024, 'x');
  for (std::int32_t xid = 2; xid < 65; ++xid) testing::send(*coordinator_, peer, xid, OpCode::exists, large);
  EXPECT_TRUE(coordinator_->accepts(other));
  testing::send(*coordinator_, peer, 65, OpCode::exists, large);
  EXPECT_FALSE(coordinator_->accepts(other));
  sync();
  EXPECT_TRUE(coordinator_->accepts(other));
}

TEST_F(PipelineEdges, ASyncIsSlowAboveTheThreshold) {
  configure("fsync.warningthresholdms=20\n");
  TestPeer& peer = connect();
  const auto written = [&](std::int64_t took_ms) {
    testing::send(*coordinator_, peer, 1, OpCode::create, creation("/a"));
    Synced synced = testing::synced(coordinator_->take_batch());
    synced.took_ms = took_ms;
    coordinator_->on_durable(std::move(synced));
    return coordinator_->stats().slow_syncs;
  };
  EXPECT_EQ(written(20), 0u);
  EXPECT_EQ(written(21), 1u);
}

TEST_F(PipelineEdges, OnlyWritesThatAreRefusedCountAsBeyondAQuota) {
  configure("enforceQuota=true\n");
  TestPeer& peer = connect();
  for (const char* path : {"/a", "/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_stats"}) create(peer, path);
  proto::CreateRequest limits = creation("/zookeeper/quota/a/zookeeper_limits");
  limits.data = "count=1,bytes=-1=;countHardLimit=-1";
  ASSERT_EQ(ask(peer, OpCode::create, limits).error, Error::ok);
  ASSERT_EQ(create(peer, "/a/soft"), Error::ok);
  const auto& counted = coordinator_->stats().metrics.quota_exceeded_error_per_namespace;
  EXPECT_TRUE(counted.empty());
  proto::SetDataRequest hard;
  hard.path = limits.path;
  hard.data = "count=1,bytes=-1=;countHardLimit=1";
  hard.version = -1;
  ASSERT_EQ(ask(peer, OpCode::set_data, hard).error, Error::ok);
  EXPECT_EQ(create(peer, "/a/hard"), Error::quota_exceeded);
  EXPECT_EQ(counted.at("a"), 1u);
}

TEST_F(PipelineEdges, ReadsAreForThoseWhoMayRead) {
  configure("");
  TestPeer& peer = connect();
  ASSERT_EQ(CoordinatorFixture::create(peer, "/secret", {testing::entry(16, "world", "anyone")}), Error::ok);
  proto::GetChildrenRequest children;
  children.path = "/secret";
  proto::GetAllChildrenNumberRequest number;
  number.path = "/secret";
  proto::ExistsRequest exists;
  exists.path = "/secret";
  EXPECT_EQ(get(peer, "/secret"), Error::no_auth);
  EXPECT_EQ(ask(peer, OpCode::get_children, children).error, Error::no_auth);
  EXPECT_EQ(ask(peer, OpCode::get_children2, children).error, Error::no_auth);
  EXPECT_EQ(ask(peer, OpCode::get_all_children_number, number).error, Error::no_auth);
  EXPECT_EQ(ask(peer, OpCode::exists, exists).error, Error::no_auth);
  EXPECT_EQ(acl_of(peer, "/secret"), std::vector<std::string>{"16:world:anyone"});  // read or admin
}

TEST_F(PipelineEdges, AMultiOfReadsAsksTheListOfEach) {
  configure("");
  TestPeer& peer = connect();
  ASSERT_EQ(CoordinatorFixture::create(peer, "/secret", {testing::entry(16, "world", "anyone")}), Error::ok);
  ASSERT_EQ(create(peer, "/open"), Error::ok);
  proto::Writer body;
  for (const auto& [op, path] : {std::pair(OpCode::get_data, "/secret"), {OpCode::get_children, "/secret"}, {OpCode::get_children, "/open"}}) {
    proto::MultiHeader header;
    header.type = static_cast<std::int32_t>(op);
    proto::GetDataRequest read;
    read.path = path;
    body.write(header).write(read);
  }
  proto::MultiHeader end;
  end.done = true;
  body.write(end);
  proto::Writer frame;
  frame.write(std::int32_t{1}).write(static_cast<std::int32_t>(OpCode::multi_read)).append(body.bytes());
  coordinator_->on_frame(peer, frame.bytes());
  const auto replies = peer.take();
  ASSERT_EQ(replies.size(), 1u);
  proto::Reader reader(replies[0].body);
  for (const Error expected : {Error::no_auth, Error::no_auth, Error::ok}) {
    proto::MultiHeader header;
    std::int32_t error = 0;
    ASSERT_TRUE(reader.read(header) && reader.read(error));  // of what is open: the number of names
    EXPECT_EQ(header.err, static_cast<std::int32_t>(expected));
  }
}

// A hash is as good as a password to who tries them.
TEST_F(PipelineEdges, WhoAmITellsNoHashes) {
  const std::string password = "super:secret";
  configure("DigestAuthenticationProvider.superDigest=" + *tree::digest_identity(password) + "\n");
  TestPeer& peer = connect();
  ASSERT_EQ(authenticate(peer, "digest", password), Error::ok);
  std::vector<std::string> told;
  for (const proto::ClientInfo& info : ask(peer, OpCode::who_am_i, proto::ErrorResponse()).as<proto::WhoAmIResponse>().client_info) {
    told.push_back(std::string(info.auth_scheme) + " " + std::string(info.user));
  }
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, (std::vector<std::string>{"digest super", "ip 127.0.0.1", "super "}));
}

TEST_F(PipelineEdges, EphemeralsAreToldByTheBeginningOfTheirPaths) {
  configure("");
  TestPeer& peer = connect();
  for (const char* path : {"/a1", "/a2", "/b"}) ASSERT_EQ(create(peer, path, 1), Error::ok);
  proto::GetEphemeralsRequest request;
  request.prefix_path = "/a";
  const auto answer = ask(peer, OpCode::get_ephemerals, request).as<proto::GetEphemeralsResponse>();
  EXPECT_EQ(answer.ephemerals.size(), 2u);
}

// With request_throttle_drop_stale=false what the gone have asked for is done, as those who they were.
TEST_F(PipelineEdges, WhoHasGoneIsStillWhoHeWas) {
  configure("request_throttle_max_requests=1\nrequest_throttle_drop_stale=false\n");
  TestPeer& peer = connect();
  ASSERT_EQ(authenticate(peer, "digest", "u:p"), Error::ok);
  ASSERT_EQ(CoordinatorFixture::create(peer, "/mine", testing::kCreator), Error::ok);
  TestPeer& other = connect();
  testing::send(*coordinator_, other, 1, OpCode::create, creation("/first"));
  testing::send(*coordinator_, peer, 2, OpCode::create, creation("/mine/child"));
  coordinator_->remove_peer(peer);
  sync();
  EXPECT_TRUE(is_there("/mine/child"));
}

// A request may take as long as its session, and be as large as the threshold.
TEST_F(PipelineEdges, TheThresholdsOfTheQueueAreWithin) {
  configure("request_throttle_max_requests=1\nrequest_stale_latency_check=true\nlargeRequestThreshold=100\n"
            "largeRequestMaxBytes=150\n");
  TestPeer& first = connect();
  TestPeer& late = connect();
  testing::send(*coordinator_, first, 1, OpCode::create, creation("/a"));
  testing::send(*coordinator_, late, 1, OpCode::create, creation("/b"));
  clock_.advance_ms(30'000);
  sync();
  EXPECT_EQ(late.phase, PeerPhase::open);
  EXPECT_TRUE(is_there("/b"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(coordinator_->accepts_size(100));
  EXPECT_TRUE(coordinator_->accepts_size(150));
  EXPECT_FALSE(coordinator_->accepts_size(151));
  proto::CreateRequest request = creation("/c");
  request.data = std::string(100 - proto::to_bytes(request).size(), 'd');  // with it, there is its length already
  testing::send(*coordinator_, first, 2, OpCode::create, request);
  EXPECT_TRUE(coordinator_->accepts_size(150));
  sync();
}

TEST_F(PipelineEdges, TheWordConfTellsThatAPortIsNotServed) {
  configure("4lw.commands.whitelist=*\n");
  EXPECT_TRUE(answer_four_letter_word("conf", {}, *coordinator_).starts_with("clientPort=-1\nsecureClientPort=-1\n"));
  configure("4lw.commands.whitelist=*\nclientPort=2182\nsecureClientPort=2183\n");
  EXPECT_TRUE(answer_four_letter_word("conf", {}, *coordinator_).starts_with("clientPort=2182\nsecureClientPort=2183\n"));
}

}  // namespace
}  // namespace zk::server
