#include "zk/server/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/few_descriptors.h"

namespace zk::server {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;

class ListenerTest : public ::testing::Test {
 protected:
  void connect() { clients_.emplace_back(client_io_).connect({boost::asio::ip::address_v4::loopback(), listener_.port()}); }

  void run_until_taken(std::size_t count) {
    for (int i = 0; i < 2000 && taken_.size() < count; ++i) io_.run_one_for(10ms);
    EXPECT_GE(taken_.size(), count);
  }

  boost::asio::io_context io_;
  boost::asio::io_context client_io_;
  std::vector<tcp::socket> taken_;
  std::vector<tcp::socket> clients_;
  Listener listener_{io_, {"clientPortAddress", "127.0.0.1", 0},
                     [this](tcp::socket socket, const tcp::endpoint&) { taken_.push_back(std::move(socket)); }};
};

// Without descriptors neither the log nor a snapshot could be written. Those of the reserve that clients of the broker can't have
// let its own session in.
TEST_F(ListenerTest, ConnectionsLeaveDescriptorsToFiles) {
  { tcp::socket(client_io_).open(tcp::v4()); }  // the loop has what it needs
  const base::testing::FewDescriptors few(8);
  const int for_files = base::testing::FewDescriptors::left() - 8 - (base::descriptors_of_files_begin() - base::reserved_descriptors_begin());
  ::testing::internal::CaptureStdout();
  for (int i = 0; i < 8; ++i) connect();
  run_until_taken(1);
  while (base::testing::FewDescriptors::left() >= for_files) {  // all that may be accepted are
    connect();
    io_.run_for(10ms);
  }
  EXPECT_GE(base::testing::FewDescriptors::left(), for_files - 2);  // the next connection, and the one that is accepted and waits
  EXPECT_LT(taken_.size(), clients_.size());
  clients_.erase(clients_.begin(), clients_.begin() + 4);
  taken_.clear();
  for (int i = 0; i < 2; ++i) connect();
  run_until_taken(3);  // with the one that waited
  const std::string log = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(log, ::testing::ContainsRegex("Cannot accept a connection: too few descriptors are left"));
}

TEST_F(ListenerTest, ThatNoneCanBeAcceptedIsToldOnce) {
  // When UBSan first sees a class of objects it asks the system for a pipe.
  EXPECT_NE(boost::system::error_code(EMFILE, boost::system::system_category()).message(), "");
  ::testing::internal::CaptureStdout();
  for (int i = 0; i < 2; ++i) connect();
  {
    const base::testing::FewDescriptors few(0);
    std::vector<tcp::acceptor> holding;
    boost::system::error_code error;
    while (!error) holding.emplace_back(client_io_).open(tcp::v4(), error);
    io_.run_for(350ms);
  }
  EXPECT_TRUE(taken_.empty());
  run_until_taken(2);
  const std::string log = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(log.find("Cannot accept a connection"), log.rfind("Cannot accept a connection")) << log;
  EXPECT_NE(log.find("Cannot accept a connection"), std::string::npos);
}

}  // namespace
}  // namespace zk::server
