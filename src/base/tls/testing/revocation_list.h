// The list of revoked certificates that an authority gives out, made by a test.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <optional>
#include <string>
#include <vector>

#include "base/tls/testing/certificates.h"

namespace base::tls::testing {

inline constexpr long kHour = 3600;

// In DER.
inline std::string list_of(const Identity& authority, const std::vector<const Identity*>& revoked,
                           std::optional<long> ends_in_seconds = kHour, const Identity* signer = nullptr,
                           long begins_in_seconds = -2 * kHour) {
  X509_CRL* list = X509_CRL_new();
  X509_CRL_set_version(list, 1);
  X509_CRL_set_issuer_name(list, X509_get_subject_name(authority.certificate.get()));
  ASN1_TIME* time = X509_gmtime_adj(nullptr, begins_in_seconds);
  X509_CRL_set1_lastUpdate(list, time);
  if (ends_in_seconds) {
    X509_gmtime_adj(time, *ends_in_seconds);
    X509_CRL_set1_nextUpdate(list, time);
  }
  for (const Identity* one : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one->certificate.get()));
    X509_gmtime_adj(time, -kHour);
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(list, entry);
  }
  ASN1_TIME_free(time);
  X509_CRL_sign(list, (signer != nullptr ? *signer : authority).key.get(), EVP_sha256());
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_CRL(list, &bytes);
  std::string text(bytes, bytes + size);
  OPENSSL_free(bytes);
  X509_CRL_free(list);
  return text;
}

}  // namespace base::tls::testing
