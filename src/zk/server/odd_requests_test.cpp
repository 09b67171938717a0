// Requests that no good client sends, over real sockets.
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/testing/server_fixture.h"
#include "zk/tree/types.h"

namespace zk::server {
namespace {

using testing::RawClient;
using testing::Reply;
using tree::OpCode;

// What ZooKeeper 3.9.4 answers to requests that no good client sends.
class OddRequestTest : public testing::ServerFixture {
 protected:
  OddRequestTest() {
    config_.extended_types = true;
    start();
    client_ = client();
    last_zxid_ = client_->create("/first").zxid;
  }
  // The code of the answer; `zxids` is how many the request took.
  template <class Record>
  std::int32_t ask(OpCode op, const Record& record, std::int64_t zxids) {
    client_->send(1, op, record);
    Reply reply = client_->receive();
    EXPECT_EQ(reply.zxid, last_zxid_ + zxids);
    last_zxid_ = reply.zxid;
    return reply.error;
  }
  template <class Part>
  std::int32_t ask_multi(OpCode outer, OpCode op, const Part& part, std::int64_t zxids) {
    proto::Writer writer;
    proto::RequestHeader header;
    header.type = static_cast<std::int32_t>(outer);
    proto::MultiHeader before, end;
    before.type = static_cast<std::int32_t>(op);
    end.type = end.err = -1;
    end.done = true;
    writer.write(header).write(before).write(part).write(end);
    client_->send_frame(writer.take());
    Reply reply = client_->receive();
    EXPECT_EQ(reply.zxid, last_zxid_ + zxids);
    last_zxid_ = reply.zxid;
    last_body_ = std::move(reply.body);
    return reply.error;
  }

  std::unique_ptr<RawClient> client_;
  std::int64_t last_zxid_ = 0;
  base::Bytes last_body_;  // of the last multi's answer
};

TEST_F(OddRequestTest, NullPathsAreUnreadable) {
  proto::CreateRequest creation = RawClient::creation("");
  creation.path = proto::Nullable<std::string>::null();
  EXPECT_EQ(ask(OpCode::create, creation, 1), -5);
  proto::DeleteRequest removal;
  removal.path = proto::Nullable<std::string>::null();
  EXPECT_EQ(ask(OpCode::remove, removal, 1), -5);
  EXPECT_EQ(ask_multi(OpCode::multi, OpCode::remove, removal, 1), -5);
  proto::GetDataRequest reading;
  reading.path = proto::Nullable<std::string>::null();
  for (OpCode op : {OpCode::exists, OpCode::get_data, OpCode::get_children, OpCode::get_children2}) {
    EXPECT_EQ(ask(op, reading, 0), -5);
  }
  proto::SetWatches watches;
  watches.exist_watches = decltype(watches.exist_watches)::null();
  EXPECT_EQ(ask(OpCode::set_watches, watches, 0), -5);
}

TEST_F(OddRequestTest, NullIdentitiesAreUnreadable) {
  proto::CreateRequest creation = RawClient::creation("/null");
  creation.acl[0].id.id = proto::Nullable<std::string>::null();
  EXPECT_EQ(ask(OpCode::create, creation, 1), -5);
  creation.acl = decltype(creation.acl)::null();
  EXPECT_EQ(ask(OpCode::create, creation, 1), -114);
  EXPECT_EQ(ask_multi(OpCode::multi, OpCode::create, creation, 0), -5);
}

TEST_F(OddRequestTest, InAMultiANullListOfCreateTtlIsAnEmptyOne) {
  proto::CreateTTLRequest creation;
  creation.path = "/null";
  creation.acl = decltype(creation.acl)::null();
  creation.ttl = 1000;
  for (std::int32_t flags : {0, 4, 5, 6}) {
    creation.flags = flags;
    EXPECT_EQ(ask_multi(OpCode::multi, OpCode::create_ttl, creation, 1), 0);
    proto::Reader parts(last_body_);
    proto::MultiHeader header;
    ASSERT_TRUE(parts.read(header));
    EXPECT_EQ(header.type, -1);
    EXPECT_EQ(header.err, -114);
  }
}

TEST_F(OddRequestTest, FlagsThatNameNoModeMakeAMultiUnreadable) {
  for (std::int32_t flags : {-1, 5, 7, 1000}) {
    EXPECT_EQ(ask_multi(OpCode::multi, OpCode::create2, RawClient::creation("/no", flags), 1), -5);
  }
  proto::CreateTTLRequest plain;  // without the flag for it, the time to live counts for nothing
  plain.path = "/plain";
  plain.acl = RawClient::creation("").acl;
  plain.ttl = -1;
  EXPECT_EQ(ask_multi(OpCode::multi, OpCode::create_ttl, plain, 1), 0);
  EXPECT_TRUE(client_->exists("/plain"));
}

TEST_F(OddRequestTest, OfFlagsAndANullListTheFlagsCountFirst) {
  for (const auto& [flags, zxids] : {std::pair{-1, 1}, {7, 1}, {0, 0}, {5, 0}, {6, 0}}) {
    proto::CreateRequest creation = RawClient::creation("/no", flags);
    creation.acl = decltype(creation.acl)::null();
    EXPECT_EQ(ask_multi(OpCode::multi, OpCode::create_container, creation, zxids), -5) << flags;
  }
}

TEST_F(OddRequestTest, MultiReadSetsNoWatch) {
  proto::GetDataRequest reading;
  reading.path = "/first";
  reading.watch = true;
  EXPECT_EQ(ask_multi(OpCode::multi_read, OpCode::get_data, reading, 0), 0);
  proto::SetDataRequest change;
  change.path = "/first";
  change.version = -1;
  client_->send(9, OpCode::set_data, change);
  EXPECT_EQ(client_->receive().xid, 9);
}

TEST_F(OddRequestTest, AnAuthPacketThatCannotBeReadEndsTheConnection) {
  client_->send(-4, OpCode::auth);
  EXPECT_TRUE(client_->is_closed());
}

TEST_F(OddRequestTest, TheRootIsBelowTheEmptyPath) {
  proto::GetAllChildrenNumberRequest request;
  auto count = [&](const char* path) {
    request.path = path;
    client_->send(1, OpCode::get_all_children_number, request);
    return client_->receive().as<proto::GetAllChildrenNumberResponse>().total_number;
  };
  EXPECT_EQ(count(""), count("/") + 1);
}

TEST_F(OddRequestTest, APingIsAnsweredAsOne) {
  client_->send(77, OpCode::ping);
  EXPECT_EQ(client_->receive().xid, -2);
}

TEST_F(OddRequestTest, AReconfigThatCannotBeReadTakesNoZxid) {
  client_->send(1, OpCode::reconfig);
  Reply reply = client_->receive();
  EXPECT_EQ(reply.error, -5);
  EXPECT_EQ(reply.zxid, last_zxid_);
}

TEST_F(OddRequestTest, AnUnknownOperationIsAnsweredAndEndsTheConnection) {
  client_->send(7, static_cast<OpCode>(4711));
  const Reply reply = client_->receive();
  EXPECT_EQ(reply.xid, 7);
  EXPECT_EQ(reply.zxid, -1);
  EXPECT_EQ(reply.error, -6);
  EXPECT_TRUE(client_->is_closed());
}

}  // namespace
}  // namespace zk::server
