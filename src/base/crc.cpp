#include "base/crc.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>

namespace base {

std::uint32_t crc32c(ByteView bytes, std::uint32_t previous) {
  // ISA-L takes a length of int and a pointer to non-const, and neither inverts before nor after.
  std::uint32_t state = ~previous;
  while (!bytes.empty()) {
    const std::size_t step = std::min<std::size_t>(bytes.size(), 1U << 30);
    state = crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(step), state);
    bytes = bytes.subspan(step);
  }
  return ~state;
}

// zlib's, in Debian, have no vector instructions: seven times as slow.
std::uint32_t crc32(ByteView bytes, std::uint32_t previous) {
  return crc32_gzip_refl(previous, bytes.data(), bytes.size());
}

std::uint32_t adler32(ByteView bytes, std::uint32_t previous) {
  return isal_adler32(previous, bytes.data(), bytes.size());
}

}  // namespace base
