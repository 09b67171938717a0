#include "base/start_reading.h"

#include <fcntl.h>

namespace base {

void start_reading(const File& file, std::uint64_t position, std::uint64_t length) {
  if (file.native_handle() < 0) return;  // it's in memory
  ::posix_fadvise(file.native_handle(), static_cast<off_t>(position), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
}

}  // namespace base
