// Who may do what: schemes and their ids, SASL on opcode 102, rules per znode, and connections that must authenticate.
// On the pipeline alone, without sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/testing/temp_dir.h"
#include "zk/sasl/digest_md5.h"
#include "zk/server/coordinator.h"
#include "zk/server/identities.h"

namespace zk::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tree::Error;
using tree::OpCode;

proto::ACL entry(std::int32_t permissions, std::string scheme, std::string id) {
  proto::ACL acl;
  acl.perms = permissions;
  acl.id.scheme = std::move(scheme);
  acl.id.id = std::move(id);
  return acl;
}

struct Reply {
  std::int32_t xid = 0;
  Error error = Error::ok;
  base::Bytes body;

  template <class Record>
  Record as() const {
    Record record;
    proto::Reader reader(body);
    EXPECT_TRUE(reader.read(record));
    return record;
  }
};

class TestPeer final : public Peer {
 public:
  void close_after_output() override { phase = PeerPhase::closed; }
  void close_now() override { phase = PeerPhase::closed; }
  void flush() override {}

  std::vector<Reply> take() {
    std::vector<Reply> replies;
    base::ByteView rest(output);
    while (rest.size() >= 4) {
      auto length = static_cast<std::size_t>(base::load_big_endian<std::int32_t>(rest.data()));
      Reply& reply = replies.emplace_back();
      reply.xid = base::load_big_endian<std::int32_t>(rest.data() + 4);
      reply.error = static_cast<Error>(base::load_big_endian<std::int32_t>(rest.data() + 16));
      reply.body.assign(rest.begin() + 20, rest.begin() + 4 + static_cast<std::ptrdiff_t>(length));
      rest = rest.subspan(4 + length);
    }
    output.clear();
    return replies;
  }
};

class Security : public ::testing::Test {
 protected:
  void configure(const std::string& lines, const std::string& jaas_section = "") {
    config_ = ZooKeeperServerConfig::from(base::Properties::parse("dataDir=/d\n" + lines));
    if (!jaas_section.empty()) {
      base::Jaas jaas = base::Jaas::parse("Server { " + jaas_section + " };");
      config_.security.login =
          std::make_shared<const sasl::ServerLogin>(*jaas.find("Server"), config_.security.login_options);
    }
    coordinator_ = std::make_unique<Coordinator>(config_, clock_);
    coordinator_->begin();
  }

  TestPeer& connect(const std::string& address = "127.0.0.1") {
    TestPeer& peer = *peers_.emplace_back(std::make_unique<TestPeer>());
    peer.address = address;
    coordinator_->add_peer(peer);
    base::Bytes frame(45);
    base::store_big_endian(frame.data() + 12, std::int32_t{30000});
    base::store_big_endian(frame.data() + 24, std::int32_t{16});
    coordinator_->on_frame(peer, frame);
    sync();
    peer.output.clear();
    return peer;
  }

  void sync() {
    while (coordinator_->has_batch()) coordinator_->on_durable(coordinator_->take_batch().records, 0);
    coordinator_->flush_dirty();
  }

  template <class Record>
  Reply ask(TestPeer& peer, OpCode op, const Record& record) {
    proto::Writer writer;
    writer.write(++xid_).write(static_cast<std::int32_t>(op)).write(record);
    coordinator_->on_frame(peer, writer.bytes());
    sync();
    for (Reply& reply : peer.take()) {
      if (reply.xid == xid_) return std::move(reply);
    }
    ADD_FAILURE() << "no reply to " << xid_;
    return Reply();
  }

