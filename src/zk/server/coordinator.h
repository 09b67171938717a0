// The request pipeline, without sockets and files. Requests of a peer come in by on_frame(), replies and events are
// appended to Peer::output. A read is answered at once; a write is decided against outstanding changes, waits in a
// batch for the log, and is applied and answered by on_durable(). What a peer sends behind a write waits for it, but
// later writes are decided already, so that they share the sync. Order of what a peer gets: events of a change before
// its answer and before any read that shows it, answers in request order.
//
// One thread, the event loop's. Whoever owns it takes batches to the log and flushes dirty peers.
#pragma once

#include <deque>
#include <functional>
#include <random>

#include "base/clock.h"
#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/audit.h"
#include "zk/server/burst_queue.h"
#include "zk/server/config.h"
#include "zk/server/log_batch.h"
#include "zk/server/peer.h"
#include "zk/server/stats.h"
#include "zk/tree/proposals.h"
#include "zk/tree/session_tracker.h"

namespace zk::server {

// The tree's digest after a transaction.
struct DigestEntry {
  std::int64_t zxid = 0;
  std::uint64_t digest = 0;
};

class Coordinator final : private tree::EventSink {
 public:
  Coordinator(const ZooKeeperServerConfig& config, const base::Clock& clock);

  tree::State& state() { return state_; }
  const tree::State& state() const { return state_; }
  // After the state has been loaded: every session gets its full timeout.
  void begin();
  // The same after another state has been loaded while nothing was outstanding and nobody connected.
  void adopt_state();
  void close_all_peers();
  // Held, nothing more is taken from anybody.
  void set_held(bool held);

  void add_peer(Peer& peer);
  void remove_peer(Peer& peer);
  // A whole frame without its length; the handshake is a peer's first.
  void on_frame(Peer& peer, base::ByteView frame);
  // Whether a frame of so many bytes may be read on: large ones have a bound in common.
  bool accepts_size(std::size_t frame_bytes);
  // Whether the peer's next frame may come in; if not, it is flushed (see Peer) when it may.
  bool accepts(Peer& peer);

  // Once per tick: sessions that are due, peers without a handshake, containers.
  void on_tick();

  bool has_batch() const { return batch_.count > 0; }
  std::uint64_t batch_count() const { return batch_.count; }
  LogBatch take_batch();
  // The batch that was taken last is on disk.
  void on_durable(Synced synced);
  void roll_log() { batch_.roll = true; }
  // No write that isn't durable may be lost silently: nothing goes out any more.
  void fail();

  void flush_dirty();

  std::size_t outstanding() const { return in_flight_.size(); }
  const base::Clock& clock() const { return clock_; }
  const ServerStats& stats() const { return stats_; }
  ServerStats& stats() { return stats_; }
  const std::unordered_map<tree::WatcherId, Peer*>& peers() const { return peers_; }
  // Of every 128th transaction since the start, the last thousand.
  const std::deque<DigestEntry>& digest_log() const { return digest_log_; }
  std::int64_t trace_mask() const { return trace_mask_; }
  void set_trace_mask(std::int64_t mask) { trace_mask_ = mask; }
  void reset_stats();
  void reset_connection_stats();
  const tree::SessionTracker& session_tracker() const { return tracker_; }
  const ZooKeeperServerConfig& config() const { return config_; }

 private:
  struct InFlight {
    tree::Txn txn;
    tree::WatcherId peer = 0;  // 0: the server's own
    tree::OpCode op = tree::OpCode::error;
    std::int32_t timeout_ms = 0;  // of the session
    std::unique_ptr<AuditedRequest> audited = nullptr;
  };

  // A request in the queue before the pipeline.
  struct ThrottledRequest {
    tree::WatcherId peer = 0;
    std::int64_t received_ms = 0;
    std::int64_t large_bytes = 0;
    std::size_t answer_bytes = 0;
    base::Bytes frame;
  };

  // What a peer sends waits until this transaction has been applied, though another connection asked for it.
  struct OutstandingWait {
    std::int64_t zxid = 0;
    tree::WatcherId peer = 0;
  };

