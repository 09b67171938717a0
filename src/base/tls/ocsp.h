// What the OCSP responder that a certificate names says about it. Blocks; any thread.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "base/tls/handles.h"

namespace base::tls {

enum class OcspVerdict { good, revoked, unknown };  // unknown: no responder, no answer, or one that proves nothing

// Responders that gave no answer: each is left alone for 5 s, so that a thousand clients don't wait for it one after the other.
// Any thread.
class SilentResponders {
 public:
  bool contains(const std::string& url);
  void add(const std::string& url);

 private:
  std::mutex mutex_;
  std::map<std::string, std::chrono::steady_clock::time_point> until_;  // by URL
};

// About the certificate at this place of a chain that `verified` holds; its issuer is the next one. Rules of RFC 6960 as Java has
// them: the answer is signed by the issuer or by whom it delegated that to, and its times may be off by 15 minutes.
OcspVerdict ask_ocsp(x509_store_ctx_st* verified, int place, std::chrono::steady_clock::time_point deadline,
                     SilentResponders& silent);

}  // namespace base::tls