  Error create(TestPeer& peer, const std::string& path, std::vector<proto::ACL> acl) {
    proto::CreateRequest request;
    request.path = path;
    request.acl = std::move(acl);
    return ask(peer, OpCode::create, request).error;
  }
  Error get(TestPeer& peer, const std::string& path, bool watch = false) {
    proto::GetDataRequest request;
    request.path = path;
    request.watch = watch;
    return ask(peer, OpCode::get_data, request).error;
  }
  Error set(TestPeer& peer, const std::string& path) {
    proto::SetDataRequest request;
    request.path = path;
    request.version = -1;
    return ask(peer, OpCode::set_data, request).error;
  }
  Error remove(TestPeer& peer, const std::string& path) {
    proto::DeleteRequest request;
    request.path = path;
    request.version = -1;
    return ask(peer, OpCode::remove, request).error;
  }
  // "perms:scheme:id" each, or the error's name.
  std::vector<std::string> acl_of(TestPeer& peer, const std::string& path) {
    proto::GetACLRequest request;
    request.path = path;
    Reply reply = ask(peer, OpCode::get_acl, request);
    if (reply.error != Error::ok) return {std::string(name_of(reply.error))};
    std::vector<std::string> texts;
    for (const proto::ACL& one : reply.as<proto::GetACLResponse>().acl) {
      texts.push_back(std::to_string(one.perms) + ":" + std::string(one.id.scheme) + ":" + std::string(one.id.id));
    }
    return texts;
  }
  Error authenticate(TestPeer& peer, const std::string& scheme, const std::string& credential) {
    proto::AuthPacket packet;
    packet.scheme = scheme;
    packet.auth = credential;
    proto::Writer writer;
    writer.write(std::int32_t{-4}).write(static_cast<std::int32_t>(OpCode::auth)).write(packet);
    coordinator_->on_frame(peer, writer.bytes());
    auto replies = peer.take();
    EXPECT_EQ(replies.size(), 1U);
    return replies.at(0).error;
  }
  Reply send_token(TestPeer& peer, std::optional<std::string> token) {
    proto::GetSASLRequest request;
    request.token = std::move(token);
    return ask(peer, OpCode::sasl, request);
  }
  static std::optional<std::string> token_of(const Reply& reply) { return reply.as<proto::SetSASLResponse>().token; }

  Error sasl(TestPeer& peer, const std::string& user, const std::string& password) {
    sasl::DigestClient client("zookeeper", "zk-sasl-md5", user, password);
    Reply challenge = send_token(peer, "");
    EXPECT_EQ(challenge.error, Error::ok);
    sasl::Step response = client.evaluate(token_of(challenge).value_or(""));
    EXPECT_EQ(response.state, sasl::StepState::more);
    Reply proof = send_token(peer, *response.token);
    if (proof.error == Error::ok && token_of(proof)) {
      EXPECT_EQ(client.evaluate(*token_of(proof)).state, sasl::StepState::done);
    }
    return proof.error;
  }

  static constexpr const char* kProvider =
      "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n";
  static constexpr const char* kUsers =
      "org.apache.zookeeper.server.auth.DigestLoginModule required user_kafka=\"ks\" user_admin=\"as\";";

  base::ManualClock clock_;
  ZooKeeperServerConfig config_;
  std::unique_ptr<Coordinator> coordinator_;
  std::vector<std::unique_ptr<TestPeer>> peers_;
  std::int32_t xid_ = 0;
};

const std::vector<proto::ACL> kOpen = {entry(31, "world", "anyone")};
const std::vector<proto::ACL> kCreator = {entry(31, "auth", "")};

// SASL

TEST_F(Security, WithoutALoginSaslIsAnsweredByANullToken) {
  configure(kProvider);
  TestPeer& peer = connect();
  Reply reply = send_token(peer, "");
  EXPECT_EQ(reply.error, Error::ok);
  EXPECT_EQ(token_of(reply), std::nullopt);
  EXPECT_EQ(peer.phase, PeerPhase::open);
}

TEST_F(Security, SaslUsersOwnWhatTheyCreate) {
  configure(kProvider, kUsers);
  TestPeer& kafka = connect();
  ASSERT_EQ(sasl(kafka, "kafka", "ks"), Error::ok);
  EXPECT_EQ(create(kafka, "/k", kCreator), Error::ok);
  EXPECT_THAT(acl_of(kafka, "/k"), ElementsAre("31:sasl:kafka"));
  TestPeer& admin = connect();
  ASSERT_EQ(sasl(admin, "admin", "as"), Error::ok);
  EXPECT_EQ(get(admin, "/k"), Error::no_auth);
  EXPECT_EQ(get(connect(), "/k"), Error::no_auth);
  TestPeer& again = connect();
  ASSERT_EQ(sasl(again, "kafka", "ks"), Error::ok);
  EXPECT_EQ(get(again, "/k"), Error::ok);
}

