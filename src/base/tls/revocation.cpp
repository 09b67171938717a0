#include "base/tls/revocation.h"

#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/logging.h"
#include "base/tls/key_store.h"
#include "base/tls/ocsp.h"
#include "base/tls/openssl_http.h"
#include "base/tls/subject.h"

namespace base::tls {

namespace {

constexpr const char* kLogger = "milena.tls.Revocation";
// Java, too, looks again after 30 s. What failed is tried again sooner, but not by each of a thousand clients.
constexpr std::chrono::seconds kListIsKnown{30};
constexpr std::chrono::seconds kFailureIsKnown{5};
constexpr std::size_t kKnownMax = 100;
constexpr std::time_t kClockSkewSeconds = 900;  // Java's for lists, too
constexpr std::size_t kListBytesMax = 64UL << 20U;

struct ReleasePoints {
  void operator()(CRL_DIST_POINTS* points) const { CRL_DIST_POINTS_free(points); }
};
struct ReleaseStoreContext {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};
struct ReleaseLists {
  void operator()(STACK_OF(X509_CRL)* lists) const { sk_X509_CRL_free(lists); }
};

std::vector<std::string> urls_of_lists(const X509* certificate) {
  std::vector<std::string> urls;
  const std::unique_ptr<CRL_DIST_POINTS, ReleasePoints> points(static_cast<CRL_DIST_POINTS*>(
      X509_get_ext_d2i(certificate, NID_crl_distribution_points, nullptr, nullptr)));
  for (int i = 0; i < sk_DIST_POINT_num(points.get()); ++i) {
    const DIST_POINT* point = sk_DIST_POINT_value(points.get(), i);
    if (point->distpoint == nullptr || point->distpoint->type != 0) continue;
    const GENERAL_NAMES* names = point->distpoint->name.fullname;
    for (int j = 0; j < sk_GENERAL_NAME_num(names); ++j) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, j);
      if (name->type != GEN_URI) continue;
      const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
      const unsigned char* begin = ASN1_STRING_get0_data(text);
      urls.emplace_back(begin, begin + ASN1_STRING_length(text));
    }
  }
  return urls;
}

std::string read_list(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw TlsError("no such file");
  if (std::filesystem::file_size(path, error) > kListBytesMax) throw TlsError("the file is too large");
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) throw TlsError("the file can't be read");
  return bytes;
}

