// A connection's bytes as they come over a socket, in pieces of any size: words, the handshake, frames of any length that
// are cut from them. The first byte is the size of the pieces; the bits of the second one choose bounds.
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>

#include "base/clock.h"
#include "zk/server/connection.h"
#include "zk/server/testing/test_peer.h"

namespace {

constexpr std::size_t kReadBytes = 8 * 1024;

zk::server::ZooKeeperServerConfig config_of(std::uint8_t bits) {
  zk::server::ZooKeeperServerConfig config;
  config.all_commands = true;
  config.extended_types = true;
  if ((bits & 1U) != 0) config.frame_bytes_max = 200;
  if ((bits & 2U) != 0) config.outstanding_max = 1;
  if ((bits & 4U) != 0) config.request_throttle.requests_max = 1;
  if ((bits & 8U) != 0) config.request_throttle.large_bytes = 20;
  if ((bits & 8U) != 0) config.request_throttle.large_bytes_max = 60;
  return config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const zk::server::ZooKeeperServerConfig config = config_of(data[1]);
  base::ManualClock clock;
  zk::server::Coordinator coordinator(config, clock);
  coordinator.begin();
  static boost::asio::io_context io(1);
  zk::server::ReadySockets sockets(io);
  zk::server::ConnectionShared shared{coordinator, sockets, base::Bytes(kReadBytes), base::Bytes(), [] {},
                                      [&](zk::tree::WatcherId) {}};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) return 0;
  using boost::asio::ip::tcp;
  auto kept = std::make_shared<zk::server::Connection>(tcp::socket(io, tcp::v4(), ends[0]), tcp::endpoint(), shared);
  kept->start();
  base::ByteView rest(data + 2, size - 2);
  base::Bytes answers(kReadBytes);
  while (!rest.empty()) {
    const std::size_t piece = std::min<std::size_t>(rest.size(), data[0] + 1U);
    if (send(ends[1], rest.data(), piece, MSG_NOSIGNAL) <= 0) break;
    rest = rest.subspan(piece);
    io.restart();
    io.poll();
    zk::server::testing::sync(coordinator);
    while (recv(ends[1], answers.data(), answers.size(), 0) > 0) {
    }
  }
  close(ends[1]);
  io.restart();
  io.poll();
  kept->close_now();
  io.restart();
  io.poll();
  return 0;
}
