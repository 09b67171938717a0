#include "base/tls/key_store.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/tls/java_key_store.h"

namespace base::tls {

void Release::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void Release::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void Release::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void Release::operator()(x509_st* certificate) const { X509_free(certificate); }

namespace {

struct ReleaseBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioHandle = std::unique_ptr<BIO, ReleaseBio>;

struct ReleasePkcs12 {
  void operator()(PKCS12* store) const { PKCS12_free(store); }
};
using Pkcs12Handle = std::unique_ptr<PKCS12, ReleasePkcs12>;

struct Contents {
  KeyHandle key;
  CertificateHandle certificate;  // the key's
  std::vector<CertificateHandle> others;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) throw TlsError("Cannot read " + path + ": " + std::strerror(errno));
  return bytes;
}

int give_password(char* buffer, int size, int, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  const auto length = static_cast<int>(text.size());
  if (length > size) return -1;
  std::memcpy(buffer, text.data(), text.size());
  return length;
}

BioHandle reader(const std::string& bytes) {
  return BioHandle(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

Contents parse_pem(const Store& store, const std::string& bytes) {
  Contents contents;
  auto* password = const_cast<std::string*>(&store.password);
  const BioHandle key_reader = reader(bytes);
  contents.key.reset(PEM_read_bio_PrivateKey(key_reader.get(), nullptr, give_password, password));
  if (!contents.key && bytes.find("PRIVATE KEY-----") != std::string::npos) {
    throw TlsError("Cannot read the private key in " + store.path + "; is its password right? (" +
                   take_openssl_error() + ")");
  }
  ERR_clear_error();
  const BioHandle certificate_reader = reader(bytes);
  while (X509* next = PEM_read_bio_X509(certificate_reader.get(), nullptr, give_password, password)) {
    contents.others.emplace_back(next);
  }
  const unsigned long error = ERR_peek_last_error();
  if (error != 0 && ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
    throw TlsError("Cannot read a certificate in " + store.path + ": " + take_openssl_error());
  }
  ERR_clear_error();
  return contents;
}

bool open_pkcs12(PKCS12* store, const char* password, Contents& contents) {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  STACK_OF(X509)* others = nullptr;
  if (PKCS12_parse(store, password, &key, &certificate, &others) != 1) return false;
  contents.key.reset(key);
  contents.certificate.reset(certificate);
  for (int i = 0; i < sk_X509_num(others); ++i) contents.others.emplace_back(sk_X509_value(others, i));
  sk_X509_free(others);
  return true;
}

// Stores of Java 8 are encrypted in ways that OpenSSL 3 keeps apart.
bool allow_old_encryption() {
  static const bool loaded = [] {
    const bool usual = OSSL_PROVIDER_load(nullptr, "default") != nullptr;
    return usual && OSSL_PROVIDER_load(nullptr, "legacy") != nullptr;
  }();
  return loaded;
}

Contents parse_pkcs12(const Store& store, const std::string& bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const Pkcs12Handle parsed(d2i_PKCS12(nullptr, &at, static_cast<long>(bytes.size())));
  if (!parsed) {
    ERR_clear_error();
    throw TlsError(store.path + " is neither PEM nor PKCS12 nor JKS");
  }
  const char* password = store.password.c_str();
  const bool has_mac = PKCS12_mac_present(parsed.get()) == 1;
  if (has_mac && PKCS12_verify_mac(parsed.get(), password, -1) != 1 &&
      !(store.password.empty() && PKCS12_verify_mac(parsed.get(), nullptr, 0) == 1)) {
    ERR_clear_error();
    throw TlsError("The password of " + store.path + " is wrong, or the file is damaged");
  }
  Contents contents;
  if (open_pkcs12(parsed.get(), password, contents)) return contents;
  if (allow_old_encryption() && open_pkcs12(parsed.get(), password, contents)) {
    ERR_clear_error();
    return contents;
  }
  throw TlsError("Cannot open " + store.path + ": " + take_openssl_error());
}

CertificateHandle parse_certificate(const Bytes& bytes) {
  const unsigned char* at = bytes.data();
  CertificateHandle certificate(d2i_X509(nullptr, &at, static_cast<long>(bytes.size())));
  if (!certificate) throw TlsError("one of its certificates can't be read: " + take_openssl_error());
  return certificate;
}

KeyHandle parse_key(Bytes bytes) {
  const unsigned char* at = bytes.data();
  KeyHandle key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(bytes.size())));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (!key) throw TlsError("its private key can't be read: " + take_openssl_error());
  return key;
}

// Java, too, looks at the digest of every store, those of trusted certificates as well.
Contents parse_java(const Store& store, ByteView bytes) {
  try {
    const JavaKeyStore parsed = parse_java_key_store(bytes);
    if (!has_java_password(bytes, store.password)) {
      throw TlsError("its password is wrong, or the file is damaged");
    }
    Contents contents;
    for (const JavaKeyStore::Entry& entry : parsed.entries) {
      const bool is_the_key = !contents.key && !entry.sealed_key.empty();
      if (is_the_key) contents.key = parse_key(open_java_key(entry.sealed_key, store.password));
      for (const Bytes& certificate : entry.certificates) {
        const bool is_the_keys = is_the_key && !contents.certificate;
        (is_the_keys ? contents.certificate : contents.others.emplace_back()) = parse_certificate(certificate);
      }
    }
    return contents;
  } catch (const TlsError& error) {
    throw TlsError("Cannot use " + store.path + ": " + error.what());
  }
}

void refuse_java_crypto_format(const Store& store, const std::string& bytes) {
  if (!bytes.starts_with("\xce\xce\xce\xce")) return;
  throw TlsError(store.path + " is a JCEKS store, which only Java reads. Convert it: keytool -importkeystore -srckeystore " +
                 store.path + " -destkeystore " + store.path + ".p12 -deststoretype PKCS12");
}

Contents load(const Store& store) {
  const std::string bytes = read_file(store.path);
  refuse_java_crypto_format(store, bytes);
  ERR_clear_error();
  if (is_java_key_store(as_bytes(bytes))) return parse_java(store, as_bytes(bytes));
  const bool pem = bytes.find("-----BEGIN ") != std::string::npos && !bytes.starts_with('\x30');
  return pem ? parse_pem(store, bytes) : parse_pkcs12(store, bytes);
}

// The key's certificate out of the others.
void pick_certificate(Contents& contents) {
  if (contents.certificate) return;
  const auto own = std::find_if(contents.others.begin(), contents.others.end(), [&](const CertificateHandle& one) {
    return X509_check_private_key(one.get(), contents.key.get()) == 1;
  });
  ERR_clear_error();
  if (own == contents.others.end()) return;
  contents.certificate = std::move(*own);
  contents.others.erase(own);
}

}  // namespace

