#include "base/direct_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace base {

DirectWriter::DirectWriter(File& file, Pwrite pwrite) : file_(file), pwrite_(pwrite != nullptr ? pwrite : &::pwrite) {
  if (file.native_handle() < 0) return;
  // Not by the path, which may name another file by now.
  const std::string self = "/proc/self/fd/" + std::to_string(file.native_handle());
  descriptor_ = ::open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
}

DirectWriter::~DirectWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void DirectWriter::write_at(std::uint64_t position, ByteView bytes) {
  while (descriptor_ >= 0 && !bytes.empty()) {
    const ssize_t put = pwrite_(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EINVAL) break;  // a file system that can't, or that wants larger blocks
    if (put == 0) throw std::system_error(EIO, std::generic_category(), "write past the page cache: nothing was written");
    if (put < 0) throw std::system_error(errno, std::generic_category(), "write past the page cache");
    position += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  if (!bytes.empty()) file_.write_at(position, bytes);
}

}  // namespace base
