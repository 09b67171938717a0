// The four bytes in place of a connection's first length, with what comes behind them: a word is answered with text,
// whatever the state of sessions and watches. The input's first byte says what clients did before.
#include "base/clock.h"
#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/coordinator.h"
#include "zk/server/four_letter.h"

namespace {

class FuzzPeer final : public zk::server::Peer {
 public:
  void close_after_output() override { phase = zk::server::PeerPhase::closed; }
  void close_now() override { phase = zk::server::PeerPhase::closed; }
  void flush() override { output.clear(); }
};

void sync(zk::server::Coordinator& coordinator) {
  if (coordinator.has_batch()) coordinator.on_durable(coordinator.take_batch().records, 0);
  coordinator.flush_dirty();
}

template <class Record>
void send(zk::server::Coordinator& coordinator, FuzzPeer& peer, zk::tree::OpCode op, const Record& record) {
  zk::proto::RequestHeader header;
  header.type = static_cast<std::int32_t>(op);
  zk::proto::Writer writer;
  writer.write(header).write(record);
  coordinator.on_frame(peer, writer.take());
  sync(coordinator);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kWordBytes = 4;
  if (size < 1 + kWordBytes) return 0;
  zk::server::ZooKeeperServerConfig config;
  config.all_commands = true;
  base::ManualClock clock;
  zk::server::Coordinator coordinator(config, clock);
  coordinator.begin();
  FuzzPeer peer;
  peer.address = "127.0.0.1";
  coordinator.add_peer(peer);
  if ((data[0] & 1U) != 0) {
    base::Bytes connect(45);
    base::store_big_endian(connect.data() + 12, std::int32_t{30000});
    base::store_big_endian(connect.data() + 24, std::int32_t{16});
    coordinator.on_frame(peer, connect);
    sync(coordinator);
  }
  if ((data[0] & 3U) == 3U) {
    zk::proto::CreateRequest creation;
    creation.path = "/ephemeral";
    creation.flags = 1;
    zk::proto::ACL& acl = creation.acl.emplace_back();
    acl.perms = 31;
    acl.id.scheme = "world";
    acl.id.id = "anyone";
    send(coordinator, peer, zk::tree::OpCode::create, creation);
    zk::proto::AddWatchRequest watch;
    watch.path = "/ephemeral";
    send(coordinator, peer, zk::tree::OpCode::add_watch, watch);
  }
  base::ByteView word(data + 1, kWordBytes);
  if (zk::server::is_four_letter_word(base::as_text(word))) {
    zk::server::answer_four_letter_word(base::as_text(word), base::ByteView(data, size).subspan(1 + kWordBytes),
                                        coordinator);
  }
  coordinator.remove_peer(peer);
  return 0;
}
