#include "log/partition_files.h"

#include <algorithm>

namespace storage {

void replace_file(base::FileSystem& files, const std::string& path, base::ByteView bytes, NewBytes state) {
  std::string temporary = path + ".tmp";
  {
    std::unique_ptr<base::File> file = files.open(temporary, base::OpenMode::create);
    file->truncate(0);
    file->write_at(0, bytes);
    if (state == NewBytes::synced) file->sync();
  }
  files.rename(temporary, path);
}

bool is_blank(base::ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace storage
