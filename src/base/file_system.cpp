// What every FileSystem shares; the real one is in real_file_system.cpp.
#include "base/file_system.h"

namespace base {

Bytes read_file(FileSystem& files, const std::string& path) {
  std::unique_ptr<File> file = files.open(path, OpenMode::read);
  Bytes bytes(file->size());
  bytes.resize(file->read_at(0, bytes));
  return bytes;
}

void write_file_atomically(FileSystem& files, const std::string& path, ByteView bytes) {
  std::string temporary = path + ".tmp";
  {
    std::unique_ptr<File> file = files.open(temporary, OpenMode::create);
    file->truncate(0);
    file->write_at(0, bytes);
    file->sync();
  }
  files.rename(temporary, path);
  files.sync_directory(parent_directory(path));
}

std::string parent_directory(const std::string& path) {
  std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace base
