#include "zk/tree/digest.h"

#include <array>

#include "base/crc.h"
#include "zk/tree/path.h"

namespace zk::tree {

bool counts_in_digest(std::string_view path) { return !path.starts_with("/zookeeper/"); }

std::uint32_t content_crc(std::string_view path, std::string_view data) {
  std::uint32_t crc = base::crc32(base::as_bytes(path == "/" ? std::string_view() : path));
  return data.empty() ? crc : base::crc32(base::as_bytes(data), crc);
}

std::uint32_t znode_digest(std::uint32_t content_crc, const StatPersisted& stat) {
  std::array<std::uint8_t, 60> bytes;
  std::uint8_t* to = bytes.data();
  auto put = [&to](auto value) {
    base::store_big_endian(to, value);
    to += sizeof value;
  };
  put(stat.czxid);
  put(stat.mzxid);
  put(stat.pzxid);
  put(stat.ctime);
  put(stat.mtime);
  put(stat.version);
  put(stat.cversion);
  put(stat.aversion);
  put(stat.ephemeral_owner);
  return base::crc32(bytes, content_crc);
}

}  // namespace zk::tree
