// SASL's DIGEST-MD5 (RFC 2831) with qop "auth", both sides, as Java's provider speaks it: that is what ZooKeeper's
// clients and servers use with a DigestLoginModule. No initial response; one challenge, one response, and the server's
// proof in return. By hand rather than by Cyrus SASL: its plug-in is loaded at run time from a package of its own,
// brings ciphers along, and is marked obsolete. Pure: random nonces come from OpenSSL. Messages are bounded.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "zk/sasl/exchange.h"

namespace zk::sasl {

inline constexpr std::size_t kDigestMessageBytesMax = 8192;

// name=value pairs of a challenge or response; a name may come several times where `repeated` lists it. Nothing if
// it is malformed.
using Directives = std::multimap<std::string, std::string, std::less<>>;
std::optional<Directives> parse_directives(std::string_view text, const std::vector<std::string_view>& repeated);

// What the response and the server's proof are made of.
struct DigestInput {
  std::string username, realm, password;  // UTF-8
  std::string nonce, cnonce, digest_uri;
  std::optional<std::string> authzid;
};
std::string digest_response(const DigestInput& input);  // 32 hex digits
std::string digest_proof(const DigestInput& input);     // the value of rspauth

class DigestServer final : public ServerExchange {
 public:
  using PasswordOf = std::function<std::optional<std::string>(const std::string& username)>;
  // `service` and `server_name`: those of the digest-uri; the server's name is also the realm.
  DigestServer(std::string service, std::string server_name, PasswordOf password_of);

  Step evaluate(std::string_view token) override;
  const std::string& authentication_id() const override { return username_; }

 private:
  enum class Stage { fresh, challenged, over };
  Step check(std::string_view response);

  std::string realm_;
  std::string digest_uri_;
  PasswordOf password_of_;
  Stage stage_ = Stage::fresh;
  std::string nonce_;
  std::string username_;
};

class DigestClient final : public ClientExchange {
 public:
  DigestClient(std::string service, std::string server_name, std::string username, std::string password);

  Step start() override { return Step::more(""); }
  Step evaluate(std::string_view challenge) override;

 private:
  enum class Stage { fresh, responded, over };
  Step respond(std::string_view challenge);
  Step check_proof(std::string_view challenge);

  DigestInput input_;
  std::string server_name_;
  Stage stage_ = Stage::fresh;
};

}  // namespace zk::sasl
