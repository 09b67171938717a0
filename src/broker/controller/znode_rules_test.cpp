#include "broker/controller/znode_rules.h"

#include <gtest/gtest.h>

namespace broker::controller {
namespace {

std::string rules_of(const std::string& path) {
  std::string text;
  for (const zk::client::Acl& acl : znode_rules(path)) {
    text += std::to_string(acl.perms) + ":" + acl.scheme + ":" + acl.id + " ";
  }
  return text;
}

TEST(ZnodeRules, AsKafkas) {
  for (const char* path : {"/brokers/ids/1", "/controller", "/config", "/config/topics/t",
                           "/config/changes/config_change_", "/consumers/group", "/delegation_token", "/chroot"}) {
    EXPECT_EQ(rules_of(path), "31:auth: 1:world:anyone ") << path;
  }
  for (const char* path : {"/config/users", "/config/users/alice/clients/c", "/config/brokers/1", "/config/brokers",
                           "/delegation_token/tokens", "/delegation_token/tokens/x"}) {
    EXPECT_EQ(rules_of(path), "31:auth: ") << path;
  }
  EXPECT_EQ(rules_of("/consumers"), "31:world:anyone ");
}

}  // namespace
}  // namespace broker::controller
