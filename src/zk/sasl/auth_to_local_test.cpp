#include "zk/sasl/auth_to_local.h"

#include <gtest/gtest.h>

namespace zk::sasl {
namespace {

std::string short_name(const std::string& rules, const std::string& name) {
  return AuthToLocal(rules).apply(*KerberosName::parse(name), "R").value_or("none");
}

TEST(AuthToLocal, Default) {
  EXPECT_EQ(short_name("DEFAULT", "k/h@R"), "k");
  EXPECT_EQ(short_name("DEFAULT", "k@R"), "k");
  EXPECT_EQ(short_name("DEFAULT", "k@S"), "none");
  EXPECT_EQ(short_name("", "k@R"), "none");
}

TEST(AuthToLocal, Rules) {
  EXPECT_EQ(short_name("RULE:[2:$1]", "k/h@S"), "k");
  EXPECT_EQ(short_name("RULE:[1:$1]", "k/h@S"), "none");
  EXPECT_EQ(short_name("RULE:[2:$1;$2](k;.*)s/;.*$/-host/", "k/h@S"), "k-host");
  EXPECT_EQ(short_name("RULE:[2:$1;$2](x;.*)s/;.*$/-host/\nDEFAULT", "k/h@R"), "k");
  EXPECT_EQ(short_name("RULE:[1:$1@$0](.*@S)s/@.*//", "k@S"), "k");
  EXPECT_EQ(short_name("RULE:[1:$1@$0](.*@S)s/@.*//  RULE:[1:other]", "k@T"), "other");
  EXPECT_EQ(short_name("RULE:[1:$1]s/a/b/", "aa@S"), "ba");
  EXPECT_EQ(short_name("RULE:[1:$1]s/a/b/g", "aa@S"), "bb");
  EXPECT_EQ(short_name("RULE:[1:$1]s/(.)(.)/$2$1/", "xy@S"), "yx");
  EXPECT_EQ(short_name("RULE:[1:$1@$0]", "k@S"), "none");  // not short
  EXPECT_EQ(short_name("RULE:[1:$2]", "k@S"), "none");
}

TEST(AuthToLocal, MalformedRules) {
  for (const char* text :
       {"RULE", "RULE:[1:$1", "DEFAULT nonsense", "RULE:[x:$1]", "RULE:[1:$1](()", "RULE:[1:$1](*)"}) {
    EXPECT_THROW(AuthToLocal rules(text), std::invalid_argument) << text;
  }
}

TEST(AuthToLocal, TheIdOfAnAcl) {
  NameRules rules;
  rules.default_realm = "R";
  rules.auth_to_local = std::make_shared<const AuthToLocal>("RULE:[2:$1](kafka)s/kafka/broker/ DEFAULT");
  EXPECT_EQ(authorized_id("kafka/h@S", rules), "broker/h@S");
  EXPECT_EQ(authorized_id("other/h@S", rules), "other/h@S");
  rules.remove_host = rules.remove_realm = true;
  EXPECT_EQ(authorized_id("kafka/h@S", rules), "broker");
  EXPECT_EQ(authorized_id("alice@R", rules), "alice");
}

}  // namespace
}  // namespace zk::sasl
