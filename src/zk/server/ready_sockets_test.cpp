#include "zk/server/ready_sockets.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace zk::server {
namespace {

using namespace std::chrono_literals;

class CountingOwner final : public ReadySockets::Owner {
 public:
  void on_ready(const ReadySockets::Ready& ready) override { reads += ready.to_read ? 1 : 0; }
  int reads = 0;
};

class ReadySocketsTest : public ::testing::Test {
 protected:
  ReadySocketsTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends_.data()), 0);
    EXPECT_TRUE(sockets_.add(ends_[0], owner_));
    EXPECT_EQ(sockets_.serve(), 1U);  // it can be written to
    EXPECT_EQ(owner_.reads, 0);
  }
  ~ReadySocketsTest() override {
    for (int end : ends_) ::close(end);
  }

  boost::asio::io_context io_;
  ReadySockets sockets_{io_};
  CountingOwner owner_;
  std::array<int, 2> ends_{};
};

TEST_F(ReadySocketsTest, SleepsUntilSomethingIsReady) {
  ASSERT_EQ(::send(ends_[1], "x", 1, 0), 1);
  sockets_.sleep(999ms);
  EXPECT_EQ(sockets_.serve(), 1U);
  EXPECT_EQ(owner_.reads, 1);
  EXPECT_EQ(sockets_.serve(), 0U);  // it is told once
}

TEST_F(ReadySocketsTest, SleepsNoLongerThanItMay) {
  sockets_.sleep(1ms);
  sockets_.sleep(-1ms);
  EXPECT_EQ(sockets_.serve(), 0U);
}

}  // namespace
}  // namespace zk::server
