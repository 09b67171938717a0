// A whole server over real sockets: handshake, order, sessions over restarts, bounds, words, failures.
#include "zk/server/server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "base/faulty_file_system.h"
#include "base/testing/no_threads.h"
#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/coordinator.h"
#include "zk/server/data_dir_error.h"
#include "zk/server/password.h"
#include "zk/server/testing/server_fixture.h"
#include "zk/tree/types.h"

namespace zk::server {
namespace {

using ::testing::HasSubstr;
using testing::RawClient;
using testing::Reply;
using ::testing::StartsWith;
using tree::OpCode;

using ServerTest = testing::ServerFixture;

TEST(SessionPassword, IsJavasRandomOfTheId) {
  EXPECT_EQ(base::to_hex(base::as_bytes(session_password(0x1000abcd0000001))), "055c6d99370292211577bfa00cc39965");
  EXPECT_EQ(base::to_hex(base::as_bytes(session_password(-1))), "20f62cb5648dc2d771471c8a2486a9ee");
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrderAndReadsSeeTheWritesBeforeThem) {
  start();
  auto made = client();
  constexpr int kCount = 300;
  for (int i = 0; i < kCount; ++i) {
    std::string path = "/n" + std::to_string(i);
    made->send(3 * i, OpCode::exists, RawClient::path_request<proto::ExistsRequest>(path, false));
    made->send(3 * i + 1, OpCode::create, RawClient::creation(path));
    made->send(3 * i + 2, OpCode::exists, RawClient::path_request<proto::ExistsRequest>(path, false));
  }
  for (int i = 0; i < 3 * kCount; ++i) {
    Reply reply = made->receive();
    ASSERT_EQ(reply.xid, i);
    ASSERT_EQ(reply.error, i % 3 == 0 ? -101 : 0);
  }
}

TEST_F(ServerTest, AnEventComesBeforeTheAnswerThatCausedIt) {
  start();
  auto made = client();
  made->create("/a");
  made->send(50, OpCode::get_children2, RawClient::path_request<proto::GetChildren2Request>("/a", true));
  made->receive();
  made->send(51, OpCode::create, RawClient::creation("/a/b"));
  Reply event = made->receive();
  EXPECT_EQ(event.xid, -1);
  EXPECT_EQ(event.as<proto::WatcherEvent>().type, 4);
  EXPECT_EQ(made->receive().xid, 51);
}

TEST_F(ServerTest, ASessionOutlivesConnectionAndServer) {
  start();
  auto first = client();
  std::int64_t session = first->session;
  first->create("/e", 1);
  restart();
  RawClient again(server_->port());
  auto response = again.connect(session, session_password(session));
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->session_id, session);
  EXPECT_TRUE(again.exists("/e"));
  again.send(99, OpCode::close_session);
  EXPECT_EQ(again.receive().error, 0);
  EXPECT_TRUE(again.is_closed());
  EXPECT_FALSE(client()->exists("/e"));
}

TEST_F(ServerTest, WrongPasswordAndUnknownSessionAreToldThatTheyExpired) {
  start();
  auto first = client();
  RawClient thief(server_->port());
  auto response = thief.connect(first->session, std::string(16, 'x'));
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->session_id, 0);
  EXPECT_EQ(response->time_out, 0);
  EXPECT_TRUE(thief.is_closed());
  EXPECT_TRUE(first->is_closed());  // but its session lives
  RawClient back(server_->port());
  EXPECT_EQ(back.connect(first->session, session_password(first->session))->session_id, first->session);
}

TEST_F(ServerTest, AClientThatHasSeenMoreIsSentAway) {
  start();
  EXPECT_FALSE(RawClient(server_->port()).connect(0, std::string(16, '\0'), 30000, 1'000'000).has_value());
}

TEST_F(ServerTest, ASilentSessionExpiresAndItsEphemeralsGo) {
  start();
  auto watcher = client();
  auto silent = std::make_unique<RawClient>(server_->port());
  EXPECT_EQ(silent->connect(0, std::string(16, '\0'), 1)->time_out, 200);
  silent->create("/e", 1);
  watcher->send(1, OpCode::exists, RawClient::path_request<proto::ExistsRequest>("/e", true));
  watcher->receive();
  Reply event = watcher->receive();  // comes when the session is over
  EXPECT_EQ(event.as<proto::WatcherEvent>().type, 2);
  EXPECT_FALSE(watcher->exists("/e"));
  EXPECT_TRUE(silent->is_closed());
}

