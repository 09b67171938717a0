#include "base/tls/java_key_store.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace base::tls {

namespace {

constexpr std::uint32_t kMagic = 0xfeedfeed;
constexpr std::uint32_t kPrivateKey = 1;
constexpr std::uint32_t kTrustedCertificate = 2;
constexpr std::string_view kKeyProtector = "1.3.6.1.4.1.42.2.17.1.1";
constexpr std::string_view kDigestText = "Mighty Aphrodite";  // what the format puts between the password and the store
constexpr std::size_t kDigestBytes = 20;

using Digest = std::array<std::uint8_t, kDigestBytes>;

Digest sha1(std::initializer_list<ByteView> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Digest digest{};
  bool good = context && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1;
  for (const ByteView part : parts) good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) throw TlsError("SHA-1 is not to be had");
  return digest;
}

// Bytes that are gone from memory with this.
struct Secret {
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  Bytes bytes;
};

// The length of the UTF-8 character that starts here, and its number; 0 if it is none.
std::size_t next_character(std::string_view text, std::uint32_t& character) {
  const auto first = static_cast<std::uint8_t>(text.front());
  const std::size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  character = length == 1 ? first : first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if ((byte & 0xc0U) != 0x80) return 0;
    character = character << 6 | (byte & 0x3fU);
  }
  return length;
}

void append_char(Bytes& to, std::uint32_t unit) {
  to.push_back(static_cast<std::uint8_t>(unit >> 8));
  to.push_back(static_cast<std::uint8_t>(unit));
}

// As Java has its characters: UTF-16, the high byte first.
void append_java_characters(std::string_view text, Bytes& to) {
  to.reserve(2 * text.size());  // so that no copy is left behind
  std::uint32_t character = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = next_character(rest, character);
    if (length == 0) {
      OPENSSL_cleanse(to.data(), to.size());
      to.clear();
      for (const char byte : text) append_char(to, static_cast<std::uint8_t>(byte));
      return;
    }
    rest.remove_prefix(length);
    if (character < 0x10000) {
      append_char(to, character);
    } else {
      append_char(to, 0xd800 + ((character - 0x10000) >> 10));
      append_char(to, 0xdc00 + ((character - 0x10000) & 0x3ff));
    }
  }
}

class StoreReader {
 public:
  explicit StoreReader(ByteView bytes) : left_(bytes) {}

  std::uint32_t number() { return load_big_endian<std::uint32_t>(take(4).data()); }
  ByteView take(std::size_t size) {
    if (size > left_.size()) throw TlsError("it ends in the middle of an entry");
    const ByteView taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  ByteView block() { return take(number()); }
  std::string text() { return std::string(as_text(take(load_big_endian<std::uint16_t>(take(2).data())))); }
  std::size_t left() const { return left_.size(); }

 private:
  ByteView left_;
};

Bytes read_certificate(StoreReader& reader, std::uint32_t version) {
  const std::string type = version == 1 ? "X.509" : reader.text();
  if (type != "X.509") throw TlsError("it holds a certificate that isn't X.509");
  const ByteView bytes = reader.block();
  return Bytes(bytes.begin(), bytes.end());
}

JavaKeyStore::Entry read_entry(StoreReader& reader, std::uint32_t version) {
  constexpr std::size_t kDateBytes = 8;
  const std::uint32_t kind = reader.number();
  if (kind != kPrivateKey && kind != kTrustedCertificate) {
    throw TlsError("it holds an entry of an unknown kind, " + std::to_string(kind));
  }
  JavaKeyStore::Entry entry;
  entry.alias = reader.text();
  reader.take(kDateBytes);
  std::uint32_t certificates = 1;
  if (kind == kPrivateKey) {
    const ByteView key = reader.block();
    if (key.empty()) throw TlsError("it holds a private key without bytes");
    entry.sealed_key.assign(key.begin(), key.end());
    certificates = reader.number();
  }
  for (std::uint32_t i = 0; i < certificates; ++i) entry.certificates.push_back(read_certificate(reader, version));
  return entry;
}

// What Sun's key protector sealed: a salt, the key, and a digest of the key.
Bytes protected_bytes(ByteView sealed) {
  const unsigned char* at = sealed.data();
  const std::unique_ptr<X509_SIG, decltype(&X509_SIG_free)> info(
      d2i_X509_SIG(nullptr, &at, static_cast<long>(sealed.size())), X509_SIG_free);
  ERR_clear_error();
  if (!info) throw TlsError("its private key is no EncryptedPrivateKeyInfo");
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OCTET_STRING* data = nullptr;
  X509_SIG_get0(info.get(), &algorithm, &data);
  const ASN1_OBJECT* object = nullptr;
  int parameter = V_ASN1_UNDEF;
  X509_ALGOR_get0(&object, &parameter, nullptr, algorithm);
  std::array<char, 64> name{};
  OBJ_obj2txt(name.data(), static_cast<int>(name.size()), object, 1);
  if (name.data() != kKeyProtector || (parameter != V_ASN1_UNDEF && parameter != V_ASN1_NULL))
    throw TlsError(std::string("its private key is sealed in an unknown way, ") + name.data());
  const unsigned char* bytes = ASN1_STRING_get0_data(data);
  return Bytes(bytes, bytes + ASN1_STRING_length(data));
}

}  // namespace

