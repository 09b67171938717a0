// How much memory the frames and answers of many connections may hold, and whom it is given to.
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <fstream>
#include <thread>

#include "broker/net/connection.h"
#include "broker/net/testing/server_fixture.h"

namespace broker::net {
namespace {

using namespace testing;

TEST_F(ServerTest, MemoryForLargeFramesIsSharedAndBounded) {
  options.queued_request_bytes_max = 1 << 20;
  options.stalled_frame_ms = 100;
  start();
  // Two that never finish use up the budget; who comes later is served once they are given up.
  Client stuck(port);
  Client stuck_too(port);
  base::Bytes lead = Client::framed(base::Bytes(900'000, kEcho));
  stuck.send_raw(base::ByteView(lead).first(100'000));
  stuck_too.send_raw(base::ByteView(lead).first(100'000));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  Client small(port);
  small.send({kEcho});
  EXPECT_TRUE(small.receive());
  Client large(port);
  std::thread writer([&] { large.send_raw(lead); });
  EXPECT_EQ(large.receive()->size(), 900'000u);
  writer.join();
}

// Bytes that come one by one reserve as much memory as those that come at once.
TEST_F(ServerTest, MemoryForLargeFramesIsNotForThoseWhoFillItSlowly) {
  options.queued_request_bytes_max = 1 << 20;
  options.stalled_frame_ms = 100;
  start();
  const base::Bytes lead = Client::framed(base::Bytes(900'000, kEcho));
  std::atomic<bool> done = false;
  const auto trickle = [&] {
    Client slow(port);
    boost::system::error_code closed;
    asio::write(slow.socket(), asio::buffer(lead.data(), 100'000), closed);
    for (std::size_t at = 100'000; !closed && !done; ++at) {
      asio::write(slow.socket(), asio::buffer(lead.data() + at, 1), closed);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return static_cast<bool>(closed);
  };
  std::thread one(trickle);
  std::thread two(trickle);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  Client large(port);
  std::thread writer([&] { large.send_raw(lead); });
  const auto answer = large.receive();
  done = true;
  EXPECT_TRUE(answer && answer->size() == 900'000u);
  for (std::thread* each : {&writer, &one, &two}) each->join();
}

// A length costs its sender four bytes.
TEST_F(ServerTest, MemoryForLargeFramesIsNotForThoseWhoOnlyAnnounceMuch) {
  options.queued_request_bytes_max = 4 << 20;
  start();
  const base::Bytes lead = Client::framed(base::Bytes(50 << 20, kEcho));
  std::vector<std::unique_ptr<Client>> announcers;
  for (int i = 0; i < 3; ++i) {
    announcers.push_back(std::make_unique<Client>(port));
    announcers.back()->send_raw(base::ByteView(lead).first(100'000));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // they have what they get
  Client large(port);
  std::thread writer([&] { large.send_raw(Client::framed(base::Bytes(900'000, kEcho))); });
  const auto answer = large.receive();
  EXPECT_TRUE(answer && answer->size() == 900'000u);
  if (!answer) large.socket().close();
  writer.join();
}

// Each has a part of its frame and wants more than there is for all.
TEST_F(ServerTest, FramesThatAreLargerThanAllMemoryAreServedOneAfterAnother) {
  options.queued_request_bytes_max = 3 << 20;
  start(2);
  constexpr std::size_t kBytes = 5 << 20;
  const base::Bytes frame = Client::framed(base::Bytes(kBytes, kEcho));
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> writers;
  for (int i = 0; i < 6; ++i) {
    Client& client = *clients.emplace_back(std::make_unique<Client>(port));
    writers.emplace_back([&client, &frame] { client.send_raw(frame); });
  }
  for (const auto& client : clients) {
    const auto answer = client->receive();
    EXPECT_TRUE(answer && answer->size() == kBytes);
  }
  for (std::thread& each : writers) each.join();
}

// It waits for memory, so it isn't read from; what it holds meanwhile would be kept from others.
TEST_F(ServerTest, WhoGoesWhileItWaitsForMemoryIsNoticed) {
  options.queued_request_bytes_max = 1 << 20;
  options.connection_idle_ms = 60'000;
  start();
  const base::Bytes lead = Client::framed(base::Bytes(900'000, kEcho));
  std::vector<std::unique_ptr<Client>> holders;
  for (int i = 0; i < 3; ++i) {
    holders.push_back(std::make_unique<Client>(port));
    holders.back()->send_raw(base::ByteView(lead).first(100'000));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  eventually([&] { return server->connection_count() == 3; });
  holders.pop_back();  // the one that waits
  eventually([&] { return server->connection_count() == 2; });
}

// What can't begin yet is left in the socket, as by Kafka, if it is large: no memory is kept from others for it.
TEST_F(ServerTest, MemoryForLargeFramesIsNotForThoseWhoseTurnHasNotCome) {
  options.queued_request_bytes_max = 1 << 20;
  start();
  base::Bytes in_turn(900'000, 0);
  in_turn[0] = kInTurn;
  const base::Bytes behind = Client::framed(in_turn);
  std::vector<std::unique_ptr<Client>> waiting;
  std::vector<std::thread> writers;
  for (const std::uint8_t gate : {std::uint8_t{1}, std::uint8_t{2}}) {
    Client& client = *waiting.emplace_back(std::make_unique<Client>(port));
    client.send({kInTurn, gate});
    writers.emplace_back([&client, &behind] { client.send_raw(behind); });
  }
  eventually([&] { return handler.started == 2; });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // they would have been read by now
  EXPECT_EQ(handler.started, 2);
  Client large(port);
  writers.emplace_back([&] { large.send_raw(Client::framed(base::Bytes(900'000, kEcho))); });
  const auto answer = large.receive();
  EXPECT_TRUE(answer && answer->size() == 900'000u);
  for (const std::uint8_t gate : {std::uint8_t{1}, std::uint8_t{2}}) handler.gate_of(gate).set(true);
  for (const auto& client : waiting) {
    EXPECT_EQ(client->receive()->size(), std::size_t{1} << 20);
    EXPECT_EQ(client->receive()->size(), std::size_t{1} << 20);
  }
  for (std::thread& each : writers) each.join();
}

// The answers of requests that are read ahead don't gather in memory.
TEST_F(ServerTest, WhoseAnswersAreNotTakenIsNotServedOn) {
  constexpr int kAnswers = 50;  // of 1 MiB: a socket takes a few
  start();
  Client client(port);
  client.send({kInTurn, 1});
  for (int i = 1; i < kAnswers; ++i) client.send({kInTurn});
  eventually([&] { return handler.started == kAnswers; });
  EXPECT_EQ(handler.finished, 0);
  handler.gate_of(1).set(true);
  eventually([&] { return handler.finished > 0; });
  Client other(port);
  for (int i = 0; i < 100; ++i) {  // the loop has had time for all
    other.send({kEcho});
    ASSERT_TRUE(other.receive());
  }
  EXPECT_LT(handler.finished - 100, kAnswers / 2);
  for (int i = 0; i < kAnswers; ++i) ASSERT_EQ(client.receive()->size(), std::size_t{1} << 20) << i;
  EXPECT_EQ(handler.finished, 100 + kAnswers);
}

TEST_F(ServerTest, RequestsThatWaitForTheirTurnAreBoundedInBytes) {
  start();
  Client client(port);
  client.send({kInTurn, 1});
  constexpr int kBytes = 8 << 10;
  constexpr int kFrames = 40;
  for (int i = 0; i < kFrames; ++i) {
    base::Bytes frame(kBytes, 0);
    frame[0] = kInTurn;
    client.send(std::move(frame));
  }
  constexpr int kMax = static_cast<int>(Connection::kWaitingBytesMax) / kBytes;
  eventually([&] { return handler.started == 1 + kMax; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(handler.started, 1 + kMax);
  handler.gate_of(1).set(true);
  for (int i = 0; i <= kFrames; ++i) ASSERT_TRUE(client.receive());
}

TEST(FrameBudget, WhatIsGivenBackGoesToAllForWhomThereIsRoom) {
  FrameBudget budget(100);
  EXPECT_TRUE(budget.try_acquire(120));
  std::string served;
  for (const char* name : {"a", "b", "c", "d"}) budget.wait(40, false, [&served, name](FrameGrant) { served += name; });
  EXPECT_FALSE(budget.try_acquire(1));
  budget.give_back({120});
  EXPECT_EQ(served, "abc");  // the last one passes the limit
  EXPECT_EQ(budget.used_bytes(), 120);
  EXPECT_TRUE(budget.has_waiters());
  EXPECT_FALSE(budget.try_acquire(1));
  budget.give_back({40});
  EXPECT_EQ(served, "abcd");
  budget.give_back({120});
  EXPECT_EQ(budget.used_bytes(), 0);
  budget.wait(10, false, [&](FrameGrant) { served += "e"; });
  EXPECT_EQ(served, "abcde");
  EXPECT_EQ(budget.used_bytes(), 10);
  budget.give_back({10});
  FrameBudget unlimited(-1);
  EXPECT_TRUE(unlimited.try_acquire(1 << 30));
  EXPECT_TRUE(unlimited.try_acquire(1 << 30));
}

TEST(FrameBudget, FramesThatHaveBegunComeFirstAndOneOfThemOverdraws) {
  FrameBudget budget(100);
  EXPECT_TRUE(budget.try_acquire(100));
  std::string served;
  const auto note = [&served](std::string name) {
    return [&served, name](FrameGrant grant) { served += name + (grant.overdraft ? "!" : std::to_string(grant.bytes)) + " "; };
  };
  budget.wait(30, false, note("new"));
  EXPECT_EQ(served, "");
  EXPECT_TRUE(budget.try_overdraw());
  EXPECT_FALSE(budget.try_overdraw());
  budget.wait(60, true, note("a"));
  budget.wait(70, true, note("b"));
  budget.wait(80, true, note("c"));
  EXPECT_EQ(served, "");
  budget.give_back({50, true});  // room for one; the next has the overdraft, which doesn't count
  EXPECT_EQ(served, "a60 b! ");
  EXPECT_EQ(budget.used_bytes(), 110);
  budget.give_back({0, true});
  EXPECT_EQ(served, "a60 b! c! ");
  EXPECT_FALSE(budget.try_acquire(1));
  budget.give_back({0, true});
  EXPECT_EQ(served, "a60 b! c! ");  // nobody begins by an overdraft
  budget.give_back({20, false});
  EXPECT_EQ(served, "a60 b! c! new30 ");
  EXPECT_FALSE(budget.has_waiters());
  EXPECT_TRUE(budget.try_overdraw());
  budget.wait(10, true, note("d"));
  EXPECT_TRUE(budget.has_waiters());
  budget.give_back({0, true});
  EXPECT_EQ(served, "a60 b! c! new30 d! ");
}

TEST_F(ServerTest, AllWhoWaitForMemoryAreServedWhenMuchIsGivenBack) {
  options.queued_request_bytes_max = 1 << 20;
  options.stalled_frame_ms = 60'000;
  start();
  std::optional<Client> big(std::in_place, port);
  const base::Bytes lead = Client::framed(base::Bytes(4 << 20, kEcho));
  big->send_raw(base::ByteView(lead).first(100'000));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  // Each wants a part of what the first one holds. They ask for memory and send no more than a piece.
  std::vector<std::unique_ptr<Client>> waiting;
  const base::Bytes frame = Client::framed(base::Bytes(80'000, kEcho));
  for (int i = 0; i < 10; ++i) {
    waiting.push_back(std::make_unique<Client>(port));
    waiting.back()->send_raw(base::ByteView(frame).first(20'000));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(handler.started, 0);
  big.reset();
  // The last one first: nobody's memory depends on another one's frame being done.
  for (auto client = waiting.rbegin(); client != waiting.rend(); ++client) {
    (*client)->send_raw(base::ByteView(frame).subspan(20'000));
    EXPECT_EQ((*client)->receive()->size(), 80'000u);
  }
}

TEST_F(ServerTest, NoBoundOnQueuedBytesIsTheDefault) {
  options.queued_request_bytes_max = 0;
  start();
  Client client(port);
  std::thread writer([&] { client.send_raw(Client::framed(base::Bytes(900'000, kEcho))); });
  const auto answer = client.receive();
  EXPECT_TRUE(answer && answer->size() == 900'000u);
  writer.join();
}

// It may be a Produce, and those overtake one that has appended.
TEST_F(ServerTest, ALargeFrameIsReadAsSoonAsProducesMayPass) {
  start();
  Client client(port);
  client.send({kLetPass, 1, 2});
  std::thread writer([&] { client.send_raw(Client::framed(base::Bytes(900'000, kEcho))); });
  eventually([&] { return handler.started == 1; });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it would have been read by now
  EXPECT_EQ(handler.started, 1);
  handler.gate_of(1).set(true);
  eventually([&] { return handler.started == 2; });
  handler.gate_of(2).set(true);
  EXPECT_EQ(client.receive()->size(), 3u);
  EXPECT_EQ(client.receive()->size(), 900'000u);
  writer.join();
}

TEST_F(ServerTest, ThousandsOfIdleConnectionsAreCheap) {
  options.listen_backlog = 1024;
  start(2);
  auto resident_kib = [] {
    std::ifstream status("/proc/self/statm");
    std::size_t total = 0, resident = 0;
    status >> total >> resident;
    return resident * 4;
  };
  std::size_t before = resident_kib();
  asio::io_context context;
  std::vector<std::unique_ptr<asio::ip::tcp::socket>> sockets;
  constexpr std::size_t kCount = 400;  // both ends count against this process's descriptors
  for (std::size_t i = 0; i < kCount; ++i) {
    sockets.push_back(std::make_unique<tcp::socket>(context));
    sockets.back()->connect(tcp::endpoint(asio::ip::address_v4::loopback(), port));
    std::uint8_t half[] = {0, 0, 1};
    asio::write(*sockets.back(), asio::buffer(half));
  }
  eventually([&] { return server->connection_count() == kCount; });
#ifdef MILENA_THREAD_SANITIZER
  constexpr std::size_t kKibEach = 24 * 4;  // ThreadSanitizer keeps up to three bytes of its own for each byte touched
#else
  constexpr std::size_t kKibEach = 24;
#endif
  EXPECT_LT(resident_kib() - before, kCount * kKibEach);
  Client client(port);
  client.send({kEcho});
  EXPECT_TRUE(client.receive());
}

}  // namespace
}  // namespace broker::net
