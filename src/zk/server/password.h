// The password of a session, a function of its id: sixteen bytes of java.util.Random seeded with the id and a constant.
// No secret, but the one that ZooKeeper uses, so that sessions survive the change from one server to the other.
#pragma once

#include <cstdint>
#include <string>

namespace zk::server {

std::string session_password(std::int64_t session_id);

}  // namespace zk::server
