#include "zk/server/coordinator.h"

#include "base/logging.h"
#include "zk/server/txn_codec.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Coordinator";
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kQuotaWarningMs = 1000;
constexpr std::int64_t kDigestLogStep = 128;
constexpr std::size_t kDigestLogMax = 1024;
constexpr std::int64_t kMetricsWindowMs = 5 * 60 * 1000;
constexpr int kTicksClosingMax = 10;
constexpr std::size_t kWaitingPerPeerMax = 1024;
constexpr std::size_t kPeerOutputMax = 8 * 1024 * 1024;     // with that of what waits; above it, nothing more is read
constexpr std::size_t kEventOutputMax = 64 * 1024 * 1024;   // above it, a reader too slow for its events goes
constexpr std::size_t kAnswerOutputMax = 64 * 1024 * 1024;  // above it, no further read is answered
constexpr std::size_t kBatchBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kWaitingBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kSparedBufferMax = 1024 * 1024;

tree::ProposalRules rules_of(const ZooKeeperServerConfig& config) {
  tree::ProposalRules rules;
  rules.acl = config.security.schemes;
  rules.acl.skip_checks = config.skip_acl;
  rules.acl.x509 = config.tls.x509_enabled();
  rules.extended_types = config.extended_types;
  rules.digest = config.digest;
  rules.enforce_quota = config.enforce_quota;
  rules.reconfig = config.reconfig;
  return rules;
}

}  // namespace

Coordinator::Coordinator(const ZooKeeperServerConfig& config, const base::Clock& clock)
    : config_(config),
      clock_(clock),
      acl_schemes_(rules_of(config).acl),
      proposals_(state_, rules_of(config)),
      tracker_(config.tick_ms) {}

void Coordinator::begin() {
  std::int64_t now_ms = frame_ms_ = clock_.monotonic_ms();
  stats_.started_ms = now_ms;
  connection_tokens_ = config_.connection_throttle.tokens;
  tokens_filled_ms_ = now_ms;
  next_window_ms_ = now_ms + kMetricsWindowMs;
  // Server number 1 and the start time, so that no id of an earlier run comes again, also not of a closed session.
  auto start = static_cast<std::uint64_t>(clock_.wall_ms());
  next_session_id_ = static_cast<std::int64_t>(((start << 24) >> 8) | (1ULL << 56));
  next_sweep_ms_ = now_ms + config_.container_check_ms;
  adopt_state();
}

void Coordinator::adopt_state() {
  proposals_.reset();
  last_proposed_zxid_ = state_.last_zxid();
  tracker_ = tree::SessionTracker(config_.tick_ms);
  std::int64_t now_ms = frame_ms_ = clock_.monotonic_ms();
  for (const auto& [id, timeout_ms] : state_.sessions()) {
    tracker_.touch(id, timeout_ms, now_ms);
    if ((static_cast<std::uint64_t>(id) >> 56) == 1) next_session_id_ = std::max(next_session_id_, id + 1);
  }
  // Ephemerals whose session is unknown (a log cut by hand) go with the first tick.
  for (const auto& [id, paths] : state_.tree().ephemerals()) {
    if (!state_.sessions().contains(id))
      propose(nullptr, id, 0, tree::OpCode::close_session, tree::CloseSessionRequest{});
  }
}

// Peers
// -----------------------------------------------------------------------------------------------------------------

void Coordinator::add_peer(Peer& peer) {
  peer.id = ++last_peer_id_;
  peer.connected_ms = clock_.monotonic_ms();
  peer.connected_wall_ms = clock_.wall_ms();
  peer.identities.push_back(tree::Identity{"ip", peer.address});
  identify_by_certificate(peer);
  peers_.emplace(peer.id, &peer);
}

void Coordinator::remove_peer(Peer& peer) {
  if (peers_.erase(peer.id) == 0) return;
  ++stats_.metrics.connection_drop_count;
  peer.phase = PeerPhase::closed;
  forget_waiting(peer);
  if (peer.throttled > 0) keep_departed(peer);
  state_.remove_watcher(peer.id);
  auto session = session_peers_.find(peer.session_id);
  if (session != session_peers_.end() && session->second == &peer) session_peers_.erase(session);
}

Peer* Coordinator::find_peer(tree::WatcherId id) {
  auto entry = peers_.find(id);
  return entry == peers_.end() ? nullptr : entry->second;
}

void Coordinator::mark_dirty(Peer& peer) {
  if (peer.is_dirty) return;
  peer.is_dirty = true;
  dirty_.push_back(peer.id);
}