TEST_F(Security, AFailedSaslClosesTheConnection) {
  configure(kProvider, kUsers);
  TestPeer& peer = connect();
  sasl::DigestClient client("zookeeper", "zk-sasl-md5", "kafka", "wrong");
  auto response = client.evaluate(*token_of(send_token(peer, "")));
  Reply refusal = send_token(peer, response.token);
  EXPECT_EQ(refusal.error, Error::auth_failed);
  EXPECT_EQ(token_of(refusal), std::nullopt);
  EXPECT_EQ(peer.phase, PeerPhase::closed);
  TestPeer& other = connect();
  EXPECT_EQ(send_token(other, "an initial response").error, Error::ok);
  EXPECT_EQ(send_token(other, "garbage").error, Error::auth_failed);
  EXPECT_EQ(other.phase, PeerPhase::closed);
}

TEST_F(Security, ATokenAfterTheEndFails) {
  configure(kProvider, kUsers);
  TestPeer& peer = connect();
  ASSERT_EQ(sasl(peer, "kafka", "ks"), Error::ok);
  EXPECT_EQ(send_token(peer, "").error, Error::auth_failed);
  EXPECT_EQ(peer.phase, PeerPhase::closed);
}

TEST_F(Security, ARequestWithoutATokenClosesTheConnection) {
  configure(kProvider, kUsers);
  TestPeer& peer = connect();
  proto::Writer writer;
  writer.write(std::int32_t{1}).write(static_cast<std::int32_t>(OpCode::sasl)).write(std::int32_t{-1});
  coordinator_->on_frame(peer, writer.bytes());
  EXPECT_EQ(peer.phase, PeerPhase::closed);
}

