#include "zk/server/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>

#include <cerrno>

#include "zk/server/testing/test_peer.h"

namespace {

int users_asked = 0;

}  // namespace

// Instead of the C library's: who is asked for the user, and how often. A large directory's entry needs more room.
extern "C" int getpwuid_r(uid_t, passwd* entry, char*, std::size_t size, passwd** found) {
  static std::string name = "somebody";
  *found = nullptr;
  if (size < 10'000) return ERANGE;
  ++users_asked;
  entry->pw_name = name.data();
  *found = entry;
  return 0;
}

namespace zk::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using tree::OpCode;

// As ZooKeeper 3.9.4 begins its lines, of two identities.
const std::string kWho = "session=0x10003f940350000\tuser=127.0.0.1,bob\tip=127.0.0.1\t";

class Audit : public ::testing::Test {
 protected:
  Audit() {
    peer_.session_id = 0x10003f940350000;
    peer_.address = "127.0.0.1";
    peer_.identities = {{"ip", "127.0.0.1"}, {"super", ""}, {"digest", "bob:secret-hash"}};
  }
  std::vector<std::string> lines(const tree::WriteRequest& request, tree::TxnBody body) {
    const auto kept = audited(peer_, request);
    if (!kept) return {"not audited"};
    tree::Txn txn;
    txn.body = std::move(body);
    return audit_lines(*kept, txn);
  }
  static tree::CreateRequest create(const std::string& path, std::int32_t flags, OpCode type = OpCode::create) {
    tree::CreateRequest request;
    request.type = type;
    request.path = path;
    request.flags = flags;
    return request;
  }
  static tree::CreateTxn created(const std::string& path) {
    tree::CreateTxn txn;
    txn.path = path;
    return txn;
  }

  testing::TestPeer peer_;
};

TEST_F(Audit, SingleRequests) {
  EXPECT_THAT(lines(create("/s", 2), created("/s0000000002")),
              ElementsAre(kWho + "operation=create\tznode=/s0000000002\tznode_type=persistent_sequential\tresult=success"));
  EXPECT_THAT(lines(create("/a", 0), tree::ErrorTxn{tree::Error::node_exists}),
              ElementsAre(kWho + "operation=create\tznode=/a\tznode_type=persistent\tresult=failure"));
  EXPECT_THAT(lines(create("/a", 9), tree::ErrorTxn{tree::Error::bad_arguments}), ElementsAre("not audited"));
  EXPECT_THAT(lines(tree::DeleteRequest{"/a", -1}, tree::DeleteTxn{OpCode::remove, "/a"}),
              ElementsAre(kWho + "operation=delete\tznode=/a\tresult=success"));
  EXPECT_THAT(lines(tree::SetDataRequest{"/a", "x", 5}, tree::ErrorTxn{tree::Error::bad_version}),
              ElementsAre(kWho + "operation=setData\tznode=/a\tresult=failure"));
  EXPECT_THAT(lines(tree::ReconfigRequest{}, tree::ErrorTxn{tree::Error::reconfig_disabled}),
              ElementsAre(kWho + "operation=reconfig\tresult=failure"));
  EXPECT_THAT(lines(tree::CloseSessionRequest{}, tree::CloseSessionTxn{}), ElementsAre("not audited"));
}

TEST_F(Audit, ListsWithoutTheHashesInThem) {
  const tree::AclList acl = {{5, {"world", "anyone"}}, {31, {"digest", "bob:secret-hash"}}};
  EXPECT_THAT(lines(tree::SetAclRequest{"/a", acl, -1}, tree::SetAclTxn{"/a", acl, 1}),
              ElementsAre(kWho + "operation=setAcl\tznode=/a\tacl=world:anyone:crdigest:bob:x:cdrwa\tresult=success"));
}

TEST_F(Audit, ListsThatAreRefused) {
  const tree::AclList acl = {{1, {"digest", "plain"}}, {2, {"digest", "a:b::"}}, {4, {"digest", ":"}}, {8, {"digest", ""}}};
  EXPECT_THAT(lines(tree::SetAclRequest{"/a", acl, -1}, tree::ErrorTxn{tree::Error::invalid_acl}),
              ElementsAre(kWho + "operation=setAcl\tznode=/a\tacl=digest:plain:rdigest:a:x:::wdigest::x:cdigest::d\tresult=failure"));
}

TEST_F(Audit, PartsOfAMulti) {
  tree::MultiRequest request;
  request.requests = {create("/m", 1), create("/s", 2), create("/t", 5, OpCode::create_ttl), tree::SetDataRequest{"/m", "x", -1},
                      tree::DeleteRequest{"/d", -1}, tree::CheckRequest{"/m", 1}};
  tree::MultiTxn multi;
  multi.txns = {created("/m"), created("/s0000000001"), created("/t"), tree::SetDataTxn{OpCode::set_data, "/m", "x", 1},
                tree::DeleteTxn{OpCode::remove, "/d"}, tree::CheckTxn{"/m", 1}};
  EXPECT_THAT(lines(request, multi), ElementsAre(kWho + "operation=create\tznode=/m\tznode_type=ephemeral\tresult=success",
                                                 kWho + "operation=create\tznode=/s0000000001\tresult=success",
                                                 kWho + "operation=create\tznode=/t\tresult=success",
                                                 kWho + "operation=setData\tznode=/m\tresult=success",
                                                 kWho + "operation=delete\tznode=/d\tresult=success"));
  multi.txns = {tree::ErrorTxn{tree::Error::ok}, tree::ErrorTxn{tree::Error::no_node}};
  EXPECT_THAT(lines(request, multi), ElementsAre(kWho + "operation=multiOperation\tresult=failure"));
  EXPECT_THAT(lines(tree::MultiRequest{}, tree::MultiTxn{}), IsEmpty());
  request.requests.push_back(create("/no-mode", 7, OpCode::create_ttl));
  EXPECT_THAT(lines(request, multi), ElementsAre("not audited"));
}

TEST_F(Audit, APathIsNotAnotherLine) {
  EXPECT_THAT(lines(create("/a\nsession=0x1\tresult=success", 0), tree::ErrorTxn{tree::Error::bad_arguments}),
              ElementsAre(kWho + "operation=create\tznode=/a?session=0x1?result=success\tznode_type=persistent\tresult=failure"));
}

TEST_F(Audit, WhatTheServerDoes) {
  EXPECT_EQ(audit_line_of_ephemeral(0x1f, "/e"),
              "session=0x1f\tuser=somebody\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode=/e\tresult=success");
  EXPECT_EQ(audit_line_of_server("serverStart", "success"), "user=somebody\toperation=serverStart\tresult=success");
  EXPECT_EQ(users_asked, 1);
}

}  // namespace
}  // namespace zk::server