void Coordinator::flush_dirty() {
  // A flush may close its peer, and may take in requests that make others dirty.
  while (!dirty_.empty()) {
    std::vector<tree::WatcherId> dirty;
    dirty.swap(dirty_);
    for (tree::WatcherId id : dirty) {
      Peer* peer = find_peer(id);
      if (peer == nullptr) continue;
      peer->is_dirty = false;
      if (peer->reads_no_events) {
        peer->close_now();
      } else {
        peer->flush();
      }
    }
  }
}

bool Coordinator::accepts(Peer& peer) {
  if (peer.phase == PeerPhase::closed || failed_) return false;
  const std::size_t waiting = peer.waiting.size() + peer.throttled;
  const bool many = in_flight_.size() >= config_.outstanding_max || throttled_.size() >= config_.outstanding_max;
  bool full = held_ || peer.phase == PeerPhase::setting_up || waiting >= kWaitingPerPeerMax ||
              peer.output.size() + peer.answer_bytes >= kPeerOutputMax || bytes_at_log_ + batch_.records.size() >= kBatchBytesMax ||
              waiting_bytes_ >= kWaitingBytesMax || (many && waiting > 0);
  if (full && peer.output.size() < kPeerOutputMax) stalled_.push_back(peer.id);
  return !full;
}

base::Bytes Coordinator::start_frame(Peer& peer, std::size_t& start) const {
  base::Bytes bytes = std::move(peer.output);
  start = bytes.size();
  bytes.resize(start + 4);
  return bytes;
}

void Coordinator::end_frame(Peer& peer, base::Bytes bytes, std::size_t start) {
  auto size = static_cast<std::int32_t>(bytes.size() - start - 4);
  base::store_big_endian(bytes.data() + start, size);
  stats_.add_response(size);
  stats_.metrics.response_bytes += static_cast<std::uint64_t>(size);
  peer.output = std::move(bytes);
  ++peer.sent;
  ++stats_.sent;
  mark_dirty(peer);
}

void Coordinator::reply_error(Peer& peer, std::int32_t xid, tree::Error error) {
  send_record(peer, xid, state_.last_zxid(), error);
}

void Coordinator::on_event(tree::WatcherId watcher, const tree::Event& event) {
  Peer* peer = find_peer(watcher);
  if (peer == nullptr || peer->phase == PeerPhase::closed) return;
  if (event.acl != nullptr && !is_allowed(*event.acl, tree::kRead, peer->identities, acl_schemes_)) return;
  if (peer->output.size() >= kEventOutputMax) {
    base::log_warn(kLogger, "Closing {}: it doesn't read its events", peer->address);
    peer->phase = PeerPhase::closed;
    peer->reads_no_events = true;  // flush_dirty() closes it: a watch table may be in use here
    mark_dirty(*peer);
    return;
  }
  constexpr std::int32_t kEventXid = -1;
  constexpr std::int32_t kSyncConnected = 3;
  send(*peer, kEventXid, event.zxid, tree::Error::ok, [&](proto::Writer& writer) {
    proto::WatcherEvent body;
    body.type = static_cast<std::int32_t>(event.type);
    body.state = kSyncConnected;
    body.path = std::string(event.path);
    writer.write(body);
  });
  stats_.metrics.watch_bytes += static_cast<std::uint64_t>(stats_.response_bytes_last);
}

void Coordinator::on_fired(tree::EventType type, std::size_t watchers) {
  Metrics& metrics = stats_.metrics;
  Summary& summary = type == tree::EventType::created        ? metrics.node_created_watch_count
                     : type == tree::EventType::deleted      ? metrics.node_deleted_watch_count
                     : type == tree::EventType::data_changed ? metrics.node_changed_watch_count
                                                             : metrics.node_children_watch_count;
  summary.add(static_cast<std::int64_t>(watchers));
}

// Requests
// --------------------------------------------------------------------------------------------------------------

