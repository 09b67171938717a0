#include "zk/server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zk::server {
namespace {

using ::testing::HasSubstr;

ZooKeeperServerConfig parse(const std::string& text) {
  return ZooKeeperServerConfig::from(base::Properties::parse(text));
}

std::string refusal(const std::string& text) {
  try {
    parse(text);
    return "accepted";
  } catch (const ConfigError& error) {
    return std::to_string(error.line()) + ": " + error.what();
  }
}

TEST(ZooKeeperServerConfig, DefaultsFollowTheTick) {
  auto config = parse("dataDir=/d\ntickTime=2000\n");
  EXPECT_EQ(config.data_log_dir, "/d");
  EXPECT_EQ(config.session_timeout_min_ms, 4000);
  EXPECT_EQ(config.session_timeout_max_ms, 40000);
  EXPECT_EQ(config.connections_per_address_max, 60u);
  EXPECT_TRUE(config.commands.contains("srvr"));
}

TEST(ZooKeeperServerConfig, KafkasOwnFileIsAccepted) {
  auto config = parse("dataDir=/tmp/zookeeper\nclientPort=2181\nmaxClientCnxns=0\nadmin.enableServer=false\n");
  EXPECT_EQ(config.connections_per_address_max, 0u);
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ZooKeeperServerConfig, SystemPropertiesCountUnderTheirNames) {
  EXPECT_EQ(parse("dataDir=/d\nzookeeper.snapCount=7\n").snapshot_every, 7u);
  EXPECT_EQ(parse("dataDir=/d\npreAllocSize=64\n").preallocate_bytes, 65536u);
}

TEST(ZooKeeperServerConfig, Refusals) {
  EXPECT_THAT(refusal("clientPort=2181\n"), HasSubstr("dataDir is missing"));
  EXPECT_THAT(refusal("dataDir=/d\nclientPort=70000\n"), HasSubstr("2: clientPort=70000"));
  EXPECT_THAT(refusal("dataDir=/d\ntickTime=fast\n"), HasSubstr("tickTime=fast"));
  EXPECT_THAT(refusal("dataDir=/d\nserver.1=a:2888:3888\n"), HasSubstr("Apache ZooKeeper"));
  EXPECT_THAT(refusal("dataDir=/d\nsecureClientPort=2182\n"), HasSubstr("secureClientPort"));
  EXPECT_THAT(refusal("dataDir=/d\nminSessionTimeout=9\nmaxSessionTimeout=8\n"), HasSubstr("minSessionTimeout"));
}

TEST(ZooKeeperServerConfig, UnknownKeysWarn) { EXPECT_EQ(parse("dataDir=/d\nno.such.key=1\n").warnings.size(), 1u); }

}  // namespace
}  // namespace zk::server
