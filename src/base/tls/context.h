// What all connections of one TLS port, or of one client, share: keys, trust, protocols, ciphers. Immutable; any
// thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/tls/key_store.h"
#include "base/tls/revocation.h"

namespace base::tls {

enum class ClientAuth { none, want, need };

struct Options {
  Options() {}

  Store key_store;
  Store trust_store;                          // none: the system's certificate authorities
  std::vector<std::string> protocols;         // Java's names (TLSv1.3); empty: 1.2 and 1.3. Older ones are left out
  std::vector<std::string> cipher_suites;     // Java's names; empty: OpenSSL's default
  ClientAuth client_auth = ClientAuth::need;  // a server's
  Revocation revocation = Revocation::none;
  bool verify_host = true;                    // a client's: the certificate must name the host
};

class Context {
 public:
  enum class Role { server, client };

  // Throws TlsError.
  Context(Role role, const Options& options);

  Role role() const { return role_; }
  bool verifies_host() const { return verify_host_; }
  // A handshake then waits for others: see RevocationChecker.
  bool checks_revocation() const { return revocation_ != nullptr; }
  ssl_ctx_st* handle() const { return handle_.get(); }

 private:
  void use_keys(const Options& options);
  void use_trust(const Options& options);

  Role role_;
  bool verify_host_;
  std::unique_ptr<RevocationChecker> revocation_;  // before what calls it
  ContextHandle handle_;
};

}  // namespace base::tls
