#include "zk/sasl/digest_md5.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <utility>

#include "base/bytes.h"

namespace zk::sasl {

namespace {

constexpr std::size_t kNonceBytes = 30;

std::string md5(std::string_view text) {
  std::string hash(16, '\0');
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(hash.data()), &size, EVP_md5(), nullptr) !=
      1) {
    throw std::runtime_error("OpenSSL offers no MD5, which DIGEST-MD5 needs (is it in FIPS mode?)");
  }
  return hash;
}

std::string hex(std::string_view bytes) { return base::to_hex(base::as_bytes(bytes)); }

std::string fresh_nonce() {
  std::array<unsigned char, kNonceBytes> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) throw std::runtime_error("no random bytes");
  return base::to_base64(random);
}

// RFC 2831, 2.1.2.1: what fits into ISO 8859-1 is hashed in it, all else as UTF-8.
std::string hashed_form(std::string_view utf8) {
  std::string latin;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80) {
      latin += utf8[i];
      continue;
    }
    if ((byte != 0xc2 && byte != 0xc3) || i + 1 == utf8.size()) return std::string(utf8);
    auto next = static_cast<unsigned char>(utf8[++i]);
    if ((next & 0xc0U) != 0x80) return std::string(utf8);
    latin += static_cast<char>(((byte & 3U) << 6) | (next & 0x3fU));
  }
  return latin;
}

std::string utf8_of_latin(std::string_view latin) {
  std::string utf8;
  for (char c : latin) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0U | (byte >> 6));
      utf8 += static_cast<char>(0x80U | (byte & 0x3fU));
    }
  }
  return utf8;
}

// HEX(KD(HEX(H(A1)), nonce:nc:cnonce:qop:HEX(H(A2)))); the response has "AUTHENTICATE" in A2, the proof has nothing.
std::string digest(const DigestInput& input, std::string_view method) {
  std::string a1 =
      md5(hashed_form(input.username) + ":" + hashed_form(input.realm) + ":" + hashed_form(input.password)) + ":" +
      input.nonce + ":" + input.cnonce;
  if (input.authzid) a1 += ":" + *input.authzid;
  std::string a2 = std::string(method) + ":" + input.digest_uri;
  return hex(md5(hex(md5(a1)) + ":" + input.nonce + ":00000001:" + input.cnonce + ":auth:" + hex(md5(a2))));
}

