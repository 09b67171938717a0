// What a section of a JAAS file says about SASL: who the server lets in and how, or who the client is. Immutable once
// made, shared by all connections. A section that can't be used is a LoginError; its text holds no secret.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/jaas.h"
#include "base/java_options.h"
#include "zk/sasl/exchange.h"
#include "zk/sasl/gssapi.h"
#include "zk/sasl/kerberos_name.h"

namespace zk::sasl {

class LoginError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The system property that names the JAAS file.
inline constexpr std::string_view kJaasOption = "java.security.auth.login.config";

// Reads that file; nothing if the option isn't there. Throws LoginError with file and line.
std::optional<base::Jaas> load_jaas(const base::JavaOptions& options);

struct ServerLoginOptions {
  NameRules rules;
  std::string super_password;  // SASLAuthenticationProvider.superPassword; empty: the file's
};

// One mechanism, as in ZooKeeper: GSSAPI if the section's module is Krb5LoginModule, else DIGEST-MD5 for the users that
// user_NAME="password" lists.
class ServerLogin {
 public:
  ServerLogin(const std::vector<base::JaasModule>& section, ServerLoginOptions options);

  std::unique_ptr<ServerExchange> start() const;
  // The id of the sasl scheme; nothing for a name that no one may have.
  std::optional<std::string> authorized_id(const std::string& authentication_id) const;
  std::string_view mechanism() const { return credential_ ? "GSSAPI" : "DIGEST-MD5"; }

 private:
  ServerLoginOptions options_;
  std::shared_ptr<const std::map<std::string, std::string>> passwords_;
  std::shared_ptr<GssCredential> credential_;
};

// -D options of ZooKeeper's client.
struct ClientLoginOptions {
  std::string service = "zookeeper";  // zookeeper.sasl.client.username
  std::string server_principal;       // zookeeper.server.principal; empty: service/host
  std::string server_realm;           // zookeeper.server.realm; empty: the client's
  bool canonicalize_host = true;      // zookeeper.sasl.client.canonicalize.hostname
};

class ClientLogin {
 public:
  ClientLogin(const std::vector<base::JaasModule>& section, ClientLoginOptions options);

  // For a connection to `host`, which has the numeric address `address`. Kerberos wants the server's full name: it is
  // asked of the name service here.
  std::unique_ptr<ClientExchange> start(const std::string& host, const std::string& address) const;
  std::string_view mechanism() const { return kerberos_ ? "GSSAPI" : "DIGEST-MD5"; }

 private:
  ClientLoginOptions options_;
  bool kerberos_ = false;
  std::string username_, password_;
  TicketSource source_;
};

}  // namespace zk::sasl
