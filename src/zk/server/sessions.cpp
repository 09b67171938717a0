// Sessions and authentication: the handshake, re-attaching, closing.
#include <algorithm>

#include "base/logging.h"
#include "zk/server/coordinator.h"
#include "zk/server/identities.h"
#include "zk/server/password.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Coordinator";
constexpr std::size_t kPasswordBytes = 16;

}  // namespace

bool Coordinator::take_connection_token() {
  const ConnectionThrottleConfig& throttle = config_.connection_throttle;
  if (throttle.tokens == 0) return true;
  std::int64_t now_ms = clock_.monotonic_ms();
  std::int64_t fills = (now_ms - tokens_filled_ms_) / std::max<std::int64_t>(throttle.fill_interval_ms, 1);
  if (fills > 0) {
    connection_tokens_ = std::min(throttle.tokens, connection_tokens_ + fills * throttle.fill_count);
    tokens_filled_ms_ = now_ms;
  }
  stats_.metrics.connection_token_deficit.add(throttle.tokens - connection_tokens_);
  if (connection_tokens_ == 0) return false;
  --connection_tokens_;
  return true;
}

void Coordinator::on_connect(Peer& peer, base::ByteView frame) {
  if (!take_connection_token()) {
    ++stats_.metrics.connection_rejected;
    base::log_warn(kLogger, "Closing {}: too many new connections at once (connection_throttle_tokens)", peer.address);
    return peer.close_now();
  }
  ++stats_.metrics.connection_request_count;
  frame_ms_ = clock_.monotonic_ms();
  proto::Reader reader(frame);
  std::int32_t protocol_version = 0;
  std::int64_t last_zxid_seen = 0, session_id = 0;
  std::int32_t timeout_ms = 0;
  std::optional<std::string> password;
  bool read_only = false;
  bool whole = reader.read(protocol_version) && reader.read(last_zxid_seen) && reader.read(timeout_ms) &&
               reader.read(session_id) && reader.read(password);
  if (!whole) {
    base::log_warn(kLogger, "Closing {}: its first frame is no connect request", peer.address);
    return peer.close_now();
  }
  peer.sends_read_only = reader.left() > 0 && reader.read(read_only);
  if (last_zxid_seen > state_.last_zxid()) {
    base::log_warn(kLogger, "Closing {}: it has seen zxid 0x{:x}, ours is 0x{:x}; it should try another server",
                   peer.address, last_zxid_seen, state_.last_zxid());
    return peer.close_now();
  }
  peer.timeout_ms = static_cast<std::int32_t>(
      std::clamp<std::int64_t>(timeout_ms, config_.session_timeout_min_ms, config_.session_timeout_max_ms));
  if (session_id != 0) {
    peer.session_id = session_id;
    return reattach(peer, password.value_or(""));
  }
  peer.phase = PeerPhase::setting_up;
  peer.session_id = next_session_id_++;
  tracker_.touch(peer.session_id, peer.timeout_ms, frame_ms_);
  propose(&peer, peer.session_id, 0, tree::OpCode::create_session, tree::CreateSessionRequest{peer.timeout_ms});
}

void Coordinator::reattach(Peer& peer, const std::string& password) {
  ++stats_.metrics.connection_revalidate_count;
  // The old connection goes first, whatever the password: a client that comes again has given it up.
  auto old = session_peers_.find(peer.session_id);
  if (old != session_peers_.end()) old->second->close_now();
  bool valid = password == session_password(peer.session_id) && state_.sessions().contains(peer.session_id) &&
               !proposals_.is_closing(peer.session_id);
  if (valid) tracker_.touch(peer.session_id, peer.timeout_ms, clock_.monotonic_ms());
  answer_connect(peer, valid);
  const auto is_own = [&](const InFlight& item) { return item.txn.session_id == peer.session_id; };
  if (valid && std::any_of(in_flight_.begin(), in_flight_.end(), is_own)) wait_for_outstanding(peer);
}

