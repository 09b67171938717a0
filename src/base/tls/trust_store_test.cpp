// What of a store is trusted. The stores in testdata are keytool's (JDK 17); what Java's TrustManagerFactory accepts of
// each was asked of the same JDK.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <array>

#include "base/testing/temp_dir.h"
#include "base/tls/key_store.h"
#include "base/tls/testing/certificates.h"

namespace base::tls {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using testing::Identity;
using testing::make_authority;
using testing::make_identity;

// Each "both" has a key entry, whose chain is leaf, mid, root, and the trusted entry "other".
const std::string kFolder = MILENA_SOURCE_DIR "/src/base/tls/testdata/";

std::vector<std::string> trusted(const std::string& path, const std::string& password) {
  std::vector<std::string> names;
  for (const CertificateHandle& certificate : load_trust_store({path, password})) {
    std::array<char, 100> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(), name.size());
    names.emplace_back(name.data());
  }
  return names;
}

std::string refusal(const std::string& path, const std::string& password) {
  try {
    load_trust_store({path, password});
    return "accepted";
  } catch (const TlsError& error) {
    return error.what();
  }
}

TEST(TrustStore, OfAKeyItsOwnCertificateOnly) {
  EXPECT_THAT(trusted(kFolder + "java-both.p12", "secret"), UnorderedElementsAre("leaf", "other"));
  // As Java 8 encrypts.
  EXPECT_THAT(trusted(kFolder + "java-both-old.p12", "secret"), UnorderedElementsAre("leaf", "other"));
  EXPECT_THAT(trusted(kFolder + "java-both.jks", "secret"), UnorderedElementsAre("leaf", "other"));
}

// That of java-both.jks is "another", which nobody tells here.
TEST(TrustStore, NeedsNoKeysPassword) {
  EXPECT_THAT(trusted(kFolder + "java-key-password.jks", "secret"), ::testing::SizeIs(1));
  try {
    load_key_store({kFolder + "java-both.jks", "secret"});
    ADD_FAILURE() << "the key should be sealed with another password";
  } catch (const TlsError& error) {
    EXPECT_THAT(error.what(), HasSubstr("another password than the store"));
  }
}

TEST(TrustStore, Pkcs12OfOpenSsl) {
  const base::testing::TempDir directory;
  const Identity root = make_authority("root");
  const Identity mid = make_authority("mid", &root);
  const Identity leaf = make_identity({{"CN", "leaf"}}, &mid, false);
  testing::write_pkcs12(directory / "key.p12", "secret", &leaf, {&mid, &root});
  EXPECT_THAT(trusted(directory / "key.p12", "secret"), UnorderedElementsAre("leaf"));
  EXPECT_THAT(refusal(directory / "key.p12", "not-it"),
              AllOf(HasSubstr("key.p12"), HasSubstr("password"), Not(HasSubstr("not-it"))));
  testing::write_pkcs12(directory / "empty.p12", "", &leaf);
  EXPECT_THAT(trusted(directory / "empty.p12", ""), UnorderedElementsAre("leaf"));
  testing::write_pkcs12(directory / "unmarked.p12", "secret", nullptr, {&root});
  EXPECT_THAT(refusal(directory / "unmarked.p12", "secret"),
              AllOf(HasSubstr("unmarked.p12 holds no certificate that is marked as trusted"), HasSubstr("keytool -importcert")));
  // An issuer that claims to be the key's own.
  std::array<unsigned char, EVP_MAX_MD_SIZE> id{};
  unsigned int size = 0;
  ASSERT_EQ(X509_digest(leaf.certificate.get(), EVP_sha1(), id.data(), &size), 1);
  X509_keyid_set1(root.certificate.get(), id.data(), static_cast<int>(size));
  testing::write_pkcs12(directory / "two.p12", "secret", &leaf, {&root});
  EXPECT_THAT(refusal(directory / "two.p12", "secret"), HasSubstr("holds no certificate that is marked as trusted"));
}

TEST(TrustStore, OfAPemFileAll) {
  const base::testing::TempDir directory;
  const Identity root = make_authority("root");
  const Identity leaf = make_identity({{"CN", "leaf"}}, &root, false);
  testing::write_pem(directory / "both.pem", leaf);
  EXPECT_THAT(trusted(directory / "both.pem", ""), UnorderedElementsAre("leaf", "root"));
}

}  // namespace
}  // namespace base::tls