// The process stands still, as a stopped virtual machine, for longer than the sessions' timeout: what clients sent meanwhile is heard
// before anybody's time is over, whatever their number.
TEST_F(ServerTest, APauseOfTheServerEndsNoSessionThatHasSpoken) {
  start();
  std::vector<std::unique_ptr<RawClient>> clients;
  constexpr std::int32_t kTimeoutMs = 2000;
  for (int i = 0; i < 400; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_TRUE(clients.back()->connect(0, std::string(16, '\0'), kTimeoutMs).has_value());
    if (i % 50 != 0) continue;  // on a busy machine the first ones could be over by now
    for (auto& each : clients) each->send(-2, OpCode::ping);
    for (auto& each : clients) ASSERT_TRUE(each->receive_frame().has_value());
  }
  std::promise<void> stands_still, goes_on;
  server_->run([&](Coordinator&) {
    stands_still.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(2 * kTimeoutMs));
  });
  stands_still.get_future().wait();
  for (auto& each : clients) each->send(-2, OpCode::ping);
  server_->run([&](Coordinator&) { goes_on.set_value(); });
  goes_on.get_future().wait();
  int answered = 0;
  for (auto& each : clients) answered += each->receive_frame().has_value() ? 1 : 0;
  EXPECT_EQ(answered, 400);
  std::promise<std::size_t> sessions;
  server_->run([&](Coordinator& coordinator) { sessions.set_value(coordinator.state().sessions().size()); });
  EXPECT_EQ(sessions.get_future().get(), 400U);
}

TEST_F(ServerTest, FramesOutOfBoundsCloseTheirConnectionOnly) {
  start();
  auto good = client();
  for (std::int32_t length : {-1, 0x100000, 0x7fffffff}) {
    auto bad = client();
    base::Bytes bytes;
    base::append_big_endian(bytes, length);
    bad->send_bytes(bytes);
    EXPECT_TRUE(bad->is_closed()) << length;
  }
  auto short_one = client();
  short_one->send_frame(base::Bytes(3));
  EXPECT_TRUE(short_one->is_closed());
  EXPECT_EQ(good->create("/still-served").error, 0);
}

TEST_F(ServerTest, LargeRequestsAndAnswersPass) {
  start();
  auto made = client();
  std::string data(1'000'000, 'x');
  EXPECT_EQ(made->create("/large", 0, data).error, 0);
  for (std::int32_t i = 0; i < 30; ++i) {  // more than the socket takes at once
    made->send(i, OpCode::get_data, RawClient::path_request<proto::GetDataRequest>("/large", false));
  }
  for (std::int32_t i = 0; i < 30; ++i) {
    Reply reply = made->receive();
    ASSERT_EQ(reply.xid, i);
    ASSERT_EQ(reply.as<proto::GetDataResponse>().data, data);
  }
}

TEST_F(ServerTest, ConnectionsPerAddressAreBounded) {
  config_.connections_per_address_max = 2;
  start();
  auto first = client();
  auto second = client();
  RawClient third(server_->port());
  EXPECT_FALSE(third.connect().has_value());
}

// A socket whose client has reset it forgets where it came from: the slot that it took must be given back all the same.
TEST_F(ServerTest, ClientsThatResetGiveTheirSlotsBack) {
  config_.connections_per_address_max = 3;
  start();
  std::promise<void> go_on;
  server_->run([&](Coordinator&) { go_on.get_future().wait(); });
  for (int i = 0; i < 20; ++i) RawClient(server_->port()).reset();  // before the server has seen them
  go_on.set_value();
  for (int i = 0; i < 100; ++i) {
    RawClient early(server_->port());
    early.send_frame(base::Bytes(i % 2 == 0 ? 3 : 45));
    early.reset();
  }
  // All of the slots, once the server has heard that the others have gone.
  std::vector<std::unique_ptr<RawClient>> clients;
  while (clients.size() < config_.connections_per_address_max) {
    auto made = std::make_unique<RawClient>(server_->port());
    if (made->connect()) clients.push_back(std::move(made));
  }
  for (auto& made : clients) EXPECT_TRUE(made->exists("/zookeeper"));
}