std::string take_openssl_error() {
  const unsigned long error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  std::string text = reason != nullptr ? reason : error == 0 ? "no reason given" : "error " + std::to_string(error);
  ERR_clear_error();
  return text;
}

std::string read_password(const std::string& path) {
  std::string text = read_file(path);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

KeyMaterial load_key_store(const Store& store) {
  Contents contents = load(store);
  if (!contents.key) throw TlsError(store.path + " holds no private key");
  pick_certificate(contents);
  if (!contents.certificate) throw TlsError(store.path + " holds no certificate of its private key");
  KeyMaterial material;
  material.key = std::move(contents.key);
  // The issuers in their order; what else is there isn't sent to anybody.
  X509* last = contents.certificate.get();
  for (bool found = true; found;) {
    found = false;
    for (CertificateHandle& other : contents.others) {
      if (!other || X509_check_issued(other.get(), last) != X509_V_OK) continue;
      last = other.get();
      material.chain.push_back(std::move(other));
      found = true;
      break;
    }
  }
  material.certificate = std::move(contents.certificate);
  return material;
}

std::vector<CertificateHandle> load_trust_store(const Store& store) {
  Contents contents = load(store);
  if (contents.certificate) contents.others.push_back(std::move(contents.certificate));
  if (contents.others.empty()) throw TlsError(store.path + " holds no certificate");
  return std::move(contents.others);
}

}  // namespace base::tls
