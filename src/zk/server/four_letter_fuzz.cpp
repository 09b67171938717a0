// The four bytes in place of a connection's first length, with what comes behind them: a word is answered with text,
// whatever the state of sessions and watches. The input's first byte says what clients did before.
#include "base/clock.h"
#include "zk/server/four_letter.h"
#include "zk/server/testing/test_peer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kWordBytes = 4;
  if (size < 1 + kWordBytes) return 0;
  zk::server::ZooKeeperServerConfig config;
  config.all_commands = true;
  base::ManualClock clock;
  zk::server::Coordinator coordinator(config, clock);
  coordinator.begin();
  zk::server::testing::TestPeer peer;
  peer.address = "127.0.0.1";
  coordinator.add_peer(peer);
  if ((data[0] & 1U) != 0) zk::server::testing::connect(coordinator, peer);
  if ((data[0] & 3U) == 3U) {
    using zk::server::testing::send;
    send(coordinator, peer, 0, zk::tree::OpCode::create, zk::server::testing::creation("/ephemeral", 1));
    zk::proto::AddWatchRequest watch;
    watch.path = "/ephemeral";
    send(coordinator, peer, 0, zk::tree::OpCode::add_watch, watch);
    zk::server::testing::sync(coordinator);
  }
  base::ByteView word(data + 1, kWordBytes);
  if (zk::server::is_four_letter_word(base::as_text(word))) {
    zk::server::answer_four_letter_word(base::as_text(word), base::ByteView(data, size).subspan(1 + kWordBytes),
                                        coordinator);
  }
  coordinator.remove_peer(peer);
  return 0;
}
