// What a connection has proved to be, in the order that ZooKeeper shows it in: that of Java's ConcurrentHashMap. The
// scheme `auth` puts it into ACLs, so that the order is seen. Pure.
#pragma once

#include <vector>

#include "zk/tree/types.h"

namespace zk::server {

// Adds it unless it is there. False if the connection has too many already.
bool add_identity(std::vector<tree::Identity>& identities, tree::Identity identity);

}  // namespace zk::server
