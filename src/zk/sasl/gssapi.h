// SASL's GSSAPI (RFC 4752) with Kerberos and no security layer, both sides, on MIT's libgssapi_krb5. Credentials come
// from a key table or a ticket cache. The server's side reads local files only; the client's side may wait for the KDC,
// as long as krb5.conf lets it. One thread at a time for each exchange; credentials are shared.
#pragma once

#include <memory>
#include <string>

#include "zk/sasl/exchange.h"

namespace zk::sasl {

// Kerberos credentials of one principal. Whoever makes them keeps them for all exchanges.
class GssCredential;

// Throws LoginError (login.h) if the key table can't be read or has no key of the principal; "*" takes any. An empty
// key table name is the library's default.
std::shared_ptr<GssCredential> accept_credential(const std::string& key_table, const std::string& principal);

// Where a client's tickets come from: a key table, or a ticket cache that `kinit` filled (empty: the default one). An
// empty principal: the cache's own.
struct TicketSource {
  bool use_key_table = false;
  std::string path;
  std::string principal;
};

class GssServer final : public ServerExchange {
 public:
  explicit GssServer(std::shared_ptr<GssCredential> credential);
  ~GssServer() override;

  Step evaluate(std::string_view token) override;
  const std::string& authentication_id() const override { return peer_; }

 private:
  enum class Stage { context, empty_token, layer, over };
  Step accept(std::string_view token);
  Step offer_layer();
  Step check_layer(std::string_view token);

  struct State;
  std::shared_ptr<GssCredential> credential_;
  std::unique_ptr<State> state_;
  Stage stage_ = Stage::context;
  std::string peer_;
};

class GssClient final : public ClientExchange {
 public:
  // `service`: the whole principal, as zookeeper/host@REALM.
  GssClient(TicketSource source, std::string service);
  ~GssClient() override;

  Step start() override;
  Step evaluate(std::string_view challenge) override;

 private:
  enum class Stage { context, layer, over };
  Step initiate(std::string_view token);
  Step answer_layer(std::string_view challenge);

  struct State;
  TicketSource source_;
  std::string service_;
  std::unique_ptr<State> state_;
  Stage stage_ = Stage::context;
};

// Of krb5.conf; empty if there is none.
std::string default_realm();

}  // namespace zk::sasl