std::shared_ptr<X509_CRL> parse_list(const std::string& bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  X509_CRL* list = d2i_X509_CRL(nullptr, &at, static_cast<long>(bytes.size()));
  if (list == nullptr) {  // Java takes PEM, too; we from files
    const BioHandle reader(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    list = PEM_read_bio_X509_CRL(reader.get(), nullptr, nullptr, nullptr);
  }
  ERR_clear_error();
  if (list == nullptr) throw TlsError("what is there is no revocation list");
  std::shared_ptr<X509_CRL> owned(list, X509_CRL_free);
  // It would count for ever; Java doesn't take it either.
  if (X509_CRL_get0_nextUpdate(list) == nullptr) throw TlsError("the list doesn't say until when it counts");
  return owned;
}

// file:/path and file:///path, with %41 for A.
std::string path_of(const std::string& url) {
  std::string path = url.substr(5);
  if (path.starts_with("//localhost/")) path.erase(0, 11);
  if (path.starts_with("///")) path.erase(0, 2);
  std::string plain;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size()) {
      const int high = OPENSSL_hexchar2int(static_cast<unsigned char>(path[i + 1]));
      const int low = OPENSSL_hexchar2int(static_cast<unsigned char>(path[i + 2]));
      if (high >= 0 && low >= 0) {
        plain += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    plain += path[i];
  }
  return plain;
}

std::shared_ptr<X509_CRL> fetch_list(const std::string& url, std::chrono::steady_clock::time_point deadline) {
  if (url.starts_with("file:")) return parse_list(read_list(path_of(url)));
  return parse_list(http_get(url, kListBytesMax, deadline));
}

struct ReleaseCertificates {
  void operator()(STACK_OF(X509)* certificates) const { sk_X509_pop_free(certificates, X509_free); }
};

// The place of the trusted certificate: as for Java the lowest one that the trust store holds. What is above it doesn't matter.
int place_of_trusted(X509_STORE_CTX* verified) {
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(verified);
  const int last = sk_X509_num(chain) - 1;
  for (int i = 0; i < last; ++i) {
    const X509* one = sk_X509_value(chain, i);
    const std::unique_ptr<STACK_OF(X509), ReleaseCertificates> same_name(
        X509_STORE_CTX_get1_certs(verified, X509_get_subject_name(one)));
    for (int j = 0; j < sk_X509_num(same_name.get()); ++j) {
      if (X509_cmp(sk_X509_value(same_name.get(), j), one) == 0) return i;
    }
  }
  return last;
}

// The certificates that have a verdict already, and the trusted one with those above it, which need none.
struct Settled {
  std::vector<const X509*> certificates;
};

// Whether a list that OpenSSL calls outdated, or too early, is so by more than clocks differ.
bool within_clock_skew(const X509_CRL* list, int error) {
  std::time_t limit = std::time(nullptr);
  if (error == X509_V_ERR_CRL_HAS_EXPIRED) {
    limit -= kClockSkewSeconds;
    return X509_cmp_time(X509_CRL_get0_nextUpdate(list), &limit) > 0;
  }
  limit += kClockSkewSeconds;
  return X509_cmp_time(X509_CRL_get0_lastUpdate(list), &limit) < 0;
}

// Of OpenSSL's second walk over the chain: who is settled needs no list, and lists are looked at with Java's patience.
int let_settled_pass(int good, X509_STORE_CTX* context) {
  if (good == 1) return 1;
  const int error = X509_STORE_CTX_get_error(context);
  if (error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_CRL_NOT_YET_VALID) {
    const X509_CRL* list = X509_STORE_CTX_get0_current_crl(context);
    const bool good_enough = list != nullptr && within_clock_skew(list, error);
    if (good_enough) X509_STORE_CTX_set_error(context, X509_V_OK);
    return good_enough ? 1 : 0;
  }
  if (error != X509_V_ERR_UNABLE_TO_GET_CRL && error != X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER &&
      error != X509_V_ERR_DIFFERENT_CRL_SCOPE) {
    return 0;
  }
  const auto* settled = static_cast<const Settled*>(X509_STORE_CTX_get_app_data(context));
  const X509* current = X509_STORE_CTX_get_current_cert(context);
  const bool passes = std::any_of(settled->certificates.begin(), settled->certificates.end(),
                                  [&](const X509* one) { return X509_cmp(one, current) == 0; });
  if (passes) X509_STORE_CTX_set_error(context, X509_V_OK);
  return passes ? 1 : 0;
}

// OpenSSL's own rules for lists: signature, times, scope, critical extensions. Returns its verdict.
int check_by_lists(X509_STORE_CTX* verified, const std::vector<std::shared_ptr<X509_CRL>>& lists, const Settled& settled) {
  const std::unique_ptr<X509_STORE_CTX, ReleaseStoreContext> again(X509_STORE_CTX_new());
  const std::unique_ptr<STACK_OF(X509_CRL), ReleaseLists> stack(sk_X509_CRL_new_null());
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(verified);
  if (!again || !stack ||
      X509_STORE_CTX_init(again.get(), X509_STORE_CTX_get0_store(verified), sk_X509_value(chain, 0), chain) != 1) {
    return X509_V_ERR_OUT_OF_MEM;
  }
  for (const auto& list : lists) {
    if (sk_X509_CRL_push(stack.get(), list.get()) <= 0) return X509_V_ERR_OUT_OF_MEM;
  }
  X509_STORE_CTX_set0_crls(again.get(), stack.get());
  X509_STORE_CTX_set_flags(again.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  X509_STORE_CTX_set_app_data(again.get(), const_cast<Settled*>(&settled));
  X509_STORE_CTX_set_verify_cb(again.get(), let_settled_pass);
  if (X509_verify_cert(again.get()) == 1) return X509_V_OK;
  const int error = X509_STORE_CTX_get_error(again.get());
  return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
}

}  // namespace

bool RevocationChecker::check(X509_STORE_CTX* verified, std::chrono::steady_clock::duration within) {
  const Deadline deadline = std::chrono::steady_clock::now() + within;
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(verified);
  const int count = sk_X509_num(chain);
  const int trusted = place_of_trusted(verified);
  Settled settled;
  Lists lists;
  for (int i = trusted; i < count; ++i) settled.certificates.push_back(sk_X509_value(chain, i));
  for (int i = 0; i < trusted; ++i) {
    X509* certificate = sk_X509_value(chain, i);
    const OcspVerdict verdict = kind_ == Revocation::ocsp ? ask_ocsp(verified, i, deadline, silent_) : OcspVerdict::unknown;
    if (verdict == OcspVerdict::revoked) {
      X509_STORE_CTX_set_error(verified, X509_V_ERR_CERT_REVOKED);
      return false;
    }
    if (verdict == OcspVerdict::good) {
      settled.certificates.push_back(certificate);
    } else {
      add_lists(certificate, deadline, lists);
    }
  }
  if (settled.certificates.size() == static_cast<std::size_t>(count)) return true;
  const int verdict = check_by_lists(verified, lists, settled);
  ERR_clear_error();
  X509_STORE_CTX_set_error(verified, verdict);
  return verdict == X509_V_OK;
}

void RevocationChecker::add_lists(const X509* certificate, Deadline deadline, Lists& lists) {
  const std::vector<std::string> urls = urls_of_lists(certificate);
  if (urls.empty()) log_warn(kLogger, "The certificate {} names no revocation list", subject_of(certificate));
  for (const std::string& url : urls) {
    if (auto list = list_at(url, deadline)) lists.push_back(std::move(list));
  }
}

std::shared_ptr<X509_CRL> RevocationChecker::list_at(const std::string& url, Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(url);
    if (known != known_.end() && std::chrono::steady_clock::now() < known->second.until) return known->second.list;
  }
  std::shared_ptr<X509_CRL> list;
  try {
    list = fetch_list(url, deadline);
  } catch (const TlsError& error) {
    log_warn(kLogger, "No revocation list from {}: {}", url, error.what());
  }
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [now](const auto& each) { return each.second.until <= now; });
  if (!list) {
    const auto known = known_.find(url);
    if (known != known_.end() && known->second.list) return known->second.list;  // another thread had more luck
    if (deadline - now < std::chrono::seconds(1)) return nullptr;  // for want of our time: that says nothing about the list
  }
  if (known_.size() >= kKnownMax) known_.clear();
  known_[url] = Known{list, now + (list ? kListIsKnown : kFailureIsKnown)};
  return list;
}

}  // namespace base::tls
