// SASL on opcode 102, and what happens to connections that must authenticate and don't.
#include <algorithm>

#include "base/logging.h"
#include "zk/proto/records.h"
#include "zk/server/coordinator.h"
#include "zk/server/identities.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Coordinator";

// The answer to a token: as ZooKeeper's, a null one also with an error.
void write_token(proto::Writer& writer, std::optional<std::string> token) {
  proto::SetSASLResponse response;
  response.token = std::move(token);
  writer.write(response);
}

}  // namespace

void Coordinator::on_sasl(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::GetSASLRequest request;
  if (!reader.read(request) || !request.token) {
    base::log_warn(kLogger, "Closing {}: a SASL request without a token", peer.address);
    return peer.close_now();
  }
  const auto& login = config_.security.login;
  if (!login) {  // a null token tells the client so
    return send(peer, xid, 0, tree::Error::ok, [](proto::Writer& writer) { write_token(writer, std::nullopt); });
  }
  if (peer.sasl_is_over) return refuse_sasl(peer, xid, "a token after the authentication was over");
  if (!peer.sasl) peer.sasl = login->start();
  sasl::Step step = peer.sasl->evaluate(*request.token);
  if (step.state != sasl::StepState::more) peer.sasl_is_over = true;
  if (step.state == sasl::StepState::failed) return refuse_sasl(peer, xid, step.failure);
  if (step.state == sasl::StepState::done) {
    auto id = login->authorized_id(peer.sasl->authentication_id());
    if (!id) return refuse_sasl(peer, xid, "a malformed name: " + peer.sasl->authentication_id());
    base::log_info(kLogger, "Session 0x{:x}: adding SASL authorization for authorizationID: {}",
                   static_cast<std::uint64_t>(peer.session_id), *id);
    bool is_super = config_.security.sasl_super_users.contains(*id);
    if (!add_identity(peer.identities, tree::Identity{"sasl", *id}) ||
        (is_super && !add_identity(peer.identities, tree::Identity{"super", ""}))) {
      return refuse_sasl(peer, xid, "the connection has too many identities");
    }
    peer.sasl.reset();
  }
  send(peer, xid, 0, tree::Error::ok, [&](proto::Writer& writer) { write_token(writer, std::move(step.token)); });
}

void Coordinator::refuse_sasl(Peer& peer, std::int32_t xid, const std::string& why) {
  peer.sasl.reset();
  base::log_warn(kLogger, "Client {} failed to SASL authenticate: {}", peer.socket_address(), why);
  bool stays = config_.security.allow_sasl_failed_clients && !config_.security.requires_sasl();
  tree::Error error = stays                              ? tree::Error::ok
                      : config_.security.requires_sasl() ? tree::Error::session_closed_require_sasl_auth
                                                         : tree::Error::auth_failed;
  send(peer, xid, 0, error, [](proto::Writer& writer) { write_token(writer, std::nullopt); });
  if (!stays) peer.close_after_output();
}

bool Coordinator::has_required_scheme(const Peer& peer) const {
  const auto& required = config_.security.required_schemes;
  if (required.empty()) return true;
  return std::any_of(peer.identities.begin(), peer.identities.end(), [&](const tree::Identity& identity) {
    return std::find(required.begin(), required.end(), identity.scheme) != required.end();
  });
}

void Coordinator::refuse_unauthenticated(Peer& peer, std::int32_t xid) {
  base::log_warn(kLogger, "Closing {}: it has none of the authentication schemes that this server requires",
                 peer.socket_address());
  send(peer, xid, 0, tree::Error::session_closed_require_sasl_auth, [](proto::Writer&) {});
  peer.close_after_output();
}

}  // namespace zk::server
