#include "zk/tree/x500_name.h"

#include <gtest/gtest.h>

#include "zk/tree/acl.h"

namespace zk::tree {
namespace {

// What X500Principal of Java 17 takes and refuses.
TEST(X500Name, WhatJavaTakes) {
  for (const char* name : {"",
                           "CN=a",
                           "cn=a,O=b",
                           "CN = a , O = b",
                           "CN=",
                           "CN= ",
                           "CN=a;O=b",
                           "CN=a+O=b",
                           "CN=\"a,b\"",
                           "CN=\"a\" ,O=b",
                           "CN=\"\"",
                           "CN=\"a\\\"b\"",
                           "CN=a\\,b",
                           "CN=#130161",
                           "1.2.3=a",
                           "1.2.3=#130161",
                           "oid.1.2.3=a",
                           "EMAIL=a@b",
                           "EMAILADDRESS=a@b",
                           "S=a",
                           "T=a",
                           "IP=a",
                           "UID=a",
                           "DNQ=a",
                           "DNQUALIFIER=a",
                           "SERIALNUMBER=a",
                           "CN=é",
                           "CN=a=b",
                           "CN=a#b",
                           "CN=\\41",
                           "CN=a  b",
                           "CN=\\ a",
                           "O\t=a",
                           "CN=client,OU=u,O=Org,C=CZ",
                           "1.2.840.113549.1.9.1=#1603614062"}) {
    EXPECT_TRUE(is_x500_name(name)) << name;
  }
}

TEST(X500Name, WhatJavaRefuses) {
  for (const char* name :
       {"foo",      "CN",           "=a",     "CN=a,", "CN=a,,O=b", "CN=\"a",    "CN=a\"b",     "CN=a\\",  "CN=a\\zb",
        "CN=#1301", "CN=#",         "CN=#zz", "XX=a",  "E=a@b",     "SN=a",      "GN=a",        "TITLE=a", "USERID=a",
        "a:b",      "CN=a<b",       ",CN=a",  " ",     "CN=a ,",    "CN=\"a\"b", "CN=\\4",      "9.9.9=a", "1=a",
        "1.2.=a",   "1.40.1=#0500", "+CN=a",  "CN=a+", "CN=a;",     "O B=a",     "CN=\"a\\zb\""}) {
    EXPECT_FALSE(is_x500_name(name)) << name;
  }
}

TEST(X500Name, AccessLists) {
  AclSchemes schemes;
  schemes.x509 = true;
  const AclList good = {{kAll, {"x509", "CN=a"}}};
  const AclList bad = {{kAll, {"x509", "a"}}};
  EXPECT_TRUE(normalise_acl(good, {}, schemes));
  EXPECT_FALSE(normalise_acl(bad, {}, schemes));
  EXPECT_FALSE(normalise_acl(good, {}, AclSchemes()));
  // The list of who is "auth" names the certificate, and never the super user.
  const std::vector<Identity> caller = {{"ip", "127.0.0.1"}, {"super", "CN=a"}, {"x509", "CN=a"}};
  EXPECT_EQ(normalise_acl({{kRead, {"auth", ""}}}, caller, schemes), AclList({{kRead, {"x509", "CN=a"}}}));
  EXPECT_TRUE(is_allowed(good, kRead, std::vector<Identity>{{"x509", "CN=a"}}, schemes));
  EXPECT_FALSE(is_allowed(good, kRead, std::vector<Identity>{{"x509", "CN=b"}}, schemes));
}

}  // namespace
}  // namespace zk::tree