// The session's writes by an earlier connection are at the log yet. A client that comes back looks for what it made, and would
// make it again; in ZooKeeper, too, reads wait behind all writes that came before them. Others' writes are waited for with them,
// so that the waits end in the order of their beginning.
void Coordinator::wait_for_outstanding(Peer& peer) {
  peer.waiting.emplace_back().is_write = true;
  outstanding_waits_.push_back(OutstandingWait{last_proposed_zxid_, peer.id});
}

// After each transaction that is applied. What is in front of the line is the wait: the peer's own writes before it have been
// applied, and what was between has been served.
void Coordinator::end_waits_for_outstanding() {
  while (!outstanding_waits_.empty() && outstanding_waits_.front().zxid <= state_.last_zxid()) {
    Peer* peer = find_peer(outstanding_waits_.front().peer);
    outstanding_waits_.pop_front();
    if (peer == nullptr) continue;
    peer->waiting.pop_front();
    serve_waiting(*peer);
  }
}

void Coordinator::answer_connect(Peer& peer, bool valid) {
  std::size_t start = 0;
  proto::Writer writer(start_frame(peer, start));
  writer.write(std::int32_t{0});
  writer.write(valid ? peer.timeout_ms : std::int32_t{0});
  writer.write(valid ? peer.session_id : std::int64_t{0});
  std::optional<std::string> password(valid ? session_password(peer.session_id) : std::string(kPasswordBytes, '\0'));
  writer.write(password);
  if (peer.sends_read_only) writer.write(false);
  end_frame(peer, writer.take(), start);
  if (!valid) {
    base::log_info(kLogger, "Session 0x{:x} of {} is unknown, expired or came with a wrong password",
                   static_cast<std::uint64_t>(peer.session_id), peer.address);
    peer.session_id = 0;
    return peer.close_after_output();
  }
  peer.phase = PeerPhase::open;
  session_peers_[peer.session_id] = &peer;
}

void Coordinator::on_session_closed(std::int64_t session_id, Peer* asked_by) {
  tracker_.remove(session_id);
  auto entry = session_peers_.find(session_id);
  Peer* peer = entry == session_peers_.end() ? nullptr : entry->second;
  if (entry != session_peers_.end()) session_peers_.erase(entry);
  if (asked_by != nullptr) asked_by->close_after_output();
  if (peer != nullptr && peer != asked_by) peer->close_after_output();
}

void Coordinator::identify_by_certificate(Peer& peer) {
  if (peer.certificate_subject.empty()) return;
  if (peer.certificate_subject == config_.tls.x509_super_user) {
    add_identity(peer.identities, tree::Identity{"super", peer.certificate_subject});
    base::log_info(kLogger, "{} is the super user: {}", peer.address, peer.certificate_subject);
  }
  add_identity(peer.identities, tree::Identity{"x509", peer.certificate_subject});
}

void Coordinator::on_auth(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::AuthPacket packet;
  if (!reader.read(packet)) {
    base::log_warn(kLogger, "Closing {}: an auth packet that cannot be read", peer.address);
    return peer.close_now();
  }
  bool accepted = authenticate(peer, packet.scheme, packet.auth.value_or(""));
  send(peer, xid, 0, accepted ? tree::Error::ok : tree::Error::auth_failed, [](proto::Writer&) {});
  if (accepted) return;
  base::log_warn(kLogger, "Authentication of {} by scheme {} failed", peer.address, std::string(packet.scheme));
  peer.close_after_output();
}

bool Coordinator::authenticate(Peer& peer, const std::string& scheme, const std::string& credential) {
  const tree::AclSchemes& schemes = config_.security.schemes;
  if (scheme == "digest" && schemes.digest) {
    std::string id = tree::digest_identity(credential, schemes.digest_algorithm).value_or("");
    bool is_super = !config_.super_digest.empty() && id == config_.super_digest;
    if (is_super && !add_identity(peer.identities, tree::Identity{"super", ""})) return false;
    return add_identity(peer.identities, tree::Identity{"digest", std::move(id)});
  }
  return scheme == "ip" && add_identity(peer.identities, tree::Identity{"ip", peer.address});
}

}  // namespace zk::server
