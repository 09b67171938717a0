// Walks the batches of a .log file from a position on, by their headers (reading little) or whole (to check crcs or
// read records). Belongs to one thread; holds no lock; what it returns points into its own buffer until next().
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/file_system.h"
#include "protocol/record_batch.h"

namespace storage {

struct ScannedBatch {
  std::uint64_t position = 0;
  std::uint64_t size = 0;
  protocol::BatchHeader header;
  base::ByteView bytes;  // all of it when scanning whole batches, else empty
};

enum class ScanEnd { none, end, partial, corrupt };

class BatchScanner {
 public:
  enum class What { headers, whole };
  BatchScanner(const base::File& file, std::uint64_t position, std::uint64_t end, What what);

  // Nothing at the end, and where no batch can be read; ended() tells which.
  std::optional<ScannedBatch> next();
  ScanEnd ended() const { return ended_; }
  // For who goes on with batches while the next ones are read. Whether next() finds a whole batch without reading, so that
  // what it returned before stays where it is.
  bool next_is_buffered() const;
  // Gives away the buffer that all batches since the last exchange point into, if each behind the first was buffered, and
  // reads into `buffer` from now on.
  void exchange_buffer(base::Bytes& buffer);
  std::uint64_t position() const { return position_; }  // behind the last batch returned

 private:
  base::ByteView buffered(std::uint64_t position, std::size_t wanted);

  const base::File& file_;
  std::uint64_t position_;
  std::uint64_t end_;
  What what_;
  ScanEnd ended_ = ScanEnd::none;
  base::Bytes buffer_;
  std::uint64_t buffer_position_ = 0;
  std::size_t buffer_size_ = 0;
};

}  // namespace storage
