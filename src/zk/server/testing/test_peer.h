// For tests and fuzz targets of the pipeline alone: a client without a socket, the handshake, and a log that is written
// at once.
#pragma once

#include <functional>
#include <stdexcept>
#include <vector>

#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/coordinator.h"

namespace zk::server::testing {

struct PeerReply {
  std::int32_t xid = 0;
  tree::Error error = tree::Error::ok;
  base::Bytes body;

  template <class Record>
  Record as() const {
    Record record;
    proto::Reader reader(body);
    if (!reader.read(record)) throw std::runtime_error("the reply is another record");
    return record;
  }
};

class TestPeer final : public Peer {
 public:
  void close_after_output() override { phase = PeerPhase::closed; }
  void close_now() override { phase = PeerPhase::closed; }
  void flush() override {
    if (on_flush) on_flush();
  }
  std::function<void()> on_flush;

  std::vector<PeerReply> take() {
    std::vector<PeerReply> replies;
    base::ByteView rest(output);
    while (rest.size() >= 4) {
      auto length = static_cast<std::size_t>(base::load_big_endian<std::int32_t>(rest.data()));
      PeerReply& reply = replies.emplace_back();
      reply.xid = base::load_big_endian<std::int32_t>(rest.data() + 4);
      reply.error = static_cast<tree::Error>(base::load_big_endian<std::int32_t>(rest.data() + 16));
      reply.body.assign(rest.begin() + 20, rest.begin() + 4 + static_cast<std::ptrdiff_t>(length));
      rest = rest.subspan(4 + length);
    }
    output.clear();
    return replies;
  }
};

// What the log answers of a batch that is on disk.
inline Synced synced(LogBatch batch) { return Synced{batch.count, batch.records.size(), {}, 0}; }

// All that is decided is on disk.
inline void sync(Coordinator& coordinator) {
  while (coordinator.has_batch()) coordinator.on_durable(synced(coordinator.take_batch()));
  coordinator.flush_dirty();
}

// A new session of 30 seconds.
inline void connect(Coordinator& coordinator, TestPeer& peer) {
  base::Bytes frame(45);
  base::store_big_endian(frame.data() + 12, std::int32_t{30000});
  base::store_big_endian(frame.data() + 24, std::int32_t{16});
  coordinator.on_frame(peer, frame);
  sync(coordinator);
  peer.output.clear();
}

template <class Record>
void send(Coordinator& coordinator, TestPeer& peer, std::int32_t xid, tree::OpCode op, const Record& record) {
  proto::Writer writer;
  writer.write(xid).write(static_cast<std::int32_t>(op)).write(record);
  coordinator.on_frame(peer, writer.bytes());
}

inline proto::CreateRequest creation(const std::string& path, std::int32_t flags = 0) {
  proto::CreateRequest request;
  request.path = path;
  request.flags = flags;
  proto::ACL& acl = request.acl.emplace_back();
  acl.perms = 31;
  acl.id.scheme = "world";
  acl.id.id = "anyone";
  return request;
}

}  // namespace zk::server::testing
