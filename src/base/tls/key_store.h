// Key stores and trust stores as Java programs are given them: PEM, PKCS12 or Java's old JKS, told apart by content, whatever the
// type in the configuration says. A JCEKS store is refused with the command that converts it. Messages of TlsError name files and
// reasons, never passwords.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "base/tls/handles.h"

namespace base::tls {

class TlsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Store {
  std::string path;  // empty: none
  std::string password;
};

struct KeyMaterial {
  KeyHandle key;
  CertificateHandle certificate;
  std::vector<CertificateHandle> chain;  // those above the certificate, nearest first
};

// The first private key with its certificates.
KeyMaterial load_key_store(const Store& store);
// At least one certificate. Of a JKS or PKCS12 store what Java's TrustManagerFactory accepts (asked of JDK 17): the
// trusted entries, and of a key entry its own certificate, never those above it. Of a PEM file all. Keys in JKS and
// PKCS12 stay sealed, so theirs may be another password. In PKCS12 a trusted entry is a certificate with Oracle's
// attribute trustedKeyUsage, as keytool -importcert writes it; what `openssl pkcs12 -export -nokeys` writes has none.
// Two rare differences: where the local key ids don't name just one certificate as the key's own, so that Java guesses,
// none is trusted; of two trusted certificates of one name Java keeps the last, here both are trusted.
std::vector<CertificateHandle> load_trust_store(const Store& store);

// What a file with a password says: all of it but a line's end.
std::string read_password(const std::string& path);

// OpenSSL's last error of this thread as text, and none left.
std::string take_openssl_error();

}  // namespace base::tls