  // throttle.cpp
  struct Arrival {
    std::int64_t received_ms = 0;
    std::int64_t large_bytes = 0;
    bool is_refused = false;
  };
  void submit(Peer& peer, const proto::RequestHeader& header, base::ByteView frame, const Arrival& arrival);
  void throttle(Peer& peer, base::ByteView frame, std::int64_t large_bytes);
  void serve_throttled();
  std::int64_t large_bytes_of(std::size_t bytes) const;  // 0 for one that isn't large
  bool is_stale(const Peer* peer, tree::OpCode op, std::int64_t received_ms, std::int32_t timeout_ms) const;
  void drop_throttled(Peer& peer);
  void keep_departed(Peer& peer);
  void forget_waiting(Peer& peer);
  // Requests in the pipeline: writes that aren't applied, and what waits behind them.
  std::size_t in_process() const { return in_flight_.size() + waiting_reads_; }

  // coordinator.cpp
  // Takes what it needs out of the request.
  void propose(Peer* peer, std::int64_t session_id, std::int32_t xid, tree::OpCode op, tree::WriteRequest& request);
  void propose(Peer* peer, std::int64_t session_id, std::int32_t xid, tree::OpCode op, tree::WriteRequest&& request) {
    propose(peer, session_id, xid, op, request);
  }
  void log_newest(Peer* peer, tree::OpCode op);  // of in_flight_
  void apply_next();
  void note_quota(const tree::QuotaExceeded& exceeded);
  void count_applied(const tree::Txn& txn);
  void serve_waiting(Peer& peer);
  void serve_frame(Peer& peer, base::ByteView frame, std::int64_t received_ms, bool is_refused = false);
  void on_event(tree::WatcherId watcher, const tree::Event& event) override;
  void on_fired(tree::EventType type, std::size_t watchers) override;
  void mark_dirty(Peer& peer);
  Peer* find_peer(tree::WatcherId id);
  void sweep_containers(std::int64_t now_ms);
  bool is_outdated(const tree::Znode& node, std::int64_t now_ms) const;

  // sessions.cpp
  void on_connect(Peer& peer, base::ByteView frame);
  bool take_connection_token();
  void reattach(Peer& peer, const std::string& password);
  void wait_for_outstanding(Peer& peer);
  void end_waits_for_outstanding();
  void answer_connect(Peer& peer, bool valid);
  void on_session_closed(std::int64_t session_id, Peer* asked_by);
  void identify_by_certificate(Peer& peer);
  void on_auth(Peer& peer, std::int32_t xid, proto::Reader& reader);
  bool authenticate(Peer& peer, const std::string& scheme, const std::string& credential);

