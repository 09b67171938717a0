// Frames of a client with an open session, each with a length of two bytes before it: nothing that it sends may do more
// than get an answer or close its connection, and every write that was decided can be applied.
#include "base/clock.h"
#include "zk/server/testing/test_peer.h"

namespace {

std::shared_ptr<const zk::sasl::ServerLogin> make_login() {
  base::JaasModule module;
  module.name = "DigestLoginModule";
  module.options["user_a"] = "b";
  return std::make_shared<const zk::sasl::ServerLogin>(std::vector{module}, zk::sasl::ServerLoginOptions());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto login = make_login();
  zk::server::ZooKeeperServerConfig config;
  config.extended_types = true;
  config.security.login = login;
  base::ManualClock clock;
  zk::server::Coordinator coordinator(config, clock);
  coordinator.begin();
  zk::server::testing::TestPeer peer;
  peer.address = "127.0.0.1";
  coordinator.add_peer(peer);
  using zk::server::testing::sync;
  zk::server::testing::connect(coordinator, peer);
  base::ByteView rest(data, size);
  while (rest.size() >= 2 && peer.phase == zk::server::PeerPhase::open) {
    auto length = static_cast<std::size_t>(base::load_big_endian<std::uint16_t>(rest.data()));
    bool sync_now = (length & 0x8000U) != 0;
    length = std::min<std::size_t>(length & 0x7fffU, rest.size() - 2);
    if (coordinator.accepts(peer)) coordinator.on_frame(peer, rest.subspan(2, length));
    rest = rest.subspan(2 + length);
    if (sync_now) sync(coordinator);
    peer.output.clear();
  }
  sync(coordinator);
  sync(coordinator);
  coordinator.remove_peer(peer);
  return 0;
}
