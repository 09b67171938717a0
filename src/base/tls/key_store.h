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
// All certificates; at least one.
std::vector<CertificateHandle> load_trust_store(const Store& store);

// What a file with a password says: all of it but a line's end.
std::string read_password(const std::string& path);

// OpenSSL's last error of this thread as text, and none left.
std::string take_openssl_error();

}  // namespace base::tls
