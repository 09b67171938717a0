// ZooKeeper's tree digest, version 2: the sum of the znodes' CRC32s. Pure functions.
#pragma once

#include <optional>

#include "zk/tree/types.h"

namespace zk::tree {

inline constexpr std::int32_t kDigestVersion = 2;

// Znodes below /zookeeper count nothing, /zookeeper itself counts.
bool counts_in_digest(std::string_view path);
// The front part, over path and data. "/" counts as the empty path.
std::uint32_t content_crc(std::string_view path, std::string_view data);
std::uint32_t znode_digest(std::uint32_t content_crc, const StatPersisted& stat);

}  // namespace zk::tree