TEST_F(Security, FailedSaslClientsMayStayIfAllowed) {
  configure("allowSaslFailedClients=true\n" + std::string(kProvider), kUsers);
  TestPeer& peer = connect();
  EXPECT_EQ(sasl(peer, "kafka", "wrong"), Error::ok);
  EXPECT_EQ(peer.phase, PeerPhase::open);
  EXPECT_EQ(create(peer, "/a", kCreator), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", kOpen), Error::ok);
}

TEST_F(Security, TheSaslSuperUserPassesAllChecks) {
  configure("superUser=admin\n" + std::string(kProvider), kUsers);
  TestPeer& kafka = connect();
  ASSERT_EQ(sasl(kafka, "kafka", "ks"), Error::ok);
  ASSERT_EQ(create(kafka, "/k", kCreator), Error::ok);
  TestPeer& admin = connect();
  ASSERT_EQ(sasl(admin, "admin", "as"), Error::ok);
  EXPECT_EQ(get(admin, "/k"), Error::ok);
  // What it creates is its own, by its name and not by "super".
  EXPECT_EQ(create(admin, "/s", kCreator), Error::ok);
  EXPECT_THAT(acl_of(admin, "/s"), ElementsAre("31:sasl:admin"));
}

TEST_F(Security, WithoutItsProviderTheSchemeSaslIsInvalid) {
  configure("", kUsers);
  TestPeer& peer = connect();
  EXPECT_EQ(create(peer, "/a", {entry(31, "sasl", "kafka")}), Error::invalid_acl);
  ASSERT_EQ(sasl(peer, "kafka", "ks"), Error::ok);  // the mechanism works, but no rule may name it
  EXPECT_EQ(create(peer, "/a", kCreator), Error::invalid_acl);
}

TEST_F(Security, SaslIdsAreKerberosNames) {
  configure(kProvider);
  TestPeer& peer = connect();
  EXPECT_EQ(create(peer, "/a", {entry(31, "sasl", "kafka/host@REALM")}), Error::ok);
  EXPECT_EQ(create(peer, "/b", {entry(31, "sasl", "a/b/c")}), Error::ok);  // no '@': any name
  EXPECT_EQ(create(peer, "/c", {entry(31, "sasl", "a/b/c@R")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/c", {entry(31, "sasl", "a@b@R")}), Error::invalid_acl);
}

TEST_F(Security, AnEntryForAnySaslUser) {
  configure("letAnySaslUserDoX=everyone\n" + std::string(kProvider), kUsers);
  TestPeer& peer = connect();
  ASSERT_EQ(create(peer, "/a", {entry(1, "sasl", "everyone")}), Error::ok);
  EXPECT_EQ(get(peer, "/a"), Error::no_auth);
  ASSERT_EQ(sasl(peer, "kafka", "ks"), Error::ok);
  EXPECT_EQ(get(peer, "/a"), Error::ok);
}

// Connections that must authenticate

TEST_F(Security, SessionsMayHaveToUseSasl) {
  configure("sessionRequireClientSASLAuth=true\nallowSaslFailedClients=true\n" + std::string(kProvider), kUsers);
  TestPeer& plain = connect();
  EXPECT_EQ(get(plain, "/"), Error::session_closed_require_sasl_auth);
  EXPECT_EQ(plain.phase, PeerPhase::closed);
  TestPeer& digest = connect();
  EXPECT_EQ(authenticate(digest, "digest", "a:b"), Error::ok);
  EXPECT_EQ(get(digest, "/"), Error::session_closed_require_sasl_auth);
  EXPECT_EQ(sasl(connect(), "kafka", "wrong"), Error::session_closed_require_sasl_auth);
  TestPeer& kafka = connect();
  EXPECT_EQ(sasl(kafka, "kafka", "ks"), Error::ok);
  EXPECT_EQ(get(kafka, "/"), Error::ok);
}

TEST_F(Security, OneOfSeveralSchemesMayBeRequired) {
  configure("enforce.auth.enabled=true\nenforce.auth.schemes=digest, sasl\n" + std::string(kProvider), kUsers);
  TestPeer& plain = connect();
  EXPECT_EQ(create(plain, "/a", kOpen), Error::session_closed_require_sasl_auth);
  TestPeer& digest = connect();
  EXPECT_EQ(authenticate(digest, "digest", "a:b"), Error::ok);
  EXPECT_EQ(create(digest, "/a", kOpen), Error::ok);
  TestPeer& kafka = connect();
  EXPECT_EQ(sasl(kafka, "kafka", "ks"), Error::ok);
  EXPECT_EQ(get(kafka, "/a"), Error::ok);
}

// The rules

TEST_F(Security, EachPermissionGuardsItsOperation) {
  configure("");
  TestPeer& owner = connect();
  ASSERT_EQ(authenticate(owner, "digest", "o:p"), Error::ok);
  auto node = [&](const std::string& name, std::int32_t permissions) {
    std::string path = "/" + name;
    EXPECT_EQ(create(owner, path, {entry(31, "auth", "")}), Error::ok);
    EXPECT_EQ(create(owner, path + "/c", kOpen), Error::ok);
    proto::SetACLRequest request;
    request.path = path;
    request.acl = std::vector<proto::ACL>{entry(permissions, "world", "anyone"), entry(31, "auth", "")};
    request.version = -1;
    EXPECT_EQ(ask(owner, OpCode::set_acl, request).error, Error::ok);
    return path;
  };
  for (std::int32_t permission : {1, 2, 4, 8, 16, 0}) {
    std::string path = node("p" + std::to_string(permission), permission);
    TestPeer& other = connect();
    auto expected = [&](std::int32_t needed) { return (permission & needed) != 0 ? Error::ok : Error::no_auth; };
    EXPECT_EQ(get(other, path), expected(1));
    proto::GetChildrenRequest children;
    children.path = path;
    EXPECT_EQ(ask(other, OpCode::get_children, children).error, expected(1));
    EXPECT_EQ(ask(other, OpCode::get_children2, children).error, expected(1));
    proto::ExistsRequest exists;
    exists.path = path;
    EXPECT_EQ(ask(other, OpCode::exists, exists).error, expected(1));
    proto::GetAllChildrenNumberRequest number;
    number.path = path;
    EXPECT_EQ(ask(other, OpCode::get_all_children_number, number).error, expected(1));
    EXPECT_EQ(set(other, path), expected(2));
    EXPECT_EQ(create(other, path + "/d", kOpen), expected(4));
    EXPECT_EQ(remove(other, path + "/c"), expected(8));
    EXPECT_EQ(acl_of(other, path).size() == 1, expected(1 | 16) != Error::ok);
    proto::SetACLRequest request;
    request.path = path;
    request.acl = kOpen;
    request.version = -1;
    EXPECT_EQ(ask(other, OpCode::set_acl, request).error, expected(16));
  }
}

TEST_F(Security, GetAclMasksDigestsForThoseWhoAreNotAdmin) {
  configure("");
  TestPeer& owner = connect();
  ASSERT_EQ(authenticate(owner, "digest", "user:pass"), Error::ok);
  ASSERT_EQ(create(owner, "/a", {entry(31, "auth", ""), entry(1, "world", "anyone"), entry(1, "ip", "10.0.0.0/8")}),
            Error::ok);
  EXPECT_THAT(acl_of(owner, "/a"),
              ElementsAre("31:digest:user:smGaoVKd/cQkjm7b88GyorAUz20=", "1:world:anyone", "1:ip:10.0.0.0/8"));
  EXPECT_THAT(acl_of(connect(), "/a"), ElementsAre("31:digest:user:x", "1:world:anyone", "1:ip:10.0.0.0/8"));
  ASSERT_EQ(create(owner, "/b", kCreator), Error::ok);
  EXPECT_THAT(acl_of(connect(), "/b"), ElementsAre("NOAUTH"));
}

TEST_F(Security, AddressesByPattern) {
  configure("");
  TestPeer& near = connect("10.1.2.3");
  ASSERT_EQ(create(near, "/a", {entry(31, "ip", "10.0.0.0/8")}), Error::ok);
  EXPECT_EQ(get(near, "/a"), Error::ok);
  EXPECT_EQ(get(connect("11.1.2.3"), "/a"), Error::no_auth);
  EXPECT_EQ(create(near, "/b", {entry(31, "ip", "10.0.0.0/33")}), Error::invalid_acl);
  EXPECT_EQ(create(near, "/b", {entry(31, "ip", "host")}), Error::invalid_acl);
  EXPECT_EQ(create(near, "/b", kCreator), Error::invalid_acl);  // an address is no authentication
}

TEST_F(Security, WellFormedLists) {
  configure("");
  TestPeer& peer = connect();
  EXPECT_EQ(create(peer, "/a", {}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "world", "someone")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "super", "")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "x509", "CN=a")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "digest", "a")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "digest", "a:b:c")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "digest", "a:")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "world", "anyone"), entry(31, "digest", "a")}), Error::invalid_acl);
  EXPECT_EQ(create(peer, "/a", {entry(31, "digest", ":b")}), Error::ok);  // as Java splits it
  EXPECT_EQ(create(peer, "/b", {entry(31, "digest", "a:b:")}), Error::ok);
  EXPECT_EQ(create(peer, "/c", {entry(31, "world", "anyone"), entry(31, "world", "anyone")}), Error::ok);
  EXPECT_THAT(acl_of(peer, "/c"), ElementsAre("31:world:anyone"));
}