TEST_F(ServerTest, ClientsOfBothProtocolsHaveTheirAddresses) {
  config_.client_address = "";
  start();
  auto address_of = [](RawClient& made) {
    made.send(++made.xid, OpCode::who_am_i);
    const auto who = made.receive().as<proto::WhoAmIResponse>();
    return std::string(who.client_info.at(0).auth_scheme) + " " + std::string(who.client_info.at(0).user);
  };
  auto ipv4 = client();
  EXPECT_EQ(address_of(*ipv4), "ip 127.0.0.1");
  std::unique_ptr<RawClient> ipv6;
  try {
    ipv6 = std::make_unique<RawClient>(server_->port(), true);
  } catch (const std::runtime_error&) {  // the system has no IPv6
  }
  if (ipv6) {
    ASSERT_TRUE(ipv6->connect());
    EXPECT_EQ(address_of(*ipv6), "ip 0:0:0:0:0:0:0:1");
  }
  RawClient asker(server_->port());
  asker.send_bytes(base::as_bytes("cons"));
  const std::string connections = asker.read_all();
  EXPECT_THAT(connections, HasSubstr(" /127.0.0.1:"));
  EXPECT_TRUE(!ipv6 || connections.find(" /[0:0:0:0:0:0:0:1]:") != std::string::npos) << connections;
}

// Bound to both, nobody came in by IPv6 before; so a system that has it must be seen to have it.
TEST_F(ServerTest, AnAddressOfIpv6AloneIsServed) {
  config_.client_address = "::1";
  try {
    start();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("Cannot listen on ::1"));  // the system has no IPv6
    return;
  }
  RawClient ipv6(server_->port(), true);
  EXPECT_TRUE(ipv6.connect());
  EXPECT_THROW(RawClient(server_->port()), std::runtime_error);
}

TEST_F(ServerTest, PurgingHoldsUpNobody) {
  config_.snapshot_every = 20;
  start();
  {
    auto made = client();
    for (int i = 0; i < 200; ++i) ASSERT_EQ(made->create("/s" + std::to_string(i)).error, 0);
  }
  server_.reset();
  auto snapshots = [&] {
    const auto names = base::real_file_system().list(directory_ / "version-2");
    return std::count_if(names.begin(), names.end(), [](const auto& name) { return name.starts_with("snapshot."); });
  };
  ASSERT_GT(snapshots(), 3);
  base::FaultyFileSystem files(base::real_file_system());
  std::promise<void> disk_is_back;
  std::shared_future<void> back = disk_is_back.get_future().share();
  files.set_before_remove([back] { back.wait(); });
  config_.purge_every_hours = 1;
  config_.snapshot_every = 1'000'000;
  server_ = std::make_unique<Server>(config_, files);
  server_->start();
  EXPECT_EQ(client()->create("/while-purging").error, 0);
  EXPECT_GT(snapshots(), 3);
  disk_is_back.set_value();
  while (snapshots() > 3) {
  }
  EXPECT_TRUE(client()->exists("/s199"));
}

TEST_F(ServerTest, SnapshotsAreWrittenWhileServingAndHoldEverything) {
  config_.snapshot_every = 20;
  start();
  auto made = client();
  for (int i = 0; i < 500; ++i) ASSERT_EQ(made->create("/s" + std::to_string(i)).error, 0);
  restart();
  auto again = client();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(again->exists("/s" + std::to_string(i)));
  std::size_t snapshots = 0;
  for (const std::string& name : base::real_file_system().list(directory_ / "version-2")) {
    snapshots += name.starts_with("snapshot.");
  }
  EXPECT_GT(snapshots, 3u);
}

TEST_F(ServerTest, WithoutAThreadSnapshotsArePutOff) {
  config_.snapshot_every = 20;
  start();
  auto made = client();
  const auto snapshots = [&] {
    const auto names = base::real_file_system().list(directory_ / "version-2");
    return std::count_if(names.begin(), names.end(), [](const auto& name) { return name.starts_with("snapshot."); });
  };
  const auto before = snapshots();
  {
    const base::testing::NoThreads none;
    for (int i = 0; i < 50; ++i) ASSERT_EQ(made->create("/s" + std::to_string(i)).error, 0);
    std::promise<std::string> failure;
    server_->take_snapshot([&](const SnapshotResult& result) { failure.set_value(result.failure); });
    EXPECT_NE(failure.get_future().get(), "");
    EXPECT_EQ(snapshots(), before);
  }
  for (int i = 50; i < 100; ++i) ASSERT_EQ(made->create("/s" + std::to_string(i)).error, 0);
  while (snapshots() == before) {
  }
  restart();
  EXPECT_TRUE(client()->exists("/s99"));
}