void Coordinator::on_frame(Peer& peer, base::ByteView frame) {
  ++peer.received;
  ++stats_.received;
  stats_.metrics.bytes_received_count += frame.size() + 4;
  if (peer.phase == PeerPhase::connecting) return on_connect(peer, frame);
  proto::Reader reader(frame);
  proto::RequestHeader header;
  if (!reader.read(header)) {
    base::log_warn(kLogger, "Closing {}: a request shorter than its header", peer.address);
    return peer.close_now();
  }
  frame_ms_ = clock_.monotonic_ms();
  tracker_.touch(peer.session_id, peer.timeout_ms, frame_ms_);
  ++stats_.metrics.prep_processor_request_queued;
  auto op = static_cast<tree::OpCode>(header.type);
  if (op == tree::OpCode::auth) return on_auth(peer, header.xid, reader);
  if (op == tree::OpCode::sasl) return on_sasl(peer, header.xid, reader);
  if (!has_required_scheme(peer)) return refuse_unauthenticated(peer, header.xid);
  const std::int64_t large_bytes = large_bytes_of(reader.left());
  if (large_bytes > 0 && !accepts_size(reader.left())) {
    base::log_warn(kLogger, "Closing {}: too many large requests under way (largeRequestMaxBytes)", peer.address);
    return peer.close_now();
  }
  large_bytes_ += large_bytes;
  const std::size_t most = config_.request_throttle.requests_max;
  if (most > 0 && (!throttled_.empty() || in_process() >= most)) return throttle(peer, frame, large_bytes);
  stats_.metrics.request_throttle_queue_time_ms.add(0);
  submit(peer, header, frame, Arrival{frame_ms_, large_bytes, false});
}

void Coordinator::serve_frame(Peer& peer, base::ByteView frame, std::int64_t received_ms, bool is_refused) {
  proto::Reader reader(frame);
  proto::RequestHeader header;
  if (!reader.read(header)) return;  // read once already
  auto op = static_cast<tree::OpCode>(header.type);
  if (peer.output.size() >= kAnswerOutputMax) {  // since what it asked for has grown: see answer_bytes_of()
    base::log_warn(kLogger, "Closing {}: it asked for more than {} bytes at once", peer.address, kAnswerOutputMax);
    return peer.close_after_output();
  }
  if (is_refused) {
    reply_error(peer, header.xid, tree::Error::throttled);
  } else {
    serve(peer, header.xid, op, reader);
  }
  std::int64_t now_ms = clock_.monotonic_ms();
  stats_.add_latency(now_ms - received_ms);
  stats_.metrics.readlatency.add(now_ms - received_ms);
  peer.note_response(op, header.xid, state_.last_zxid(), now_ms, now_ms - received_ms);
}

// Of a client that is going nobody waits for the answers; but its reads must leave the line, or the next write would be
// taken for one of them, and what they count for would stay counted.
void Coordinator::serve_waiting(Peer& peer) {
  while (!peer.waiting.empty() && !peer.waiting.front().is_write) {
    WaitingRequest request = std::move(peer.waiting.front());
    peer.waiting.pop_front();
    --waiting_reads_;
    waiting_bytes_ -= request.frame.size();
    large_bytes_ -= request.large_bytes;
    peer.answer_bytes -= request.answer_bytes;
    if (peer.phase == PeerPhase::open) serve_frame(peer, request.frame, request.received_ms, request.is_refused);
  }
}

// Writes
// ----------------------------------------------------------------------------------------------------------------

void Coordinator::propose(Peer* peer, std::int64_t session_id, std::int32_t xid, tree::OpCode op,
                          tree::WriteRequest& request) {
  tree::Caller caller;
  caller.session_id = session_id;
  caller.cxid = xid;
  if (peer != nullptr) caller.identities = peer->identities;
  InFlight& item = in_flight_.emplace_back();
  if (config_.audit && peer != nullptr) item.audited = audited(*peer, request);
  proposals_.decide(request, caller, ++last_proposed_zxid_, clock_.wall_ms(), item.txn);
  log_newest(peer, op);
  if (auto exceeded = proposals_.take_quota_exceeded()) note_quota(*exceeded);
}

void Coordinator::log_newest(Peer* peer, tree::OpCode op) {
  InFlight& item = in_flight_.back();
  item.op = op;
  if (peer != nullptr) {
    item.peer = peer->id;
    item.timeout_ms = peer->timeout_ms;
  }
  const std::int64_t now_ms = clock_.monotonic_ms();
  if (batch_.count++ == 0) {
    batch_.first_zxid = item.txn.zxid;
    batch_.first_ms = now_ms;
  }
  append_record(batch_.records, item.txn);
  ++stats_.metrics.sync_processor_request_queued;
  ++stats_.metrics.outstanding_changes_queued;
  stats_.metrics.sync_processor_queue_size.add(static_cast<std::int64_t>(in_flight_.size() - 1));
  stats_.metrics.prep_process_time.add(now_ms - frame_ms_);
  if (op == tree::OpCode::close_session) stats_.metrics.close_session_prep_time.add(now_ms - frame_ms_);
  if (peer != nullptr) {
    WaitingRequest& waiting = peer->waiting.emplace_back();
    waiting.is_write = true;
    waiting.xid = item.txn.cxid;
    waiting.received_ms = now_ms;
  }
}