TEST_F(Security, TheSuperDigestPassesAllChecks) {
  configure("DigestAuthenticationProvider.superDigest=user:smGaoVKd/cQkjm7b88GyorAUz20=\n");
  TestPeer& owner = connect();
  ASSERT_EQ(authenticate(owner, "digest", "o:p"), Error::ok);
  ASSERT_EQ(create(owner, "/a", kCreator), Error::ok);
  TestPeer& super = connect();
  EXPECT_EQ(get(super, "/a"), Error::no_auth);
  ASSERT_EQ(authenticate(super, "digest", "user:pass"), Error::ok);
  EXPECT_EQ(get(super, "/a"), Error::ok);
  EXPECT_EQ(acl_of(super, "/a").size(), 1U);
  ASSERT_EQ(create(super, "/s", kCreator), Error::ok);
  EXPECT_THAT(acl_of(super, "/s"), ElementsAre("31:digest:user:smGaoVKd/cQkjm7b88GyorAUz20="));
}

TEST_F(Security, SkippingAcls) {
  configure("skipACL=yes\n");
  TestPeer& owner = connect();
  ASSERT_EQ(authenticate(owner, "digest", "o:p"), Error::ok);
  ASSERT_EQ(create(owner, "/a", kCreator), Error::ok);
  TestPeer& other = connect();
  EXPECT_EQ(get(other, "/a"), Error::ok);
  EXPECT_EQ(set(other, "/a"), Error::ok);
  EXPECT_EQ(remove(other, "/a"), Error::ok);
}