TEST_F(ServerTest, FourLetterWords) {
  config_.all_commands = false;
  start();
  auto ask = [&](const char* word) {
    RawClient asker(server_->port());
    asker.send_bytes(base::as_bytes(word));
    return asker.read_all();
  };
  EXPECT_THAT(ask("srvr"), HasSubstr("Mode: standalone\nNode count: 5\n"));
  EXPECT_EQ(ask("ruok"), "ruok is not executed because it is not in the whitelist.\n");
  config_.commands = {"ruok", "mntr"};
  restart();
  EXPECT_EQ(ask("ruok"), "imok");
  EXPECT_THAT(ask("mntr"), HasSubstr("zk_server_state\tstandalone\n"));
}

// The digests after every 128th transaction, as numbers with a sign.
TEST_F(ServerTest, TheWordHashTellsTheTreesDigests) {
  start();
  std::map<std::int64_t, std::uint64_t> digests;
  auto made = client();
  while (digests.size() < 3) {
    const std::int64_t zxid = made->create("/n-", 2).zxid;
    if (zxid % 128 != 0) continue;
    std::promise<std::uint64_t> digest;
    server_->run([&](Coordinator& coordinator) { digest.set_value(coordinator.state().tree().digest()); });
    digests[zxid] = digest.get_future().get();
  }
  std::string expected;
  for (const auto& [zxid, digest] : digests) {
    expected += fmt::format("{:x}: {}\n", zxid, static_cast<std::int64_t>(digest));
  }
  RawClient asker(server_->port());
  asker.send_bytes(base::as_bytes("hash"));
  EXPECT_EQ(asker.read_all(), expected);
}

TEST_F(ServerTest, TheSameDirectoryIsNotServedTwice) {
  start();
  Server second(config_);
  EXPECT_THROW(second.start(), DataDirError);
}

TEST_F(ServerTest, NothingIsAcknowledgedOnceTheLogFails) {
  base::FaultyFileSystem files(base::real_file_system());
  std::promise<std::string> failure;
  server_ = std::make_unique<Server>(config_, files);
  server_->set_on_failure([&](const std::string& reason, ExitCode) { failure.set_value(reason); });
  server_->start();
  auto made = client();
  ASSERT_EQ(made->create("/before").error, 0);
  base::Fault fault;
  fault.call = 1;  // the sync: the write goes past what fails (DirectWriter)
  fault.error = EIO;
  fault.persistent = true;
  files.set_fault(fault);
  made->send(5, OpCode::create, RawClient::creation("/never"));
  EXPECT_TRUE(made->is_closed());
  EXPECT_THAT(failure.get_future().get(), StartsWith("the transaction log cannot be written"));
}

TEST_F(ServerTest, AHangingSyncHoldsUpWritesAlone) {
  base::FaultyFileSystem files(base::real_file_system());
  server_ = std::make_unique<Server>(config_, files);
  server_->start();
  auto writer = client();
  auto reader = client();
  ASSERT_EQ(writer->create("/before").error, 0);
  for (int round = 0; round < 3; ++round) {
    std::promise<void> disk_is_back;
    std::shared_future<void> back = disk_is_back.get_future().share();
    files.set_before_sync([back] { back.wait(); });
    const std::string path = "/n" + std::to_string(round);
    writer->send(5, OpCode::create, RawClient::creation(path));
    writer->send(6, OpCode::create, RawClient::creation(path + "/child"));
    EXPECT_TRUE(reader->exists("/before"));
    EXPECT_FALSE(reader->exists(path));
    RawClient newcomer(server_->port());
    newcomer.send_bytes(base::as_bytes("ruok"));
    EXPECT_EQ(newcomer.read_all(), "imok");
    files.set_before_sync(nullptr);
    disk_is_back.set_value();
    EXPECT_EQ(writer->receive().error, 0);
    EXPECT_EQ(writer->receive().error, 0);
    EXPECT_TRUE(reader->exists(path + "/child"));
  }
}

TEST_F(ServerTest, ManyClientsShareSyncs) {
  start();
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      RawClient made(server_->port());
      if (!made.connect()) ++failures;
      for (int i = 0; i < 50; ++i) {
        if (made.create("/t" + std::to_string(thread) + "-" + std::to_string(i)).error != 0) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  restart();
  EXPECT_TRUE(client()->exists("/t7-49"));
}

}  // namespace
}  // namespace zk::server
