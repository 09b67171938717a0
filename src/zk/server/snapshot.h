// A snapshot file, snapshot.<zxid in hex>, with .gz or .snappy behind it if compressed. The writer takes a header,
// znodes in any order that puts parents first, and ends with the three checksummed tails; it writes under a temporary
// name until it is whole and durable. The reader fills a state. Each belongs to one thread. I/O failures throw
// std::system_error, a file that doesn't check DataDirError.
#pragma once

#include <memory>

#include "base/compression.h"
#include "base/file_system.h"
#include "zk/server/data_dir_error.h"
#include "zk/tree/state.h"

namespace zk::server {

inline constexpr std::int32_t kSnapshotMagic = 0x5a4b534e;  // ZKSN

// File header, sessions and ACL lists.
base::Bytes encode_snapshot_head(const std::map<std::int64_t, std::int32_t>& sessions,
                                 const std::map<std::int64_t, tree::SharedAcl>& acls);
void append_snapshot_node(base::Bytes& to, std::string_view path, const tree::Znode& node);

struct SnapshotOptions {
  base::Codec codec = base::Codec::none;  // gzip (the name gains .gz), or snappy (.snappy)
  bool last_zxid = true;                  // with the section that only ZooKeeper 3.9 knows
};

class SnapshotWriter {
 public:
  SnapshotWriter(base::FileSystem& files, std::string directory, SnapshotOptions options = {});

  void append(base::ByteView bytes);
  // The digest is the tree's at this zxid; without digests (none) that section is left out.
  void finish(std::int64_t zxid, std::optional<std::uint64_t> digest);

 private:
  void seal();
  void flush();

  base::FileSystem& files_;
  std::string directory_;
  SnapshotOptions options_;
  std::unique_ptr<base::File> file_;
  base::Bytes buffer_;
  std::uint64_t position_ = 0;
  std::uint32_t checksum_ = 1;
};

struct SnapshotInfo {
  std::int64_t last_zxid = -1;    // section 9, -1 if absent
  std::int64_t digest_zxid = -1;  // section 7, -1 if absent
  std::uint64_t digest = 0;
  std::uint64_t digest_offset = 0;
};

std::string snapshot_name(std::int64_t zxid, base::Codec codec);
// The zxid of a snapshot's name, compressed or not.
std::optional<std::int64_t> zxid_of_snapshot(std::string_view name);

// Replaces all that the state holds. Does not set its last zxid.
SnapshotInfo read_snapshot(base::FileSystem& files, const std::string& path, tree::State& state);
// After it, and after the log that follows. Throws DataDirError if a znode has no ACL: see Tree::load().
void require_acls(const std::string& path, const tree::State& state);
// Whether the file ends as a whole snapshot does, or begins as a compressed one; cheap.
bool has_snapshot_tail(base::FileSystem& files, const std::string& path);

}  // namespace zk::server
