// What ZooKeeper calls the request throttler: with request_throttle_max_requests, a queue of all connections' requests
// in the order of their arrival, from which they go on as long as fewer are in the pipeline. Those of connections that
// have gone are dropped, or, without request_throttle_drop_stale, still done; the end of a session is always done. New
// sessions, auth packets and SASL tokens don't wait. And the bound that large requests have in common.
#include "base/logging.h"
#include "zk/server/coordinator.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Coordinator";
constexpr std::size_t kHeaderBytes = 8;  // xid and opcode

// Of a frame whose header has been read before.
proto::RequestHeader header_of(base::ByteView frame) {
  proto::RequestHeader header;
  if (!proto::Reader(frame).read(header)) throw std::logic_error("a request in the queue has no header");
  return header;
}

// ZooKeeper throttles, but doesn't refuse, these.
bool may_be_refused(tree::OpCode op) { return op != tree::OpCode::ping && op != tree::OpCode::close_session; }

}  // namespace

std::int64_t Coordinator::large_bytes_of(std::size_t bytes) const {
  const auto size = static_cast<std::int64_t>(bytes);
  const std::int64_t threshold = config_.request_throttle.large_bytes;
  return threshold > 0 && size > threshold ? size : 0;
}

bool Coordinator::accepts_size(std::size_t frame_bytes) {
  if (large_bytes_ + large_bytes_of(frame_bytes) <= config_.request_throttle.large_bytes_max) return true;
  ++stats_.metrics.large_requests_rejected;
  return false;
}

void Coordinator::submit(Peer& peer, const proto::RequestHeader& header, base::ByteView frame, const Arrival& arrival) {
  const auto& [received_ms, large_bytes, is_refused] = arrival;
  proto::Reader reader(frame.subspan(kHeaderBytes));
  const std::size_t waiting = peer.waiting.size();
  if (!is_refused && start_write(peer, header.xid, static_cast<tree::OpCode>(header.type), reader)) {
    if (peer.phase == PeerPhase::closed || peer.waiting.size() <= waiting) {  // nobody waits for it
      large_bytes_ -= large_bytes;
    } else {
      peer.waiting.back().received_ms = received_ms;
      peer.waiting.back().large_bytes = large_bytes;
    }
    return;
  }
  if (peer.waiting.empty()) {
    large_bytes_ -= large_bytes;
    if (peer.phase != PeerPhase::closed) serve_frame(peer, frame, received_ms, is_refused);
    return;
  }
  WaitingRequest& request = peer.waiting.emplace_back();
  request.xid = header.xid;
  request.received_ms = received_ms;
  request.large_bytes = large_bytes;
  request.is_refused = is_refused;
  request.frame.assign(frame.begin(), frame.end());
  request.answer_bytes = is_refused ? 0 : answer_bytes_of(frame);
  peer.answer_bytes += request.answer_bytes;
  ++waiting_reads_;
  waiting_bytes_ += frame.size();
}

void Coordinator::throttle(Peer& peer, base::ByteView frame, std::int64_t large_bytes) {
  if (throttled_.empty()) ++stats_.metrics.request_throttle_wait_count;
  ThrottledRequest& request = throttled_.emplace_back();
  request.peer = peer.id;
  request.received_ms = clock_.monotonic_ms();
  request.large_bytes = large_bytes;
  request.answer_bytes = answer_bytes_of(frame);
  request.frame.assign(frame.begin(), frame.end());
  waiting_bytes_ += frame.size();
  peer.answer_bytes += request.answer_bytes;
  ++peer.throttled;
}

bool Coordinator::is_stale(const Peer* peer, tree::OpCode op, std::int64_t received_ms,
                           std::int32_t timeout_ms) const {
  if (op == tree::OpCode::close_session) return false;
  const RequestThrottleConfig& config = config_.request_throttle;
  if (config.gone_is_stale && (peer == nullptr || peer->phase == PeerPhase::closed)) return true;
  return config.late_is_stale && peer != nullptr && clock_.monotonic_ms() - received_ms > timeout_ms;
}

// Its order would be lost if a later request were done, so the connection goes.
void Coordinator::drop_throttled(Peer& peer) {
  peer.drops_all = true;
  if (find_peer(peer.id) == nullptr) return;
  base::log_warn(kLogger, "Closing {}: a request of it has become stale in the queue", peer.address);
  peer.close_now();
}

void Coordinator::serve_throttled() {
  while (!throttled_.empty()) {
    ThrottledRequest& next = throttled_.front();
    Peer* alive = find_peer(next.peer);
    auto departed = departed_.find(next.peer);
    Peer& peer = alive != nullptr ? *alive : *departed->second;
    const proto::RequestHeader header = header_of(next.frame);
    const auto op = static_cast<tree::OpCode>(header.type);
    const bool stale = is_stale(&peer, op, next.received_ms, peer.timeout_ms);
    const bool drop = peer.drops_all || (stale && config_.request_throttle.drop_stale);
    if (!drop && in_process() >= config_.request_throttle.requests_max) {
      ++stats_.metrics.request_throttle_wait_count;
      return;
    }
    const ThrottledRequest request = std::move(next);
    throttled_.pop_front();
    waiting_bytes_ -= request.frame.size();
    peer.answer_bytes -= request.answer_bytes;
    --peer.throttled;
    if (drop) {
      large_bytes_ -= request.large_bytes;
      if (!peer.drops_all) ++stats_.metrics.stale_requests_dropped;
      if (!peer.drops_all) drop_throttled(peer);
    } else {
      frame_ms_ = clock_.monotonic_ms();
      const std::int64_t waited_ms = frame_ms_ - request.received_ms;
      const std::int64_t refused_after_ms = config_.request_throttle.refused_after_ms;
      const bool refused = refused_after_ms > 0 && waited_ms > refused_after_ms && may_be_refused(op);
      if (stale) ++stats_.metrics.stale_requests;
      if (refused) ++stats_.metrics.throttled_ops;
      stats_.metrics.request_throttle_queue_time_ms.add(waited_ms);
      const std::size_t outstanding = in_flight_.size();
      submit(peer, header, request.frame, Arrival{request.received_ms, request.large_bytes, refused});
      if (alive == nullptr) {
        forget_waiting(peer);  // there is nobody to answer, and nothing that would end the wait
        auto again = session_peers_.find(peer.session_id);
        if (again != session_peers_.end() && in_flight_.size() > outstanding) wait_for_outstanding(*again->second);
      }
    }
    departed = departed_.find(request.peer);
    if (departed != departed_.end() && departed->second->throttled == 0) departed_.erase(departed);
  }
}

void Coordinator::keep_departed(Peer& peer) {
  auto stand_in = std::make_unique<DepartedPeer>();
  stand_in->id = peer.id;
  stand_in->phase = PeerPhase::closed;
  stand_in->address = peer.address;
  stand_in->session_id = peer.session_id;
  stand_in->timeout_ms = peer.timeout_ms;
  stand_in->identities = peer.identities;
  stand_in->throttled = peer.throttled;
  stand_in->answer_bytes = peer.answer_bytes;
  stand_in->drops_all = peer.drops_all;
  departed_[peer.id] = std::move(stand_in);
}

void Coordinator::forget_waiting(Peer& peer) {
  for (const WaitingRequest& request : peer.waiting) {
    large_bytes_ -= request.large_bytes;
    waiting_bytes_ -= request.frame.size();
    peer.answer_bytes -= request.answer_bytes;
    if (!request.is_write) --waiting_reads_;
  }
  peer.waiting.clear();
}

}  // namespace zk::server
