// The access rules of Kafka's znodes under zookeeper.set.acl=true. Pure. Source: Kafka 3.9's trees.
#pragma once

#include <string>
#include <vector>

#include "zk/client/types.h"

namespace broker::controller {

// The creator may do all, the world may read; nobody else where passwords and tokens are. Old consumers write under
// /consumers themselves, so that it stays open.
std::vector<zk::client::Acl> znode_rules(const std::string& path);

}  // namespace broker::controller