  // sasl.cpp
  void on_sasl(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void refuse_sasl(Peer& peer, std::int32_t xid, const std::string& why);
  bool has_required_scheme(const Peer& peer) const;
  void refuse_unauthenticated(Peer& peer, std::int32_t xid);

  // writes.cpp
  bool start_write(Peer& peer, std::int32_t xid, tree::OpCode op, proto::Reader& reader);
  void write_audit(const InFlight& item) const;
  void answer_write(Peer& peer, const InFlight& item, const tree::Applied& applied);

  // reads.cpp, watch_requests.cpp
  void serve(Peer& peer, std::int32_t xid, tree::OpCode op, proto::Reader& reader);
  std::size_t answer_bytes_of(base::ByteView frame) const;
  std::size_t result_bytes_of(tree::OpCode op, proto::Reader& reader) const;
  void serve_exists(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_get_data(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_get_acl(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_get_children(Peer& peer, std::int32_t xid, proto::Reader& reader, bool with_stat);
  void serve_all_children_number(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_ephemerals(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_who_am_i(Peer& peer, std::int32_t xid);
  void serve_multi_read(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_sync(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_set_watches(Peer& peer, std::int32_t xid, proto::Reader& reader, bool persistent);
  void serve_add_watch(Peer& peer, std::int32_t xid, proto::Reader& reader);
  void serve_check_watches(Peer& peer, std::int32_t xid, proto::Reader& reader, bool remove);
  bool may(const Peer& peer, const tree::Znode& node, std::int32_t permissions) const;

  // One reply frame; `body` writes what follows the header.
  template <class Body>
  void send(Peer& peer, std::int32_t xid, std::int64_t zxid, tree::Error error, Body&& body);
  void reply_error(Peer& peer, std::int32_t xid, tree::Error error);
  template <class... T>
  void send_record(Peer& peer, std::int32_t xid, std::int64_t zxid, tree::Error error, const T&... fields);
  template <class Record>
  void reply(Peer& peer, std::int32_t xid, const Record& record);
  base::Bytes start_frame(Peer& peer, std::size_t& start) const;
  void end_frame(Peer& peer, base::Bytes bytes, std::size_t start);

  const ZooKeeperServerConfig& config_;
  const base::Clock& clock_;
  tree::State state_;
  tree::AclSchemes acl_schemes_;
  tree::Proposals proposals_;
  tree::SessionTracker tracker_;
  std::unordered_map<tree::WatcherId, Peer*> peers_;
  std::unordered_map<std::int64_t, Peer*> session_peers_;
  tree::WatcherId last_peer_id_ = 0;
  std::int64_t next_session_id_ = 0;
  std::int64_t last_proposed_zxid_ = 0;
  BurstQueue<InFlight> in_flight_;
  std::deque<OutstandingWait> outstanding_waits_;  // by zxid
  LogBatch batch_;
  std::uint64_t bytes_at_log_ = 0;  // of the batches taken that aren't on disk
  std::vector<tree::WatcherId> dirty_;
  std::vector<tree::WatcherId> stalled_;
  std::deque<ThrottledRequest> throttled_;
  std::unordered_map<tree::WatcherId, std::unique_ptr<DepartedPeer>> departed_;  // with requests still in throttled_
  std::size_t waiting_reads_ = 0;
  std::size_t waiting_bytes_ = 0;  // of their frames and of those in throttled_
  std::int64_t large_bytes_ = 0;   // of the large requests under way
  std::int64_t next_sweep_ms_ = 0;
  std::int64_t next_window_ms_ = 0;
  std::int64_t frame_ms_ = 0;           // when the frame or the tick that is being served came in
  std::int64_t durable_ms_ = 0;         // when the batch that is being applied was on disk
  std::int64_t durable_wall_ms_ = 0;
  std::int64_t connection_tokens_ = 0;  // as many as config says, less those taken
  std::int64_t tokens_filled_ms_ = 0;
  std::int64_t next_quota_warning_ms_ = 0;
  std::deque<DigestEntry> digest_log_;
  std::int64_t trace_mask_ = 306;  // ZooKeeper's default; kept for gtmk and stmk, and without an effect
  bool failed_ = false;
  bool held_ = false;
  ServerStats stats_;
};

template <class Body>
void Coordinator::send(Peer& peer, std::int32_t xid, std::int64_t zxid, tree::Error error, Body&& body) {
  std::size_t start = 0;
  proto::Writer writer(start_frame(peer, start));
  writer.write(xid, zxid, static_cast<std::int32_t>(error));
  body(writer);
  end_frame(peer, writer.take(), start);
}

// Made in one step, which most answers are.
template <class... T>
void Coordinator::send_record(Peer& peer, std::int32_t xid, std::int64_t zxid, tree::Error error, const T&... fields) {
  const std::size_t start = peer.output.size();
  proto::Writer writer(std::move(peer.output));
  writer.write(std::int32_t{0}, xid, zxid, static_cast<std::int32_t>(error), fields...);
  end_frame(peer, writer.take(), start);
}

template <class Record>
void Coordinator::reply(Peer& peer, std::int32_t xid, const Record& record) {
  send_record(peer, xid, state_.last_zxid(), tree::Error::ok, record);
}

}  // namespace zk::server
