// The keys of zoo.cfg and of the environment that are about who may connect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/testing/temp_dir.h"
#include "zk/server/config.h"

namespace zk::server {
namespace {

using ::testing::HasSubstr;

ZooKeeperServerConfig configured(const std::string& text, const base::JavaOptions& options) {
  base::Properties properties = base::Properties::parse("dataDir=/d\n" + text);
  add_java_options(properties, options);
  ZooKeeperServerConfig config = ZooKeeperServerConfig::from(properties);
  config.security.load_login(options);
  return config;
}

std::string refusal(const std::string& text, const base::JavaOptions& options = base::JavaOptions()) {
  try {
    configured(text, options);
    return "accepted";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(SecurityConfig, Refusals) {
  EXPECT_THAT(refusal("authProvider.1=com.example.Mine\n"), HasSubstr("authProvider.1=com.example.Mine is not valid"));
  EXPECT_THAT(refusal("enforce.auth.enabled=true\n"), HasSubstr("needs enforce.auth.schemes"));
  EXPECT_THAT(refusal("enforce.auth.enabled=true\nenforce.auth.schemes=sasl\n"), HasSubstr("not available"));
  EXPECT_THAT(refusal("sessionRequireClientSASLAuth=true\n"), HasSubstr("SASLAuthenticationProvider"));
  EXPECT_THAT(refusal("sessionRequireClientSASLAuth=yes\n"), HasSubstr("true or false"));
  EXPECT_THAT(refusal("DigestAuthenticationProvider.digestAlg=none\n"), HasSubstr("no such digest"));
  EXPECT_THAT(refusal("security.auth_to_local=RULE:[1:$1\n"), HasSubstr("a rule is malformed"));
  EXPECT_EQ(refusal("security.auth_to_local=RULE:[1:$1] DEFAULT\n"), "accepted");
  EXPECT_EQ(refusal("enforce.auth.schemes=sasl\nenforce.auth.enabled=false\n"), "accepted");
}

TEST(SecurityConfig, RequireClientAuthSchemeWarns) {
  auto config = ZooKeeperServerConfig::from(base::Properties::parse("dataDir=/d\nrequireClientAuthScheme=sasl\n"));
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_THAT(config.warnings[0], HasSubstr("sessionRequireClientSASLAuth"));
  EXPECT_TRUE(config.security.required_schemes.empty());
}

TEST(SecurityConfig, SystemPropertiesAndTheJaasFile) {
  base::testing::TempDir directory;
  std::ofstream(directory / "jaas.conf") << "Server {\n  a.DigestLoginModule required user_kafka=\"ks\";\n};\n";
  base::JavaOptions options;
  options.add("-Djava.security.auth.login.config=" + (directory / "jaas.conf") +
              " -Dzookeeper.superUser=admin -Dzookeeper.snapCount=7 -Dzookeeper.dataDir=/x -Dzookeeper.sasl.client=true"
              " -Djute.maxbuffer=4194304 -Dzookeeper.skipACL=yes");
  auto config = configured("skipACL=no\n", options);
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_TRUE(config.security.sasl_super_users.contains("admin"));
  EXPECT_EQ(config.snapshot_every, 7U);
  EXPECT_EQ(config.data_dir, "/d");
  EXPECT_EQ(config.frame_bytes_max, 4194304U);
  EXPECT_FALSE(config.skip_acl);
  ASSERT_NE(config.security.login, nullptr);
  EXPECT_EQ(config.security.login->mechanism(), "DIGEST-MD5");

  options.add("-Dzookeeper.sasl.serverconfig=Other");
  EXPECT_THAT(refusal("", options), HasSubstr("sasl.serverconfig=Other names no section"));
  std::ofstream(directory / "jaas.conf") << "Server {\n  a.DigestLoginModule user_kafka=\"ks\";\n};\n";
  EXPECT_THAT(refusal("", options), HasSubstr("jaas.conf:2: after a.DigestLoginModule must come required"));
  options.add("-Djava.security.auth.login.config=" + (directory / "none.conf"));
  EXPECT_THAT(refusal("", options), HasSubstr("none.conf"));
}

TEST(SecurityConfig, AFileWithoutASectionForTheServerMeansNoSasl) {
  base::testing::TempDir directory;
  std::ofstream(directory / "jaas.conf") << "Client { a.DigestLoginModule required username=a password=b; };\n";
  base::JavaOptions options;
  options.add("-Djava.security.auth.login.config=" + (directory / "jaas.conf"));
  EXPECT_EQ(configured("", options).security.login, nullptr);
}

}  // namespace
}  // namespace zk::server
