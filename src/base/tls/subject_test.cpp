#include "base/tls/subject.h"

#include <gtest/gtest.h>

#include "base/tls/testing/certificates.h"

namespace base::tls {
namespace {

using testing::Subject;

std::string shown(const Subject& subject) {
  return subject_of(testing::make_identity(subject, nullptr, false).certificate.get());
}
std::string shown_name(const std::string& value, int type = V_ASN1_UTF8STRING) { return shown({{"CN", value, type}}); }

// What Java 17's X500Principal.getName() says of the same names.
TEST(Subject, KeywordsOfRfc2253AndNumbersForOthers) {
  EXPECT_EQ(shown({{"C", "CZ"}, {"ST", "Praha"}, {"L", "x"}, {"O", "Org"}, {"OU", "u"}, {"CN", "broker"}}),
            "CN=broker,OU=u,O=Org,L=x,ST=Praha,C=CZ");
  EXPECT_EQ(shown({{"DC", "org", V_ASN1_UTF8STRING}, {"UID", "me"}, {"street", "s"}}), "STREET=s,UID=me,DC=org");
  EXPECT_EQ(shown({{"emailAddress", "ab c", V_ASN1_UTF8STRING}}), "1.2.840.113549.1.9.1=#0c0461622063");
  EXPECT_EQ(shown({{"serialNumber", "ab c", V_ASN1_UTF8STRING}}), "2.5.4.5=#0c0461622063");
  EXPECT_EQ(shown({{"1.2.3.4", "q", V_ASN1_UTF8STRING}}), "1.2.3.4=#0c0171");
  const std::string longer(130, 'a');
  EXPECT_EQ(shown({{"1.2.3.4", longer, V_ASN1_UTF8STRING}}).substr(0, 18), "1.2.3.4=#0c8182616");
  EXPECT_EQ(shown({}), "");
}

TEST(Subject, SeveralAttributesOnOneLevelKeepTheirOrder) {
  EXPECT_EQ(shown({{"C", "CZ"}, {"O", "Org"}, {"CN", "x", MBSTRING_UTF8, true}, {"CN", "n"}}).substr(0, 5), "CN=n,");
}

TEST(Subject, Escapes) {
  EXPECT_EQ(shown_name("a,b"), "CN=a\\,b");
  EXPECT_EQ(shown_name("a+b=c<d>e#f;g\"h\\i"), "CN=a\\+b\\=c\\<d\\>e\\#f\\;g\\\"h\\\\i");
  EXPECT_EQ(shown_name("  a  "), "CN=\\ \\ a\\ \\ ");
  EXPECT_EQ(shown_name(" "), "CN=\\ ");
  EXPECT_EQ(shown_name("\ra\r"), "CN=\\\ra\\\r");
  EXPECT_EQ(shown_name("a\tb\x01"), "CN=a\tb\x01");
  EXPECT_EQ(shown_name(std::string("a\0b", 3)), "CN=a\\00b");
  EXPECT_EQ(shown_name("é日😀"), "CN=é日😀");
  EXPECT_EQ(shown_name(""), "CN=");
}

TEST(Subject, TypesOfStrings) {
  EXPECT_EQ(shown_name("abcd", V_ASN1_PRINTABLESTRING), "CN=abcd");
  EXPECT_EQ(shown_name("abcd", V_ASN1_IA5STRING), "CN=abcd");
  EXPECT_EQ(shown_name("\xe9"
                       "a",
                       V_ASN1_T61STRING),
            "CN=\xef\xbf\xbd"
            "a");
  EXPECT_EQ(shown_name(std::string("\0a\0b", 4), V_ASN1_BMPSTRING), "CN=\\00a\\00b");
  EXPECT_EQ(shown_name("1234", V_ASN1_NUMERICSTRING), "CN=#120431323334");
}

}  // namespace
}  // namespace base::tls