bool same_secret(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

std::optional<std::string> value_of(const Directives& directives, std::string_view name) {
  auto found = directives.find(name);
  if (found == directives.end()) return std::nullopt;
  return found->second;
}

bool lists(const std::string& values, std::string_view wanted) {
  std::string_view rest = values;
  for (;;) {
    std::size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one == wanted) return true;
    if (comma == std::string_view::npos) return false;
    rest.remove_prefix(comma + 1);
  }
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class DirectiveReader {
 public:
  explicit DirectiveReader(std::string_view text) : text_(text) {}

  bool at_end() {
    skip([](char c) { return is_space(c) || c == ','; });
    return at_ == text_.size();
  }
  bool read(std::string& name, std::string& value) {
    std::size_t start = at_;
    skip([](char c) { return c != '=' && c != ',' && c != '"' && !is_space(c); });
    name = text_.substr(start, at_ - start);
    skip(is_space);
    if (name.empty() || at_ == text_.size() || text_[at_] != '=') return false;
    ++at_;
    skip(is_space);
    if (at_ < text_.size() && text_[at_] == '"') {
      if (!read_quoted(value)) return false;
    } else {
      start = at_;
      skip([](char c) { return c != ',' && c != '"' && !is_space(c); });
      value = text_.substr(start, at_ - start);
      if (value.empty()) return false;
    }
    skip(is_space);
    return at_ == text_.size() || text_[at_] == ',';
  }

 private:
  template <class Accepts>
  void skip(Accepts accepts) {
    while (at_ < text_.size() && accepts(text_[at_])) ++at_;
  }
  bool read_quoted(std::string& value) {
    value.clear();
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return true;
      }
      if (text_[at_] == '\\' && ++at_ == text_.size()) return false;
      value += text_[at_];
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Directives> parse_directives(std::string_view text, const std::vector<std::string_view>& repeated) {
  if (text.size() > kDigestMessageBytesMax || text.find('\0') != std::string_view::npos) return std::nullopt;
  Directives directives;
  DirectiveReader reader(text);
  while (!reader.at_end()) {
    std::string name, value;
    if (!reader.read(name, value)) return std::nullopt;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
    if (directives.contains(name) && std::find(repeated.begin(), repeated.end(), name) == repeated.end()) {
      return std::nullopt;
    }
    directives.emplace(std::move(name), std::move(value));
  }
  return directives;
}

std::string digest_response(const DigestInput& input) { return digest(input, "AUTHENTICATE"); }
std::string digest_proof(const DigestInput& input) { return digest(input, ""); }

// Server
// ----------------------------------------------------------------------------------------------------------------

DigestServer::DigestServer(std::string service, std::string server_name, PasswordOf password_of)
    : realm_(std::move(server_name)), digest_uri_(service + "/" + realm_), password_of_(std::move(password_of)) {}

Step DigestServer::evaluate(std::string_view token) {
  if (stage_ == Stage::fresh) {
    stage_ = Stage::challenged;  // whatever the token is: Java's provider doesn't look at it
    nonce_ = fresh_nonce();
    return Step::more("realm=" + in_quotes(realm_) + ",nonce=\"" + nonce_ + "\",charset=utf-8,algorithm=md5-sess");
  }
  if (stage_ == Stage::over) return Step::failed("a token after the authentication was over");
  stage_ = Stage::over;
  return check(token);
}

Step DigestServer::check(std::string_view response) {
  auto directives = parse_directives(response, {});
  if (!directives) return Step::failed("malformed DIGEST-MD5 response");
  auto charset = value_of(*directives, "charset");
  if (charset && ::strcasecmp(charset->c_str(), "utf-8") != 0) return Step::failed("unknown charset");
  auto text_of = [&](std::string_view name) {
    auto value = value_of(*directives, name);
    return value && !charset ? utf8_of_latin(*value) : value.value_or("");
  };
  DigestInput input;
  input.username = text_of("username");
  input.realm = text_of("realm");
  input.nonce = nonce_;
  input.cnonce = value_of(*directives, "cnonce").value_or("");
  input.digest_uri = value_of(*directives, "digest-uri").value_or("");
  input.authzid = value_of(*directives, "authzid");
  if (input.username.empty()) return Step::failed("no username");
  if (input.realm != realm_) return Step::failed("realm " + input.realm + " instead of " + realm_);
  if (value_of(*directives, "nonce") != nonce_) return Step::failed("a nonce that isn't of this connection");
  if (input.cnonce.empty()) return Step::failed("no cnonce");
  if (value_of(*directives, "qop").value_or("auth") != "auth") return Step::failed("a qop that isn't offered");
  if (::strcasecmp(input.digest_uri.c_str(), digest_uri_.c_str()) != 0 &&
      ::strcasecmp(input.digest_uri.c_str(), (digest_uri_ + digest_uri_.substr(digest_uri_.find('/'))).c_str()) != 0) {
    return Step::failed("digest-uri " + input.digest_uri + " instead of " + digest_uri_);
  }
  auto password = password_of_(input.username);
  if (!password) return Step::failed("no such user: " + input.username);
  input.password = std::move(*password);
  bool proved = same_secret(digest_response(input), value_of(*directives, "response").value_or(""));
  std::string proof = proved ? "rspauth=" + digest_proof(input) : "";
  OPENSSL_cleanse(input.password.data(), input.password.size());
  if (!proved) return Step::failed("wrong password of user " + input.username);
  username_ = std::move(input.username);
  return Step::done(std::move(proof));
}

// Client
// ----------------------------------------------------------------------------------------------------------------

DigestClient::DigestClient(std::string service, std::string server_name, std::string username, std::string password)
    : server_name_(std::move(server_name)) {
  input_.authzid = username;  // as ZooKeeper's client sends it
  input_.username = std::move(username);
  input_.password = std::move(password);
  input_.digest_uri = service + "/" + server_name_;
}

Step DigestClient::evaluate(std::string_view challenge) {
  Stage stage = std::exchange(stage_, Stage::over);
  if (stage == Stage::fresh) return respond(challenge);
  if (stage == Stage::responded) return check_proof(challenge);
  return Step::failed("a token after the authentication was over");
}

Step DigestClient::respond(std::string_view challenge) {
  auto directives = parse_directives(challenge, {"realm", "auth-param"});
  if (!directives) return Step::failed("malformed DIGEST-MD5 challenge");
  auto nonce = value_of(*directives, "nonce");
  if (!nonce || nonce->empty() || value_of(*directives, "algorithm") != "md5-sess") {
    return Step::failed("a DIGEST-MD5 challenge without a nonce or the algorithm md5-sess");
  }
  if (!lists(value_of(*directives, "qop").value_or("auth"), "auth"))
    return Step::failed("the server offers no qop auth");
  input_.nonce = *nonce;
  input_.realm = value_of(*directives, "realm").value_or("");
  input_.cnonce = fresh_nonce();
  bool utf8 = directives->contains("charset");
  std::string username = utf8 ? input_.username : hashed_form(input_.username);
  std::string response = utf8 ? "charset=utf-8," : "";
  response += "username=" + in_quotes(username);
  if (!input_.realm.empty()) response += ",realm=" + in_quotes(input_.realm);
  response += ",nonce=" + in_quotes(input_.nonce) + ",nc=00000001,cnonce=" + in_quotes(input_.cnonce);
  response += ",digest-uri=" + in_quotes(input_.digest_uri) + ",response=" + digest_response(input_);
  response += ",qop=auth,authzid=" + in_quotes(*input_.authzid);
  stage_ = Stage::responded;
  return Step::more(std::move(response));
}

Step DigestClient::check_proof(std::string_view challenge) {
  auto directives = parse_directives(challenge, {"auth-param"});
  bool proved = directives && same_secret(value_of(*directives, "rspauth").value_or(""), digest_proof(input_));
  OPENSSL_cleanse(input_.password.data(), input_.password.size());
  if (!proved) return Step::failed("the server doesn't prove that it knows the password");
  return Step::done(std::nullopt);
}

}  // namespace zk::sasl
