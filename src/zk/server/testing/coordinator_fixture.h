// For tests of the pipeline without sockets: a coordinator that is configured by lines of zoo.cfg, and clients of it
// that do what access lists allow or forbid.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "base/clock.h"
#include "zk/sasl/digest_md5.h"
#include "zk/server/testing/test_peer.h"

namespace zk::server::testing {

using tree::Error;
using tree::OpCode;

inline proto::ACL entry(std::int32_t permissions, std::string scheme, std::string id) {
  proto::ACL acl;
  acl.perms = permissions;
  acl.id.scheme = std::move(scheme);
  acl.id.id = std::move(id);
  return acl;
}

inline const std::vector<proto::ACL> kOpen = {entry(31, "world", "anyone")};
inline const std::vector<proto::ACL> kCreator = {entry(31, "auth", "")};

class CoordinatorFixture : public ::testing::Test {
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
    testing::connect(*coordinator_, peer);
    return peer;
  }

  void sync() { testing::sync(*coordinator_); }

  template <class Record>
  PeerReply ask(TestPeer& peer, OpCode op, const Record& record) {
    send(*coordinator_, peer, ++xid_, op, record);
    sync();
    for (PeerReply& reply : peer.take()) {
      if (reply.xid == xid_) return std::move(reply);
    }
    ADD_FAILURE() << "no reply to " << xid_;
    return PeerReply();
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
    PeerReply reply = ask(peer, OpCode::get_acl, request);
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
  PeerReply send_token(TestPeer& peer, std::optional<std::string> token) {
    proto::GetSASLRequest request;
    request.token = std::move(token);
    return ask(peer, OpCode::sasl, request);
  }
  static std::optional<std::string> token_of(const PeerReply& reply) {
    return reply.as<proto::SetSASLResponse>().token;
  }

  Error sasl(TestPeer& peer, const std::string& user, const std::string& password) {
    sasl::DigestClient client("zookeeper", "zk-sasl-md5", user, password);
    PeerReply challenge = send_token(peer, "");
    EXPECT_EQ(challenge.error, Error::ok);
    sasl::Step response = client.evaluate(token_of(challenge).value_or(""));
    EXPECT_EQ(response.state, sasl::StepState::more);
    PeerReply proof = send_token(peer, *response.token);
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

}  // namespace zk::server::testing
