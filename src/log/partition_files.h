// Where the files of one partition are. Shared by a Log and its segments; the directory changes under the log's mutex.
#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "log/topic_partition.h"

namespace storage {

struct PartitionFiles {
  base::FileSystem& files;
  std::string directory;

  std::string path(std::string_view name) const { return directory + "/" + std::string(name); }
  std::string path(std::int64_t offset, std::string_view suffix) const { return path(file_name(offset, suffix)); }
};

// As write_file_atomically(), but the directory isn't synced: for files that a log without flushed data may lose with
// its other names. The log's first flush syncs them.
void replace_file(base::FileSystem& files, const std::string& path, base::ByteView bytes);

}  // namespace storage