LogBatch Coordinator::take_batch() {
  bytes_at_log_ += batch_.records.size();
  LogBatch batch = std::move(batch_);
  batch_ = LogBatch{};
  return batch;
}

void Coordinator::on_durable(Synced synced) {
  if (failed_) return;
  bytes_at_log_ -= synced.bytes;
  ++stats_.syncs;
  stats_.metrics.fsynctime.add(synced.took_ms);
  stats_.metrics.sync_processor_queue_flush_time_ms.add(synced.took_ms);
  stats_.metrics.sync_process_time.add(synced.took_ms);
  stats_.metrics.sync_processor_queue_time_ms.add(synced.queued_ms);
  stats_.metrics.sync_processor_queue_and_flush_time_ms.add(synced.queued_ms + synced.took_ms);
  stats_.metrics.sync_processor_batch_size.add(static_cast<std::int64_t>(synced.count));
  if (synced.took_ms > config_.slow_sync_ms) {
    ++stats_.slow_syncs;
    base::log_warn(kLogger, "Writing and syncing the transaction log took {} ms, which holds up every write",
                   synced.took_ms);
  }
  // Asked for once: the answers to all of them leave together.
  durable_ms_ = clock_.monotonic_ms();
  durable_wall_ms_ = clock_.wall_ms();
  bool is_first = true;
  for (std::uint64_t applied = 0; applied < synced.count; ++applied) {
    apply_next();
    end_waits_for_outstanding();
    // The first answer leaves before the others are made: who waits for it wakes up and writes again meanwhile.
    if (is_first && !dirty_.empty()) {
      flush_dirty();
      is_first = false;
    }
  }
  serve_throttled();
  if (batch_.records.empty() && synced.buffer.capacity() <= kSparedBufferMax) batch_.records = std::move(synced.buffer);
  for (tree::WatcherId id : stalled_) {
    if (Peer* peer = find_peer(id)) mark_dirty(*peer);
  }
  stalled_.clear();
}

void Coordinator::apply_next() {
  const InFlight& item = in_flight_.front();
  const tree::OpCode op = item.op;
  const std::int64_t session_id = item.txn.session_id;
  tree::Applied applied = state_.apply(item.txn, this);
  proposals_.applied(item.txn);
  if (config_.audit) write_audit(item);
  if (config_.digest && item.txn.zxid % kDigestLogStep == 0) {
    digest_log_.push_back(DigestEntry{item.txn.zxid, state_.tree().digest()});
    if (digest_log_.size() > kDigestLogMax) digest_log_.pop_front();
  }
  Peer* peer = item.peer == 0 ? nullptr : find_peer(item.peer);
  ++stats_.metrics.outstanding_changes_removed;
  count_applied(item.txn);
  if (peer != nullptr && !peer->waiting.empty()) {
    std::int64_t latency_ms = durable_ms_ - peer->waiting.front().received_ms;
    stats_.add_latency(latency_ms);
    stats_.metrics.updatelatency.add(latency_ms);
    peer->note_response(op, item.txn.cxid, item.txn.zxid, durable_ms_, latency_ms);
    large_bytes_ -= peer->waiting.front().large_bytes;
    const bool late = is_stale(peer, op, peer->waiting.front().received_ms, item.timeout_ms);
    if (late && applied.outcome.error == tree::Error::ok) ++stats_.metrics.stale_replies;
    peer->waiting.pop_front();
  } else if (item.peer != 0 && applied.outcome.error == tree::Error::ok && is_stale(nullptr, op, 0, 0)) {
    ++stats_.metrics.stale_replies;
  }
  const bool is_answered = peer != nullptr && peer->phase == PeerPhase::open && op != tree::OpCode::create_session;
  if (is_answered) answer_write(*peer, item, applied);
  in_flight_.pop_front();
  if (op == tree::OpCode::create_session) {
    if (peer != nullptr) answer_connect(*peer, true);
    return;
  }
  if (op == tree::OpCode::close_session) on_session_closed(session_id, peer);
  if (peer != nullptr) serve_waiting(*peer);
}

void Coordinator::note_quota(const tree::QuotaExceeded& exceeded) {
  if (exceeded.hard) stats_.metrics.count_quota_exceeded(exceeded.path);
  std::int64_t now_ms = clock_.monotonic_ms();
  if (now_ms < next_quota_warning_ms_) return;  // a client that goes on would fill the log
  next_quota_warning_ms_ = now_ms + kQuotaWarningMs;
  base::log_warn(kLogger, "Quota exceeded: {} [current {}={}, {} limit={}]", exceeded.limited_path,
                 exceeded.of_bytes ? "bytes" : "count", exceeded.would_be, exceeded.hard ? "hard" : "soft",
                 exceeded.limit);
}

