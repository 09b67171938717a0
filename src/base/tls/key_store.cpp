#include "base/tls/key_store.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "base/tls/java_key_store.h"

namespace base::tls {

void Release::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void Release::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void Release::operator()(bio_st* bio) const { BIO_free_all(bio); }
void Release::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void Release::operator()(x509_st* certificate) const { X509_free(certificate); }

namespace {

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

struct UnloadProvider {
  void operator()(OSSL_PROVIDER* provider) const { OSSL_PROVIDER_unload(provider); }
};
using ProviderHandle = std::unique_ptr<OSSL_PROVIDER, UnloadProvider>;

// Stores of Java 8 are encrypted in ways that OpenSSL 3 keeps apart. Unloaded at the end of the process, where OpenSSL would
// drop the library of the old ways with what it holds.
bool allow_old_encryption() {
  static const ProviderHandle usual(OSSL_PROVIDER_load(nullptr, "default"));
  static const ProviderHandle old(usual ? OSSL_PROVIDER_load(nullptr, "legacy") : nullptr);
  return old != nullptr;
}

// Its password has been checked. Null is the password of a store that was written without any.
struct OpenedPkcs12 {
  Pkcs12Handle store;
  const char* password;
};

OpenedPkcs12 read_pkcs12(const Store& store, const std::string& bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  OpenedPkcs12 opened{Pkcs12Handle(d2i_PKCS12(nullptr, &at, static_cast<long>(bytes.size()))), store.password.c_str()};
  if (!opened.store) {
    ERR_clear_error();
    throw TlsError(store.path + " is neither PEM nor PKCS12 nor JKS. If it is BCFKS, convert it: keytool -importkeystore "
                   "-srckeystore " + store.path + " -srcstoretype BCFKS -destkeystore " + store.path +
                   ".p12 -deststoretype PKCS12, with Bouncy Castle's provider");
  }
  PKCS12* parsed = opened.store.get();
  if (PKCS12_mac_present(parsed) == 1 && PKCS12_verify_mac(parsed, opened.password, -1) != 1) {
    const bool has_none = store.password.empty() && PKCS12_verify_mac(parsed, nullptr, 0) == 1;
    ERR_clear_error();
    if (!has_none) throw TlsError("The password of " + store.path + " is wrong, or the file is damaged");
    opened.password = nullptr;
  }
  return opened;
}

Contents parse_pkcs12(const Store& store, const std::string& bytes) {
  const OpenedPkcs12 opened = read_pkcs12(store, bytes);
  Contents contents;
  const auto open = [&] { return open_pkcs12(opened.store.get(), store.password.c_str(), contents); };
  if (!open() && !(allow_old_encryption() && open())) {
    throw TlsError("Cannot open " + store.path + ": " + take_openssl_error());
  }
  ERR_clear_error();
  return contents;
}

struct ReleaseBags {
  void operator()(STACK_OF(PKCS12_SAFEBAG)* bags) const { sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free); }
};
using BagsHandle = std::unique_ptr<STACK_OF(PKCS12_SAFEBAG), ReleaseBags>;

struct ReleaseSafes {
  void operator()(STACK_OF(PKCS7)* safes) const { sk_PKCS7_pop_free(safes, PKCS7_free); }
};
using SafesHandle = std::unique_ptr<STACK_OF(PKCS7), ReleaseSafes>;

// Oracle's trustedKeyUsage: keytool gives it to every certificate that it imports as trusted, and to no other.
bool is_trusted_entry(const PKCS12_SAFEBAG* bag) {
  const STACK_OF(X509_ATTRIBUTE)* attributes = PKCS12_SAFEBAG_get0_attrs(bag);
  for (int i = 0; i < sk_X509_ATTRIBUTE_num(attributes); ++i) {
    std::array<char, 64> id{};
    OBJ_obj2txt(id.data(), id.size(), X509_ATTRIBUTE_get0_object(sk_X509_ATTRIBUTE_value(attributes, i)), 1);
    if (std::string_view(id.data()) == "2.16.840.1.113894.746875.1.1") return true;
  }
  return false;
}

// What ties a key to its own certificate. Empty: none.
std::string local_key_id(const PKCS12_SAFEBAG* bag) {
  const ASN1_TYPE* id = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);
  if (id == nullptr || id->type != V_ASN1_OCTET_STRING) return {};
  const unsigned char* begin = ASN1_STRING_get0_data(id->value.octet_string);
  return std::string(begin, begin + ASN1_STRING_length(id->value.octet_string));
}

struct TrustedBags {
  std::vector<CertificateHandle> certificates;  // trusted entries
  std::set<std::string> keys;                   // by their local key ids
  std::multimap<std::string, CertificateHandle> of_keys;
};