bool is_java_key_store(ByteView bytes) {
  return bytes.size() >= 4 && load_big_endian<std::uint32_t>(bytes.data()) == kMagic;
}

JavaKeyStore parse_java_key_store(ByteView bytes) {
  if (!is_java_key_store(bytes) || bytes.size() < kDigestBytes) throw TlsError("it is no whole JKS store");
  StoreReader reader(bytes.first(bytes.size() - kDigestBytes));
  reader.number();
  const std::uint32_t version = reader.number();
  if (version != 1 && version != 2) throw TlsError("it is a JKS store of version " + std::to_string(version) + ", not 1 or 2");
  JavaKeyStore store;
  const std::uint32_t count = reader.number();
  for (std::uint32_t i = 0; i < count; ++i) store.entries.push_back(read_entry(reader, version));
  if (reader.left() > 0) throw TlsError("there are bytes behind its last entry");
  return store;
}

bool has_java_password(ByteView bytes, const std::string& password) {
  if (bytes.size() < kDigestBytes) return false;
  Secret characters;
  append_java_characters(password, characters.bytes);
  const ByteView store = bytes.first(bytes.size() - kDigestBytes);
  const Digest digest = sha1({characters.bytes, as_bytes(kDigestText), store});
  return std::equal(digest.begin(), digest.end(), bytes.end() - kDigestBytes);
}

Bytes open_java_key(ByteView sealed, const std::string& password) {
  const Bytes bytes = protected_bytes(sealed);
  if (bytes.size() <= 2 * kDigestBytes) throw TlsError("its private key is too short");
  Secret characters;
  append_java_characters(password, characters.bytes);
  Bytes key(bytes.begin() + kDigestBytes, bytes.end() - kDigestBytes);
  Digest mask{};
  std::copy_n(bytes.begin(), kDigestBytes, mask.begin());  // the salt
  for (std::size_t at = 0; at < key.size(); at += kDigestBytes) {
    mask = sha1({characters.bytes, mask});
    for (std::size_t i = 0; i < std::min(kDigestBytes, key.size() - at); ++i) key[at + i] ^= mask[i];
  }
  const Digest digest = sha1({characters.bytes, key});
  if (!std::equal(digest.begin(), digest.end(), bytes.end() - kDigestBytes)) {
    OPENSSL_cleanse(key.data(), key.size());
    throw TlsError("its private key has another password than the store");
  }
  return key;
}

}  // namespace base::tls
