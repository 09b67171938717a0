#include "base/tls/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "base/logging.h"
#include "base/tls/key_store.h"
#include "base/tls/openssl_http.h"
#include "base/tls/subject.h"

namespace base::tls {

namespace {

constexpr const char* kLogger = "milena.tls.Revocation";
constexpr std::size_t kAnswerBytesMax = 256UL << 10U;
constexpr long kClockSkewSeconds = 900;
constexpr std::chrono::seconds kSilenceIsKnown{5};
constexpr std::size_t kSilentMax = 100;

template <auto release>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using IdHandle = std::unique_ptr<OCSP_CERTID, Releaser<OCSP_CERTID_free>>;
using RequestHandle = std::unique_ptr<OCSP_REQUEST, Releaser<OCSP_REQUEST_free>>;
using ResponseHandle = std::unique_ptr<OCSP_RESPONSE, Releaser<OCSP_RESPONSE_free>>;
using BasicHandle = std::unique_ptr<OCSP_BASICRESP, Releaser<OCSP_BASICRESP_free>>;

std::vector<std::string> responders_of(X509* certificate) {
  std::vector<std::string> urls;
  STACK_OF(OPENSSL_STRING)* found = X509_get1_ocsp(certificate);
  for (int i = 0; i < sk_OPENSSL_STRING_num(found); ++i) urls.emplace_back(sk_OPENSSL_STRING_value(found, i));
  X509_email_free(found);
  return urls;
}

std::string request_about(const OCSP_CERTID* id) {
  const RequestHandle request(OCSP_REQUEST_new());
  IdHandle copy(OCSP_CERTID_dup(id));
  if (!request || !copy || OCSP_request_add0_id(request.get(), copy.get()) == nullptr) throw TlsError("no memory");
  static_cast<void>(copy.release());  // the request's now
  unsigned char* bytes = nullptr;
  const int size = i2d_OCSP_REQUEST(request.get(), &bytes);
  if (size <= 0) throw TlsError(take_openssl_error());
  std::string text(bytes, bytes + size);
  OPENSSL_free(bytes);
  return text;
}

std::string ask(const std::string& url, const OCSP_CERTID* id, std::chrono::steady_clock::time_point deadline,
                SilentResponders& silent) {
  if (silent.contains(url)) throw TlsError("it didn't answer a moment ago");
  const std::string request = request_about(id);
  try {
    return http_post(url, request, "application/ocsp-request", "application/ocsp-response", kAnswerBytesMax, deadline);
  } catch (const TlsError&) {
    // What had no time left says nothing about the responder.
    if (deadline - std::chrono::steady_clock::now() >= std::chrono::seconds(1)) silent.add(url);
    throw;
  }
}

OcspVerdict verdict_of(const std::string& answer, X509_STORE_CTX* verified, OCSP_CERTID* id) {
  const auto* at = reinterpret_cast<const unsigned char*>(answer.data());
  const ResponseHandle response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(answer.size())));
  if (!response) throw TlsError("what it answers is no OCSP");
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    throw TlsError(std::string("it answers ") + OCSP_response_status_str(status));
  }
  const BasicHandle basic(OCSP_response_get1_basic(response.get()));
  if (!basic) throw TlsError("what it answers is no OCSP");
  // Explicit trust is that of a certificate file of OpenSSL's own kind: not meant here.
  if (OCSP_basic_verify(basic.get(), X509_STORE_CTX_get0_chain(verified), X509_STORE_CTX_get0_store(verified),
                        OCSP_NOEXPLICIT) != 1) {
    throw TlsError("its signature isn't one of the issuer's: " + take_openssl_error());
  }
  int verdict = V_OCSP_CERTSTATUS_UNKNOWN;
  ASN1_GENERALIZEDTIME *last = nullptr, *next = nullptr;
  if (OCSP_resp_find_status(basic.get(), id, &verdict, nullptr, nullptr, &last, &next) != 1) {
    throw TlsError("it answers about another certificate");
  }
  // Without an end, an answer is of its moment.
  if (OCSP_check_validity(last, next, kClockSkewSeconds, next == nullptr ? kClockSkewSeconds : -1) != 1) {
    throw TlsError("its answer is outdated");
  }
  if (verdict == V_OCSP_CERTSTATUS_GOOD) return OcspVerdict::good;
  return verdict == V_OCSP_CERTSTATUS_REVOKED ? OcspVerdict::revoked : OcspVerdict::unknown;
}

}  // namespace

bool SilentResponders::contains(const std::string& url) {
  const std::lock_guard lock(mutex_);
  const auto found = until_.find(url);
  return found != until_.end() && std::chrono::steady_clock::now() < found->second;
}

void SilentResponders::add(const std::string& url) {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(until_, [now](const auto& each) { return each.second <= now; });
  if (until_.size() < kSilentMax) until_[url] = now + kSilenceIsKnown;
}

OcspVerdict ask_ocsp(X509_STORE_CTX* verified, int place, std::chrono::steady_clock::time_point deadline,
                     SilentResponders& silent) {
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(verified);
  X509* certificate = sk_X509_value(chain, place);
  const std::vector<std::string> urls = responders_of(certificate);
  if (urls.empty()) log_debug(kLogger, "The certificate {} names no responder", subject_of(certificate));
  const IdHandle id(OCSP_cert_to_id(nullptr, certificate, sk_X509_value(chain, place + 1)));
  if (!id) return OcspVerdict::unknown;
  for (const std::string& url : urls) {
    try {
      const OcspVerdict verdict = verdict_of(ask(url, id.get(), deadline, silent), verified, id.get());
      if (verdict != OcspVerdict::unknown) return verdict;
      log_warn(kLogger, "The OCSP responder {} doesn't know {}", url, subject_of(certificate));
    } catch (const TlsError& error) {
      log_warn(kLogger, "The OCSP responder {} proves nothing about {}: {}", url, subject_of(certificate), error.what());
    }
    ERR_clear_error();
  }
  return OcspVerdict::unknown;
}

}  // namespace base::tls
