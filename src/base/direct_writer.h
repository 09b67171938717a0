// Writes past the page cache (O_DIRECT), where the file system can do that: a sync() of the file has less to do then. Elsewhere,
// and for files without a native handle, an ordinary write. (So faults that are injected above the real file system don't meet the
// write itself, but its sync; above one in memory they do.) One thread at a time; failures throw std::system_error.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/bytes.h"
#include "base/file_system.h"

namespace base {

class DirectWriter {
 public:
  static constexpr std::size_t kBlock = 4096;

  // As the system's, whose place a test may take.
  using Pwrite = ssize_t (*)(int descriptor, const void* bytes, std::size_t size, off_t position);

  // `file` outlives this object.
  explicit DirectWriter(File& file, Pwrite pwrite = nullptr);
  ~DirectWriter();
  DirectWriter(const DirectWriter&) = delete;
  DirectWriter& operator=(const DirectWriter&) = delete;

  // The position, the size and the memory of the bytes are multiples of kBlock. Not durable before the file's sync().
  void write_at(std::uint64_t position, ByteView bytes);
  bool is_direct() const { return descriptor_ >= 0; }

 private:
  File& file_;
  Pwrite pwrite_;
  int descriptor_ = -1;
};

}  // namespace base
