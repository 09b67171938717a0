// What the OCSP responder that a certificate names says about it. Blocks; any thread.
#pragma once

#include <chrono>

#include "base/tls/handles.h"

namespace base::tls {

enum class OcspVerdict { good, revoked, unknown };  // unknown: no responder, no answer, or one that proves nothing

// About the certificate at this place of a chain that `verified` holds; its issuer is the next one. Rules of RFC 6960 as Java has
// them: the answer is signed by the issuer or by whom it delegated that to, and its times may be off by 15 minutes.
OcspVerdict ask_ocsp(x509_store_ctx_st* verified, int place, std::chrono::steady_clock::time_point deadline);

}  // namespace base::tls
