#include "base/listen.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace base {
namespace {

namespace ip = boost::asio::ip;
using boost::system::error_code;
using ip::tcp;

// The address that a client at `from` has for whoever listens on `host`; empty if it can't come in.
std::string seen(const std::string& host, const std::string& from) {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io);
  error_code error;
  listen(acceptor, host, 0, 0, error);
  EXPECT_FALSE(error) << error.message();
  tcp::socket client(io);
  client.connect(tcp::endpoint(ip::make_address(from), acceptor.local_endpoint().port()), error);
  if (error) return "";
  tcp::endpoint endpoint;
  tcp::socket accepted(io);
  acceptor.accept(accepted, endpoint);
  return java_address_text(unmapped(endpoint).address());
}

bool has_ipv6() {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io);
  error_code error;
  acceptor.open(tcp::v6(), error);
  if (!error) acceptor.bind(tcp::endpoint(ip::address_v6::loopback(), 0), error);
  return !error;
}

TEST(Listen, AllAddressesAreThoseOfBothProtocols) {
  const std::string ipv6 = has_ipv6() ? "0:0:0:0:0:0:0:1" : "";
  for (const char* host : {"", "0.0.0.0", "::"}) {
    EXPECT_EQ(seen(host, "127.0.0.1"), "127.0.0.1") << host;
    EXPECT_EQ(seen(host, "::1"), ipv6) << host;
  }
}

TEST(Listen, OneAddressIsThatOne) {
  EXPECT_EQ(seen("127.0.0.1", "127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(seen("127.0.0.1", "::1"), "");
}

TEST(Listen, ANameIsBoundAtItsIpv4Address) {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io);
  error_code error;
  EXPECT_EQ(listen(acceptor, "localhost", 0, 5, error), ip::make_address("127.0.0.1"));
  EXPECT_FALSE(error) << error.message();
}

TEST(Listen, Failures) {
  boost::asio::io_context io;
  tcp::acceptor first(io), second(io);
  error_code error;
  listen(first, "", 0, 0, error);
  ASSERT_FALSE(error);
  listen(second, "", first.local_endpoint().port(), 0, error);
  EXPECT_EQ(error, boost::asio::error::address_in_use);
  listen(second, "no such host", 0, 0, error);
  EXPECT_TRUE(error);
}

TEST(Listen, AddressesAsJavaWritesThem) {
  EXPECT_EQ(java_address_text(ip::make_address("10.1.2.3")), "10.1.2.3");
  EXPECT_EQ(java_address_text(ip::make_address("2001:db8::ff00:42:8329")), "2001:db8:0:0:0:ff00:42:8329");
  EXPECT_EQ(java_address_text(ip::make_address("fe80::1%1")).substr(0, 19), "fe80:0:0:0:0:0:0:1%");
  const tcp::endpoint mapped(ip::make_address("::ffff:10.1.2.3"), 7);
  EXPECT_EQ(unmapped(mapped), tcp::endpoint(ip::make_address("10.1.2.3"), 7));
}

}  // namespace
}  // namespace base
