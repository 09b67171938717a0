// Certificate authorities, certificates and stores that a test makes for itself. Keys are elliptic curve P-256, quick
// to make.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/tls/handles.h"

namespace base::tls::testing {

// An attribute of a subject: its OID or short name, its ASN.1 type (MBSTRING_UTF8 lets OpenSSL choose), its bytes, and
// whether it is on the same level as the one before.
struct Attribute {
  std::string name;
  std::string value;
  int type = MBSTRING_UTF8;
  bool same_level = false;
};
using Subject = std::vector<Attribute>;

struct Identity {
  KeyHandle key;
  CertificateHandle certificate;
  std::vector<const Identity*> issuers;  // nearest first
};

inline void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("OpenSSL: ") + what);
}

inline void set_subject(X509* certificate, const Subject& subject) {
  X509_NAME* name = X509_NAME_new();
  for (const Attribute& one : subject) {
    ASN1_OBJECT* object = OBJ_txt2obj(one.name.c_str(), 0);
    require(object != nullptr, "attribute");
    const auto* bytes = reinterpret_cast<const unsigned char*>(one.value.data());
    require(X509_NAME_add_entry_by_OBJ(name, object, one.type, bytes, static_cast<int>(one.value.size()), -1,
                                       one.same_level ? -1 : 0) == 1,
            "subject");
    ASN1_OBJECT_free(object);
  }
  X509_set_subject_name(certificate, name);
  X509_NAME_free(name);
}

inline void add_extension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  require(extension != nullptr, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// OpenSSL's number of the extension, and its value as in OpenSSL's configuration.
using Extensions = std::vector<std::pair<int, std::string>>;

// Signed by `issuer`, or by itself. `names` as in DNS:localhost,IP:127.0.0.1.
inline Identity make_identity(const Subject& subject, const Identity* issuer, bool authority,
                              const std::string& names = {}, long starts_in_seconds = -3600,
                              long ends_in_seconds = 86400, const Extensions& extensions = {}) {
  static long serial = 1;
  Identity made;
  made.key.reset(EVP_EC_gen("P-256"));
  require(made.key != nullptr, "key");
  made.certificate.reset(X509_new());
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), starts_in_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate), ends_in_seconds);
  X509_set_pubkey(certificate, made.key.get());
  set_subject(certificate, subject);
  const Identity& signer = issuer != nullptr ? *issuer : made;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  add_extension(certificate, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!names.empty()) add_extension(certificate, NID_subject_alt_name, names);
  for (const auto& [nid, value] : extensions) add_extension(certificate, nid, value);
  require(X509_sign(certificate, signer.key.get(), EVP_sha256()) > 0, "signature");
  if (issuer != nullptr) {
    made.issuers.push_back(issuer);
    made.issuers.insert(made.issuers.end(), issuer->issuers.begin(), issuer->issuers.end());
  }
  return made;
}

inline Identity make_authority(const std::string& name, const Identity* issuer = nullptr) {
  return make_identity({{"CN", name}}, issuer, true);
}

inline std::FILE* open_for_write(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  require(file != nullptr, path.c_str());
  return file;
}

// Key and certificates, issuers included unless they are self-signed.
inline void write_pem(const std::string& path, const Identity& identity, const std::string& password = {}) {
  std::FILE* file = open_for_write(path);
  const auto* secret = password.empty() ? nullptr : password.data();
  require(PEM_write_PKCS8PrivateKey(file, identity.key.get(), secret == nullptr ? nullptr : EVP_aes_128_cbc(), secret,
                                    static_cast<int>(password.size()), nullptr, nullptr) == 1,
          "key");
  PEM_write_X509(file, identity.certificate.get());
  for (const Identity* issuer : identity.issuers) PEM_write_X509(file, issuer->certificate.get());
  std::fclose(file);
}

inline void write_trust_pem(const std::string& path, const std::vector<const Identity*>& trusted) {
  std::FILE* file = open_for_write(path);
  for (const Identity* one : trusted) PEM_write_X509(file, one->certificate.get());
  std::fclose(file);
}

inline void write_pkcs12(const std::string& path, const std::string& password, const Identity* identity,
                         const std::vector<const Identity*>& others = {}, int encryption = 0) {
  STACK_OF(X509)* certificates = sk_X509_new_null();
  for (const Identity* one : others) sk_X509_push(certificates, one->certificate.get());
  PKCS12* store = PKCS12_create(password.c_str(), "test", identity == nullptr ? nullptr : identity->key.get(),
                                identity == nullptr ? nullptr : identity->certificate.get(), certificates, encryption,
                                encryption, 0, 0, 0);
  sk_X509_free(certificates);
  require(store != nullptr, "pkcs12");
  std::FILE* file = open_for_write(path);
  i2d_PKCS12_fp(file, store);
  std::fclose(file);
  PKCS12_free(store);
}

}  // namespace base::tls::testing
