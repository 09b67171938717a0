// One client connection as the coordinator sees it: who it is, what it waits for, what goes out to it. The connection
// derives from it and owns the socket. One thread: the event loop's.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>

#include "base/bytes.h"
#include "zk/sasl/exchange.h"
#include "zk/tree/types.h"
#include "zk/tree/watches.h"

namespace zk::server {

enum class PeerPhase {
  connecting,  // no handshake yet
  setting_up,  // its session is being written to the log; nothing more is read
  open,
  closed,  // gone, or closing once its output is sent
};

// A request that cannot be answered yet: a write on its way to the log, or one that came after such a write.
struct WaitingRequest {
  bool is_write = false;  // or a wait for writes that another connection of the session asked for
  std::int32_t xid = 0;
  std::int64_t received_ms = 0;
  base::Bytes frame;            // of those that are no writes
  std::int64_t large_bytes = 0;  // what it takes of the bound on large requests
  bool is_refused = false;       // it waited too long before: the answer is THROTTLEDOP
  std::size_t answer_bytes = 0;  // about as many as the answer will take, of a read
};

class Peer {
 public:
  virtual ~Peer() = default;

  // The last output goes out, then the connection is closed.
  virtual void close_after_output() = 0;
  virtual void close_now() = 0;
  // There is output, or it may be that more requests can be taken.
  virtual void flush() = 0;

  tree::WatcherId id = 0;
  PeerPhase phase = PeerPhase::connecting;
  std::string address;  // without the port
  std::uint16_t port = 0;
  // As Java writes it, but for the slash that it puts before.
  std::string socket_address() const {
    const std::string host = address.find(':') == std::string::npos ? address : "[" + address + "]";
    return host + ":" + std::to_string(port);
  }
  std::int64_t connected_ms = 0;
  std::int64_t session_id = 0;
  std::int32_t timeout_ms = 0;
  bool sends_read_only = true;                 // old clients know no such byte
  std::string certificate_subject;             // of a client that showed a certificate, as access lists name it
  std::vector<tree::Identity> identities;      // see add_identity()
  std::unique_ptr<sasl::ServerExchange> sasl;  // under way
  bool sasl_is_over = false;
  std::deque<WaitingRequest> waiting;
  std::size_t throttled = 0;     // requests in the queue before the pipeline
  std::size_t answer_bytes = 0;  // of what waits, there or here
  bool drops_all = false;     // one of them was dropped, so that all after it are
  base::Bytes output;
  bool is_dirty = false;         // in the coordinator's list of those to flush
  bool reads_no_events = false;  // it is closed instead of flushed
  int ticks_closing = 0;

  // For the commands that list connections.
  std::int64_t connected_wall_ms = 0;
  bool is_secure = false;  // over TLS
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  tree::OpCode last_op = tree::OpCode::error;  // none yet
  std::int64_t last_cxid = -1, last_zxid = -1;
  std::int64_t last_response_ms = 0;  // on the monotonic clock
  std::uint64_t responses = 0;
  std::int64_t latency_last_ms = 0, latency_min_ms = 0, latency_max_ms = 0, latency_sum_ms = 0;

  void note_response(tree::OpCode op, std::int32_t xid, std::int64_t zxid, std::int64_t now_ms,
                     std::int64_t latency_ms) {
    last_op = op;
    if (xid >= 0) last_cxid = xid;
    last_zxid = zxid;
    last_response_ms = now_ms;
    latency_last_ms = latency_ms;
    latency_min_ms = responses == 0 ? latency_ms : std::min(latency_min_ms, latency_ms);
    latency_max_ms = std::max(latency_max_ms, latency_ms);
    latency_sum_ms += latency_ms;
    ++responses;
  }
  void reset_stats() {
    received = sent = responses = 0;
    last_op = tree::OpCode::error;
    last_cxid = last_zxid = -1;
    last_response_ms = latency_last_ms = latency_min_ms = latency_max_ms = latency_sum_ms = 0;
  }
};

// Stands for a client that has gone while requests of it were still to be done. Nothing is sent to it.
class DepartedPeer final : public Peer {
 public:
  void close_after_output() override {}
  void close_now() override {}
  void flush() override {}
};

}  // namespace zk::server
