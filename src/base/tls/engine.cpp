#include "base/tls/engine.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>

#include "base/tls/subject.h"

namespace base::tls {

namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

Engine::Engine(std::shared_ptr<const Context> context, const std::string& host)
    : context_(std::move(context)), ssl_(SSL_new(context_->handle())) {
  SSL* ssl = ssl_.get();
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  if (ssl == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    throw TlsError("TLS: " + take_openssl_error());
  }
  SSL_set_bio(ssl, in, out);
  if (context_->role() == Context::Role::server) {
    SSL_set_accept_state(ssl);
    return;
  }
  SSL_set_connect_state(ssl);
  if (!host.empty() && !is_address(host)) SSL_set_tlsext_host_name(ssl, host.c_str());
  if (context_->verifies_host()) {
    X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str())
                                     : X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
    if (host.empty() || set != 1) throw TlsError("TLS: no host name to check the certificate against");
  }
  handshake();
}

bool Engine::fail(int result) {
  const int kind = SSL_get_error(ssl_.get(), result);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return true;
  ended_ = true;
  if (kind == SSL_ERROR_ZERO_RETURN) return false;
  failed_ = true;
  const long verdict = SSL_get_verify_result(ssl_.get());
  failure_ = take_openssl_error();
  if (!established_ && verdict != X509_V_OK) failure_ += std::string(": ") + X509_verify_cert_error_string(verdict);
  return false;
}

bool Engine::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) return fail(result);
  established_ = true;
  return true;
}

bool Engine::receive(ByteView sealed, Bytes& plain) {
  if (ended_) return false;
  BIO_write(SSL_get_rbio(ssl_.get()), sealed.data(), static_cast<int>(sealed.size()));
  if (!established_ && !handshake()) return false;
  if (!established_) return true;
  for (;;) {
    ERR_clear_error();
    const std::size_t before = plain.size();
    plain.resize(before + kRecordBytes);
    const int got = SSL_read(ssl_.get(), plain.data() + before, static_cast<int>(kRecordBytes));
    plain.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got <= 0) return fail(got);
  }
}

bool Engine::send(ByteView plain) {
  if (failed_ || !established_) return false;
  while (!plain.empty()) {
    ERR_clear_error();
    const std::size_t size = std::min<std::size_t>(plain.size(), kRecordBytes);
    const int sent = SSL_write(ssl_.get(), plain.data(), static_cast<int>(size));
    if (sent <= 0) {
      fail(sent);
      return false;
    }
    plain = plain.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

void Engine::close() {
  if (!established_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

Bytes Engine::take_output() {
  BIO* out = SSL_get_wbio(ssl_.get());
  Bytes bytes(BIO_ctrl_pending(out));
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

std::string Engine::peer_subject() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate == nullptr ? std::string() : subject_of(certificate);
}

}  // namespace base::tls
