// A file of entries of one size in increasing order of their key: what offset and time index share. Entries are kept in
// memory until a block of them goes to the file, so that an idle log costs little: nothing is preallocated or mapped,
// and the file is opened only for as long as it is needed. What wasn't written is lost in a crash; recovery rebuilds
// it. Guarded by the log's mutex.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "log/partition_files.h"

namespace storage {

class IndexFile {
 public:
  // Entries of a file that is already there all count, but for a torn last one.
  IndexFile(const PartitionFiles& where, std::int64_t base_offset, std::string_view suffix, std::size_t entry_size);

  std::size_t count() const { return written_count() + pending_.size() / entry_size_; }
  bool empty() const { return count() == 0; }
  void append(base::ByteView entry);
  base::Bytes entry(std::size_t index) const;
  struct Found {
    std::size_t index = 0;
    base::Bytes entry;
  };
  // Both fields of an entry grow from one to the next.
  enum class Field { key, value };
  // The last entry of which that field is <= `number`, if any.
  std::optional<Found> last_not_above(std::int64_t number, Field field = Field::key) const;
  void truncate(std::size_t entry_count);

  // Pending entries go to the file, which is made if missing.
  void write_pending();
  // For an fsync without the lock; call write_pending() before.
  std::shared_ptr<base::File> open_for_sync() const;

 private:
  std::size_t written_count() const;
  std::optional<Found> last_not_above_in(base::ByteView entries, std::size_t first_index, std::int64_t number,
                                         Field field) const;
  std::int64_t number_in(base::ByteView entry, Field field) const;
  std::string path() const { return where_.path(base_offset_, suffix_); }

  const PartitionFiles& where_;
  std::int64_t base_offset_;
  std::string_view suffix_;
  std::size_t entry_size_;
  base::Bytes pending_;
  mutable std::optional<std::size_t> written_count_;  // read from the file when first needed
};

}  // namespace storage
