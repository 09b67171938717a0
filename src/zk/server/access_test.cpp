// Who may do what: each permission, each scheme, multis and watches. On the pipeline alone, without sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zk/server/convert.h"
#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using ::testing::ElementsAre;
using Access = testing::CoordinatorFixture;
using testing::entry;
using testing::kCreator;
using testing::kOpen;
using testing::TestPeer;
using tree::Error;
using tree::OpCode;

TEST_F(Access, EachPermissionGuardsItsOperation) {
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

TEST_F(Access, GetAclMasksDigestsForThoseWhoAreNotAdmin) {
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

TEST_F(Access, AddressesByPattern) {
  configure("");
  TestPeer& near = connect("10.1.2.3");
  ASSERT_EQ(create(near, "/a", {entry(31, "ip", "10.0.0.0/8")}), Error::ok);
  EXPECT_EQ(get(near, "/a"), Error::ok);
  EXPECT_EQ(get(connect("11.1.2.3"), "/a"), Error::no_auth);
  EXPECT_EQ(create(near, "/b", {entry(31, "ip", "10.0.0.0/33")}), Error::invalid_acl);
  EXPECT_EQ(create(near, "/b", {entry(31, "ip", "host")}), Error::invalid_acl);
  EXPECT_EQ(create(near, "/b", kCreator), Error::invalid_acl);  // an address is no authentication
}

TEST_F(Access, WellFormedLists) {
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

TEST_F(Access, TheSuperDigestPassesAllChecks) {
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

TEST_F(Access, SkippingAcls) {
  configure("skipACL=yes\n");
  TestPeer& owner = connect();
  ASSERT_EQ(authenticate(owner, "digest", "o:p"), Error::ok);
  ASSERT_EQ(create(owner, "/a", kCreator), Error::ok);
  TestPeer& other = connect();
  EXPECT_EQ(get(other, "/a"), Error::ok);
  EXPECT_EQ(set(other, "/a"), Error::ok);
  EXPECT_EQ(remove(other, "/a"), Error::ok);
}

TEST_F(Access, TheDigestSchemeMayBeOffOrUseAnotherDigest) {
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

TEST_F(Access, EachOperationOfAMultiIsChecked) {
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

TEST_F(Access, AWatcherThatMayNotReadHearsNothing) {
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

TEST(OpenAcl, IsWrittenAsTheListThatItStandsFor) {
  EXPECT_EQ(base::as_text(proto::Writer().write(*tree::AclHandle()).bytes()), kOpenAclBytes);
}

}  // namespace
}  // namespace zk::server