void Coordinator::count_applied(const tree::Txn& txn) {
  stats_.metrics.propagation_latency.add(durable_wall_ms_ - txn.time_ms);
  auto count = [this](const auto& body) {
    using Body = std::decay_t<decltype(body)>;
    if constexpr (std::is_same_v<Body, tree::CreateTxn> || std::is_same_v<Body, tree::SetDataTxn>) {
      stats_.metrics.count_write(body.path, body.data ? body.data->size() : 0);
    } else if constexpr (std::is_same_v<Body, tree::DeleteTxn>) {
      stats_.metrics.count_write(body.path, 0);
    }
  };
  if (const auto* multi = std::get_if<tree::MultiTxn>(&txn.body)) {
    for (const tree::SubTxn& part : multi->txns) std::visit(count, part);
  } else {
    std::visit(count, txn.body);
  }
}

void Coordinator::fail() {
  failed_ = true;
  close_all_peers();
}

void Coordinator::close_all_peers() {
  std::vector<Peer*> peers;
  for (const auto& [id, peer] : peers_) peers.push_back(peer);
  for (Peer* peer : peers) peer->close_now();
}

void Coordinator::set_held(bool held) {
  held_ = held;
  if (held) return;
  for (tree::WatcherId id : std::exchange(stalled_, {})) {
    if (Peer* peer = find_peer(id)) mark_dirty(*peer);
  }
}

void Coordinator::reset_stats() { stats_.reset(); }

void Coordinator::reset_connection_stats() {
  for (const auto& [id, peer] : peers_) peer->reset_stats();
}

// Time
// ------------------------------------------------------------------------------------------------------------------

void Coordinator::on_tick() {
  std::int64_t now_ms = frame_ms_ = clock_.monotonic_ms();
  for (std::int64_t session_id : tracker_.take_expired(now_ms)) {
    base::log_info(kLogger, "Expiring session 0x{:x}, its timeout is over", static_cast<std::uint64_t>(session_id));
    ++stats_.metrics.stale_sessions_expired;
    propose(nullptr, session_id, 0, tree::OpCode::close_session, tree::CloseSessionRequest{});
  }
  std::vector<Peer*> late;
  for (const auto& [id, peer] : peers_) {
    bool is_late = peer->phase == PeerPhase::connecting && now_ms - peer->connected_ms > config_.handshake_timeout_ms;
    // One that is to be closed after its output and doesn't take it.
    bool is_stuck = peer->phase == PeerPhase::closed && ++peer->ticks_closing > kTicksClosingMax;
    if (is_late) ++stats_.metrics.sessionless_connections_expired;
    if (is_late || is_stuck) late.push_back(peer);
  }
  for (Peer* peer : late) peer->close_now();
  serve_throttled();
  if (now_ms >= next_window_ms_) {
    next_window_ms_ = now_ms + kMetricsWindowMs;
    stats_.metrics.turn_windows();
  }
  if (now_ms >= next_sweep_ms_) {
    next_sweep_ms_ = now_ms + config_.container_check_ms;
    sweep_containers(clock_.wall_ms());
  }
  in_flight_.trim();
}

bool Coordinator::is_outdated(const tree::Znode& node, std::int64_t now_ms) const {
  std::int64_t unchanged_ms = now_ms - node.stat.mtime;
  if (tree::kind_of_owner(node.stat.ephemeral_owner) == tree::NodeKind::container) {
    bool was_used = node.stat.cversion > 0;
    return was_used || (config_.container_never_used_ms > 0 && unchanged_ms > config_.container_never_used_ms);
  }
  std::int64_t ttl_ms = node.stat.ephemeral_owner & tree::kTtlMaxMs;
  return ttl_ms > 0 && unchanged_ms > ttl_ms;
}

void Coordinator::sweep_containers(std::int64_t now_ms) {
  std::vector<std::string> outdated;
  auto outdated_max = static_cast<std::size_t>(
      std::max<std::int64_t>(1, config_.containers_per_minute_max * config_.container_check_ms / kMinuteMs));
  for (const tree::Znode* node : state_.tree().containers_and_ttls()) {
    if (node->child_count > 0) continue;
    if (is_outdated(*node, now_ms)) outdated.push_back(state_.tree().path_of(*node));
    if (outdated.size() >= outdated_max) break;  // the others' turn comes
  }
  for (const std::string& path : outdated) {
    propose(nullptr, 0, 0, tree::OpCode::delete_container, tree::DeleteContainerRequest{path});
  }
}

}  // namespace zk::server