TEST_F(Security, TheDigestSchemeMayBeOffOrUseAnotherDigest) {
  configure("DigestAuthenticationProvider.enabled=false\n");
  TestPeer& peer = connect();
  EXPECT_EQ(create(peer, "/a", {entry(31, "digest", "a:b")}), Error::invalid_acl);
  EXPECT_EQ(authenticate(peer, "digest", "a:b"), Error::auth_failed);
  configure("DigestAuthenticationProvider.digestAlg=SHA-256\n");
  TestPeer& other = connect();
  ASSERT_EQ(authenticate(other, "digest", "user:pass"), Error::ok);
  ASSERT_EQ(create(other, "/a", kCreator), Error::ok);
  EXPECT_THAT(acl_of(other, "/a"), ElementsAre("31:digest:user:70yRTFkWmLJo2zxkFj6v2nIJpjDyNuvw7r8EVGDfcjo="));
}

TEST_F(Security, EachOperationOfAMultiIsChecked) {
  configure("");
  TestPeer& owner = connect();
  ASSERT_EQ(authenticate(owner, "digest", "o:p"), Error::ok);
  ASSERT_EQ(create(owner, "/mine", kCreator), Error::ok);
  TestPeer& other = connect();
  proto::Writer writer;
  auto part = [&](OpCode op, const auto& record) {
    proto::MultiHeader header;
    header.type = static_cast<std::int32_t>(op);
    header.err = -1;
    writer.write(header).write(record);
  };
  writer.write(std::int32_t{7}).write(static_cast<std::int32_t>(OpCode::multi));
  proto::CreateRequest first;
  first.path = "/open";
  first.acl = kOpen;
  part(OpCode::create, first);
  proto::CheckVersionRequest second;  // needs READ
  second.path = "/mine";
  second.version = -1;
  part(OpCode::check, second);
  proto::MultiHeader end;
  end.type = -1;
  end.done = true;
  end.err = -1;
  writer.write(end);
  coordinator_->on_frame(other, writer.bytes());
  sync();
  auto replies = other.take();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].error, Error::ok);
  proto::Reader reader(replies[0].body);
  proto::MultiHeader header;
  std::int32_t code = 1;
  ASSERT_TRUE(reader.read(header) && reader.read(code));
  EXPECT_EQ(code, 0);
  ASSERT_TRUE(reader.read(header) && reader.read(code));
  EXPECT_EQ(static_cast<Error>(code), Error::no_auth);
  EXPECT_EQ(get(other, "/open"), Error::no_node);
}

TEST_F(Security, AWatcherThatMayNotReadHearsNothing) {
  configure("");
  TestPeer& owner = connect();
  ASSERT_EQ(authenticate(owner, "digest", "o:p"), Error::ok);
  TestPeer& other = connect();
  for (TestPeer* peer : {&owner, &other}) {
    proto::ExistsRequest request;
    request.path = "/secret";
    request.watch = true;
    EXPECT_EQ(ask(*peer, OpCode::exists, request).error, Error::no_node);
    proto::AddWatchRequest watch;
    watch.path = "/";
    watch.mode = 1;
    EXPECT_EQ(ask(*peer, OpCode::add_watch, watch).error, Error::ok);
  }
  TestPeer& writer = connect();
  ASSERT_EQ(authenticate(writer, "digest", "o:p"), Error::ok);
  ASSERT_EQ(create(writer, "/secret", kCreator), Error::ok);
  ASSERT_EQ(create(writer, "/public", kOpen), Error::ok);
  EXPECT_EQ(owner.take().size(), 2U);
  EXPECT_EQ(other.take().size(), 1U);
}

// Identities

TEST(Identities, InTheOrderOfJavasMap) {
  std::vector<tree::Identity> identities;
  for (const char* id : {"user", "admin", "user"}) EXPECT_TRUE(add_identity(identities, {"sasl", id}));
  EXPECT_TRUE(add_identity(identities, {"ip", "127.0.0.1"}));
  EXPECT_TRUE(add_identity(identities, {"super", ""}));
  EXPECT_EQ(identities.size(), 4U);
}

