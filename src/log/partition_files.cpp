#include "log/partition_files.h"

namespace storage {

void replace_file(base::FileSystem& files, const std::string& path, base::ByteView bytes) {
  std::string temporary = path + ".tmp";
  {
    std::unique_ptr<base::File> file = files.open(temporary, base::OpenMode::create);
    file->truncate(0);
    file->write_at(0, bytes);
    file->sync();
  }
  files.rename(temporary, path);
}

}  // namespace storage