void take_bag(PKCS12_SAFEBAG* bag, TrustedBags& trusted) {
  const int kind = PKCS12_SAFEBAG_get_nid(bag);
  const std::string id = local_key_id(bag);
  if ((kind == NID_keyBag || kind == NID_pkcs8ShroudedKeyBag) && !id.empty()) trusted.keys.insert(id);
  if (kind != NID_certBag) return;
  const bool is_trusted = is_trusted_entry(bag);
  if (!is_trusted && id.empty()) return;
  CertificateHandle certificate(PKCS12_SAFEBAG_get1_cert(bag));
  if (!certificate) throw TlsError("one of its certificates can't be read: " + take_openssl_error());
  if (is_trusted) {
    trusted.certificates.push_back(std::move(certificate));
  } else {
    trusted.of_keys.emplace(id, std::move(certificate));
  }
}

bool take_bags(const OpenedPkcs12& opened, TrustedBags& trusted) {
  const SafesHandle safes(PKCS12_unpack_authsafes(opened.store.get()));
  if (!safes) return false;
  for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
    PKCS7* safe = sk_PKCS7_value(safes.get(), i);
    const int kind = OBJ_obj2nid(safe->type);
    if (kind != NID_pkcs7_data && kind != NID_pkcs7_encrypted) continue;
    const BagsHandle bags(kind == NID_pkcs7_data ? PKCS12_unpack_p7data(safe)
                                                 : PKCS12_unpack_p7encdata(safe, opened.password, -1));
    if (!bags) return false;
    for (int j = 0; j < sk_PKCS12_SAFEBAG_num(bags.get()); ++j) {
      take_bag(sk_PKCS12_SAFEBAG_value(bags.get(), j), trusted);
    }
  }
  return true;
}

std::vector<CertificateHandle> trusted_of_pkcs12(const Store& store, const std::string& bytes) {
  const OpenedPkcs12 opened = read_pkcs12(store, bytes);
  TrustedBags trusted;
  try {
    if (!take_bags(opened, trusted)) {
      trusted = TrustedBags();
      if (!allow_old_encryption() || !take_bags(opened, trusted)) throw TlsError(take_openssl_error());
    }
  } catch (const TlsError& error) {
    throw TlsError("Cannot open " + store.path + ": " + error.what());
  }
  ERR_clear_error();
  for (const std::string& key : trusted.keys) {
    if (trusted.of_keys.count(key) == 1) trusted.certificates.push_back(std::move(trusted.of_keys.find(key)->second));
  }
  if (trusted.certificates.empty()) {
    throw TlsError(store.path + " holds no certificate that is marked as trusted. As Java, Milena trusts those of a "
                   "PKCS12 store alone that keytool -importcert has put there. Import them so, or give them as PEM");
  }
  return std::move(trusted.certificates);
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
JavaKeyStore open_java(const Store& store, ByteView bytes) {
  JavaKeyStore parsed = parse_java_key_store(bytes);
  if (!has_java_password(bytes, store.password)) {
    throw TlsError("its password is wrong, or the file is damaged");
  }
  return parsed;
}

Contents parse_java(const Store& store, ByteView bytes) {
  try {
    Contents contents;
    for (const JavaKeyStore::Entry& entry : open_java(store, bytes).entries) {
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

// A trusted certificate is its entry's only one. Keys stay sealed: their passwords may be others.
std::vector<CertificateHandle> trusted_of_java(const Store& store, ByteView bytes) {
  try {
    std::vector<CertificateHandle> trusted;
    for (const JavaKeyStore::Entry& entry : open_java(store, bytes).entries) {
      if (!entry.certificates.empty()) trusted.push_back(parse_certificate(entry.certificates.front()));
    }
    return trusted;
  } catch (const TlsError& error) {
    throw TlsError("Cannot use " + store.path + ": " + error.what());
  }
}

void refuse_java_crypto_format(const Store& store, const std::string& bytes) {
  if (!bytes.starts_with("\xce\xce\xce\xce")) return;
  throw TlsError(store.path + " is a JCEKS store, which only Java reads. Convert it: keytool -importkeystore -srckeystore " +
                 store.path + " -destkeystore " + store.path + ".p12 -deststoretype PKCS12");
}

bool is_pem(const std::string& bytes) {
  return bytes.find("-----BEGIN ") != std::string::npos && !bytes.starts_with('\x30');
}

std::string read_store(const Store& store) {
  std::string bytes = read_file(store.path);
  refuse_java_crypto_format(store, bytes);
  ERR_clear_error();
  return bytes;
}

Contents load(const Store& store) {
  const std::string bytes = read_store(store);
  if (is_java_key_store(as_bytes(bytes))) return parse_java(store, as_bytes(bytes));
  return is_pem(bytes) ? parse_pem(store, bytes) : parse_pkcs12(store, bytes);
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
  const std::string bytes = read_store(store);
  const bool is_java = is_java_key_store(as_bytes(bytes));
  if (!is_java && !is_pem(bytes)) return trusted_of_pkcs12(store, bytes);
  std::vector<CertificateHandle> trusted =
      is_java ? trusted_of_java(store, as_bytes(bytes)) : parse_pem(store, bytes).others;
  if (trusted.empty()) throw TlsError(store.path + " holds no certificate");
  return trusted;
}

}  // namespace base::tls