TEST(Identities, AreBounded) {
  std::vector<tree::Identity> identities;
  int added = 0;
  while (add_identity(identities, {"digest", std::to_string(added)})) ++added;
  EXPECT_EQ(added, 128);
  identities.clear();
  EXPECT_FALSE(add_identity(identities, {"digest", std::string(100'000, 'x')}));
}

// Configuration

ZooKeeperServerConfig configured(const std::string& text, const base::JavaOptions& options) {
  base::Properties properties = base::Properties::parse("dataDir=/d\n" + text);
  add_java_options(properties, options);
  ZooKeeperServerConfig config = ZooKeeperServerConfig::from(properties);
  config.security.load_login(options);
  return config;
}

std::string refusal(const std::string& text, const base::JavaOptions& options = base::JavaOptions()) {
  try {
    configured(text, options);
    return "accepted";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(SecurityConfig, Refusals) {
  EXPECT_THAT(refusal("authProvider.1=com.example.Mine\n"), HasSubstr("authProvider.1=com.example.Mine is not valid"));
  EXPECT_THAT(refusal("enforce.auth.enabled=true\n"), HasSubstr("needs enforce.auth.schemes"));
  EXPECT_THAT(refusal("enforce.auth.enabled=true\nenforce.auth.schemes=sasl\n"), HasSubstr("not available"));
  EXPECT_THAT(refusal("sessionRequireClientSASLAuth=true\n"), HasSubstr("SASLAuthenticationProvider"));
  EXPECT_THAT(refusal("sessionRequireClientSASLAuth=yes\n"), HasSubstr("true or false"));
  EXPECT_THAT(refusal("DigestAuthenticationProvider.digestAlg=none\n"), HasSubstr("no such digest"));
  EXPECT_THAT(refusal("security.auth_to_local=RULE:[1:$1\n"), HasSubstr("a rule is malformed"));
  EXPECT_EQ(refusal("security.auth_to_local=RULE:[1:$1] DEFAULT\n"), "accepted");
  EXPECT_EQ(refusal("enforce.auth.schemes=sasl\nenforce.auth.enabled=false\n"), "accepted");
}

TEST(SecurityConfig, RequireClientAuthSchemeWarns) {
  auto config = ZooKeeperServerConfig::from(base::Properties::parse("dataDir=/d\nrequireClientAuthScheme=sasl\n"));
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_THAT(config.warnings[0], HasSubstr("sessionRequireClientSASLAuth"));
  EXPECT_TRUE(config.security.required_schemes.empty());
}

TEST(SecurityConfig, SystemPropertiesAndTheJaasFile) {
  base::testing::TempDir directory;
  std::ofstream(directory / "jaas.conf") << "Server {\n  a.DigestLoginModule required user_kafka=\"ks\";\n};\n";
  base::JavaOptions options;
  options.add("-Djava.security.auth.login.config=" + (directory / "jaas.conf") +
              " -Dzookeeper.superUser=admin -Dzookeeper.snapCount=7 -Dzookeeper.dataDir=/x -Dzookeeper.sasl.client=true"
              " -Djute.maxbuffer=4194304 -Dzookeeper.skipACL=yes");
  auto config = configured("skipACL=no\n", options);
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_TRUE(config.security.sasl_super_users.contains("admin"));
  EXPECT_EQ(config.snapshot_every, 7U);
  EXPECT_EQ(config.data_dir, "/d");
  EXPECT_EQ(config.frame_bytes_max, 4194304U);
  EXPECT_FALSE(config.skip_acl);
  ASSERT_NE(config.security.login, nullptr);
  EXPECT_EQ(config.security.login->mechanism(), "DIGEST-MD5");

  options.add("-Dzookeeper.sasl.serverconfig=Other");
  EXPECT_THAT(refusal("", options), HasSubstr("sasl.serverconfig=Other names no section"));
  std::ofstream(directory / "jaas.conf") << "Server {\n  a.DigestLoginModule user_kafka=\"ks\";\n};\n";
  EXPECT_THAT(refusal("", options), HasSubstr("jaas.conf:2: after a.DigestLoginModule must come required"));
  options.add("-Djava.security.auth.login.config=" + (directory / "none.conf"));
  EXPECT_THAT(refusal("", options), HasSubstr("none.conf"));
}

TEST(SecurityConfig, AFileWithoutASectionForTheServerMeansNoSasl) {
  base::testing::TempDir directory;
  std::ofstream(directory / "jaas.conf") << "Client { a.DigestLoginModule required username=a password=b; };\n";
  base::JavaOptions options;
  options.add("-Djava.security.auth.login.config=" + (directory / "jaas.conf"));
  EXPECT_EQ(configured("", options).security.login, nullptr);
}

}  // namespace
}  // namespace zk::server
