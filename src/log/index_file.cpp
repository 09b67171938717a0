#include "log/index_file.h"

#include <algorithm>

namespace storage {
namespace {

constexpr std::size_t kPendingBytesMax = 4096;
constexpr std::size_t kBlockBytes = 4096;

}  // namespace

IndexFile::IndexFile(const PartitionFiles& where, std::int64_t base_offset, std::string_view suffix,
                     std::size_t entry_size)
    : where_(where), base_offset_(base_offset), suffix_(suffix), entry_size_(entry_size) {}

std::size_t IndexFile::written_count() const {
  if (!written_count_) {
    std::string file = path();
    written_count_ = where_.files.exists(file) ? where_.files.info(file).size / entry_size_ : 0;
  }
  return *written_count_;
}

// The key is the leading field: 4 bytes of an offset index entry, 8 of a time index entry. The value has 4 bytes.
std::int64_t IndexFile::number_in(base::ByteView entry, Field field) const {
  if (field == Field::value) return base::load_big_endian<std::int32_t>(entry.last(4).data());
  return entry_size_ == 8 ? std::int64_t{base::load_big_endian<std::int32_t>(entry.data())}
                          : base::load_big_endian<std::int64_t>(entry.data());
}

void IndexFile::append(base::ByteView entry) {
  pending_.insert(pending_.end(), entry.begin(), entry.end());
  if (pending_.size() >= kPendingBytesMax) write_pending();
}

base::Bytes IndexFile::entry(std::size_t index) const {
  base::Bytes bytes(entry_size_);
  std::size_t written = written_count();
  if (index >= written) {
    std::size_t at = (index - written) * entry_size_;
    std::copy_n(pending_.data() + at, entry_size_, bytes.data());
  } else {
    where_.files.open(path(), base::OpenMode::read)->read_at(index * entry_size_, bytes);
  }
  return bytes;
}

// Of entries in memory, the first of which is number `first_index`.
std::optional<IndexFile::Found> IndexFile::last_not_above_in(base::ByteView entries, std::size_t first_index,
                                                             std::int64_t number, Field field) const {
  std::size_t low = 0;                               // entries before it are <= number
  std::size_t high = entries.size() / entry_size_;  // entries from it on are > number
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (number_in(entries.subspan(middle * entry_size_, entry_size_), field) <= number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return std::nullopt;
  const base::ByteView entry = entries.subspan((low - 1) * entry_size_, entry_size_);
  return Found{first_index + low - 1, base::Bytes(entry.begin(), entry.end())};
}

std::optional<IndexFile::Found> IndexFile::last_not_above(std::int64_t number, Field field) const {
  const std::size_t written = written_count();
  if (auto found = last_not_above_in(pending_, written, number, field)) return found;
  if (written == 0) return std::nullopt;
  const std::unique_ptr<base::File> file = where_.files.open(path(), base::OpenMode::read);
  std::size_t low = 0;
  std::size_t high = written;
  std::optional<Found> best;  // the entry before `low`
  // Single entries halve the range until what is left is read at once: few calls, and little memory.
  for (base::Bytes bytes(entry_size_); (high - low) * entry_size_ > kBlockBytes;) {
    const std::size_t middle = low + (high - low) / 2;
    if (file->read_at(middle * entry_size_, bytes) != entry_size_) return best;  // shortened from outside
    if (number_in(bytes, field) <= number) {
      best = Found{middle, bytes};
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  base::Bytes block((high - low) * entry_size_);
  block.resize(file->read_at(low * entry_size_, block));
  if (auto found = last_not_above_in(block, low, number, field)) return found;
  return best;
}

void IndexFile::truncate(std::size_t entry_count) {
  std::size_t written = written_count();
  if (entry_count >= written) {
    pending_.resize(std::min(pending_.size(), (entry_count - written) * entry_size_));
    return;
  }
  pending_.clear();
  where_.files.open(path(), base::OpenMode::create)->truncate(entry_count * entry_size_);
  written_count_ = entry_count;
}

void IndexFile::write_pending() {
  std::string file = path();
  std::size_t written = written_count();
  if (pending_.empty() && where_.files.exists(file) && where_.files.info(file).size == written * entry_size_) return;
  std::unique_ptr<base::File> open = where_.files.open(file, base::OpenMode::create);
  if (open->size() != written * entry_size_) open->truncate(written * entry_size_);  // a torn entry, or preallocated
  open->write_at(written * entry_size_, pending_);
  written_count_ = written + pending_.size() / entry_size_;
  pending_.clear();
  pending_.shrink_to_fit();
}

std::shared_ptr<base::File> IndexFile::open_for_sync() const {
  return where_.files.open(path(), base::OpenMode::read_write);
}

}  // namespace storage
