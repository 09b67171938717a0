#include "base/tls/context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <set>

namespace base::tls {

namespace {

[[noreturn]] void fail(const std::string& what) { throw TlsError(what + ": " + take_openssl_error()); }

void use_protocols(SSL_CTX* context, const std::vector<std::string>& names) {
  static const std::set<std::string> kOld = {"SSL", "SSLv2", "SSLv2Hello", "SSLv3", "TLSv1", "TLSv1.1"};
  bool has_12 = names.empty();
  bool has_13 = names.empty();
  for (const std::string& name : names) {
    if (name == "TLS") has_12 = has_13 = true;
    if (name == "TLSv1.2") has_12 = true;
    if (name == "TLSv1.3") has_13 = true;
    if (name != "TLS" && name != "TLSv1.2" && name != "TLSv1.3" && !kOld.contains(name)) {
      throw TlsError("TLS protocol " + name + " is unknown: TLSv1.2 and TLSv1.3 are served");
    }
  }
  if (!has_12 && !has_13)
    throw TlsError("No TLS protocol is left: TLSv1.2 and TLSv1.3 are served, older ones aren't safe");
  SSL_CTX_set_min_proto_version(context, has_12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, has_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
}

// All ciphers that OpenSSL has, looked through for the name that Java and IANA use.
std::string openssl_cipher_name(const std::string& java_name) {
  const ContextHandle all(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_cipher_list(all.get(), "ALL:COMPLEMENTOFALL");
  STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(all.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    const char* standard = SSL_CIPHER_standard_name(cipher);
    if ((standard != nullptr && java_name == standard) || java_name == SSL_CIPHER_get_name(cipher)) {
      return SSL_CIPHER_get_name(cipher);
    }
  }
  ERR_clear_error();
  return {};
}

void use_ciphers(SSL_CTX* context, const std::vector<std::string>& names) {
  if (names.empty()) return;
  static const std::set<std::string> kTls13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                               "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256",
                                               "TLS_AES_128_CCM_8_SHA256"};
  std::string of_13;
  std::string of_12;
  for (const std::string& name : names) {
    std::string& list = kTls13.contains(name) ? of_13 : of_12;
    const std::string known = kTls13.contains(name) ? name : openssl_cipher_name(name);
    if (known.empty()) throw TlsError("TLS cipher suite " + name + " is unknown");
    list += (list.empty() ? "" : ":") + known;
  }
  if (of_12.empty()) SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (of_13.empty()) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  if (SSL_CTX_get_min_proto_version(context) > SSL_CTX_get_max_proto_version(context)) {
    throw TlsError("None of the TLS cipher suites belongs to an enabled TLS protocol");
  }
  if (!of_13.empty() && SSL_CTX_set_ciphersuites(context, of_13.c_str()) != 1) fail("TLS cipher suites");
  if (!of_12.empty() && SSL_CTX_set_cipher_list(context, of_12.c_str()) != 1) fail("TLS cipher suites");
}

int verify_with_revocation(X509_STORE_CTX* certificates, void* checker) {
  const int verdict = X509_verify_cert(certificates);
  if (verdict <= 0) return verdict;
  return static_cast<RevocationChecker*>(checker)->check(certificates) ? 1 : 0;
}

}  // namespace

Context::Context(Role role, const Options& options)
    : role_(role),
      verify_host_(role == Role::client && options.verify_host),
      handle_(SSL_CTX_new(role == Role::server ? TLS_server_method() : TLS_client_method())) {
  if (!handle_) fail("TLS");
  SSL_CTX* context = handle_.get();
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // Every connection proves anew who it is: nothing is resumed.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  use_protocols(context, options.protocols);
  use_ciphers(context, options.cipher_suites);
  use_keys(options);
  use_trust(options);
}

void Context::use_keys(const Options& options) {
  if (options.key_store.path.empty()) {
    if (role_ == Role::server) throw TlsError("A TLS port needs a key store");
    return;
  }
  SSL_CTX* context = handle_.get();
  KeyMaterial material = load_key_store(options.key_store);
  if (SSL_CTX_use_certificate(context, material.certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, material.key.get()) != 1) {
    fail("The certificate or key in " + options.key_store.path + " can't be used");
  }
  for (const CertificateHandle& issuer : material.chain) {
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) fail(options.key_store.path);
  }
}

void Context::use_trust(const Options& options) {
  SSL_CTX* context = handle_.get();
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (options.trust_store.path.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    ERR_clear_error();
  } else {
    for (const CertificateHandle& trusted : load_trust_store(options.trust_store)) {
      if (X509_STORE_add_cert(store, trusted.get()) != 1) fail(options.trust_store.path);
    }
  }
  // As for Java, whatever is in the trust store is trusted, not only what signs itself.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  int mode = SSL_VERIFY_PEER;
  if (role_ == Role::server) {
    if (options.client_auth == ClientAuth::none) mode = SSL_VERIFY_NONE;
    if (options.client_auth == ClientAuth::need) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_CTX_set_verify(context, mode, nullptr);
  if (options.revocation == Revocation::none) return;
  revocation_ = std::make_unique<RevocationChecker>(options.revocation);
  SSL_CTX_set_cert_verify_callback(context, verify_with_revocation, revocation_.get());
}

}  // namespace base::tls
