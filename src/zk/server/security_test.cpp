// SASL on opcode 102, what its ids mean in access lists, and connections that must authenticate. On the pipeline
// alone, without sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zk/server/identities.h"
#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using ::testing::HasSubstr;
using ::testing::ElementsAre;
using Security = testing::CoordinatorFixture;
using testing::entry;
using testing::kCreator;
using testing::kOpen;
using testing::TestPeer;
using tree::Error;
using tree::OpCode;

// SASL

TEST_F(Security, WithoutALoginSaslIsAnsweredByANullToken) {
  configure(kProvider);
  TestPeer& peer = connect();
  testing::PeerReply reply = send_token(peer, "");
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
  testing::PeerReply refusal = send_token(peer, response.token);
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

}  // namespace
}  // namespace zk::server
