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
  std::string ending = {};  // of a segment's names while it is made: .cleaned, .swap

  std::string path(std::string_view name) const { return directory + "/" + std::string(name); }
  std::string path(std::int64_t offset, std::string_view suffix) const {
    return path(file_name(offset, suffix)) + ending;
  }
};

// As write_file_atomically(), but the name isn't synced, nor are the bytes unless asked for: for the small files of a new
// partition, thousands of which may be made at once. The log's first flush syncs them, a second later at the most. Where an
// older file is replaced that says something, its bytes are to be asked for: the name may be on disk before them.
enum class NewBytes { unsynced, synced };
void replace_file(base::FileSystem& files, const std::string& path, base::ByteView bytes, NewBytes state = NewBytes::unsynced);
// What a power loss may leave of such a file: nothing, or zeros.
bool is_blank(base::ByteView bytes);

}  // namespace storage
