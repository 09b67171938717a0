#include "base/resident_read.h"

#include <sys/uio.h>

namespace base {

bool read_if_resident(const File& file, std::uint64_t position, MutableByteView into) {
  if (file.native_handle() < 0) return file.read_at(position, into) == into.size();
  iovec part{into.data(), into.size()};
  const ssize_t got = ::preadv2(file.native_handle(), &part, 1, static_cast<off_t>(position), RWF_NOWAIT);
  return got >= 0 && static_cast<std::size_t>(got) == into.size();
}

}  // namespace base
