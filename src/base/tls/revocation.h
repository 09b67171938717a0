// Whether one of a peer's certificates was revoked, as Java's PKIX validator asks: a responder of OCSP, and the lists that the
// certificate itself names. It waits for files and for the network, so it belongs on a thread where nobody else waits.
// Owned by its Context; any thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/tls/handles.h"
#include "base/tls/ocsp.h"

namespace base::tls {

enum class Revocation {
  none,   // isn't checked
  lists,  // by CRL distribution points: file: and http:
  ocsp,   // by the OCSP responder that the certificate names, over http:; where none gives a verdict, by lists
};

class RevocationChecker {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit RevocationChecker(Revocation kind) : kind_(kind) {}

  // `verified` has just built and checked a chain. Every certificate of it below the trusted one needs a verdict: what can't be
  // found out counts as revoked. False leaves OpenSSL's reason in `verified`; the log says what could not be had. Nothing is asked
  // after `within`, which is below the 10 s of a handshake.
  bool check(x509_store_ctx_st* verified, std::chrono::steady_clock::duration within = std::chrono::seconds(8));

 private:
  struct Known {
    std::shared_ptr<X509_crl_st> list;  // null: it couldn't be had
    std::chrono::steady_clock::time_point until;
  };
  using Lists = std::vector<std::shared_ptr<X509_crl_st>>;

  void add_lists(const x509_st* certificate, Deadline deadline, Lists& lists);
  std::shared_ptr<X509_crl_st> list_at(const std::string& url, Deadline deadline);

  const Revocation kind_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // by URL
  SilentResponders silent_;
};

}  // namespace base::tls
