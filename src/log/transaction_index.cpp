#include "log/transaction_index.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "log/corrupt_file.h"

namespace storage {
namespace {

constexpr std::size_t kEntrySize = 34;
constexpr std::int16_t kVersion = 0;
constexpr std::size_t kEntriesAtOnce = 120;  // a page

// At its place; nothing if it isn't one that may follow a marker at `last_offset`.
std::optional<TransactionIndexEntry> entry_behind(std::int64_t last_offset, const std::uint8_t* from) {
  TransactionIndexEntry entry;
  entry.producer_id = base::load_big_endian<std::int64_t>(from + 2);
  entry.first_offset = base::load_big_endian<std::int64_t>(from + 10);
  entry.last_offset = base::load_big_endian<std::int64_t>(from + 18);
  entry.last_stable_offset = base::load_big_endian<std::int64_t>(from + 26);
  if (base::load_big_endian<std::int16_t>(from) != kVersion || entry.last_offset <= last_offset) return std::nullopt;
  return entry;
}

// Which entry is the first whose marker is at or beyond `offset`, of `count`; or one before it, no more than can be read at once.
std::size_t close_before(const base::File& file, std::size_t count, std::int64_t offset) {
  std::size_t low = 0;
  while (count - low > kEntriesAtOnce) {
    const std::size_t middle = low + (count - low) / 2;
    base::Bytes bytes(kEntrySize);
    if (file.read_at(middle * kEntrySize, bytes) != kEntrySize) break;
    if (base::load_big_endian<std::int64_t>(bytes.data() + 18) < offset) {
      low = middle + 1;
    } else {
      count = middle;
    }
  }
  return low;
}

}  // namespace

void append_transaction_index(const PartitionFiles& where, std::int64_t base_offset,
                              const TransactionIndexEntry& entry) {
  base::Bytes bytes;
  base::append_big_endian(bytes, kVersion);
  base::append_big_endian(bytes, entry.producer_id);
  base::append_big_endian(bytes, entry.first_offset);
  base::append_big_endian(bytes, entry.last_offset);
  base::append_big_endian(bytes, entry.last_stable_offset);
  auto file = where.files.open(where.path(base_offset, kTransactionIndexSuffix), base::OpenMode::create);
  file->write_at(file->size() / kEntrySize * kEntrySize, bytes);
}

std::vector<TransactionIndexEntry> read_transaction_index(const PartitionFiles& where, std::int64_t base_offset) {
  std::string path = where.path(base_offset, kTransactionIndexSuffix);
  std::vector<TransactionIndexEntry> entries;
  if (!where.files.exists(path)) return entries;
  base::Bytes bytes = base::read_file(where.files, path);
  std::int64_t last_offset = base_offset - 1;
  for (std::size_t at = 0; at + kEntrySize <= bytes.size(); at += kEntrySize) {
    const auto entry = entry_behind(last_offset, bytes.data() + at);
    if (!entry) throw CorruptFile(path + " isn't sound");
    last_offset = entry->last_offset;
    entries.push_back(*entry);
  }
  return entries;
}

TransactionIndexPart read_transaction_index_between(const PartitionFiles& where, std::int64_t base_offset, std::int64_t from,
                                                    std::int64_t upper) {
  TransactionIndexPart part;
  const std::string path = where.path(base_offset, kTransactionIndexSuffix);
  if (!where.files.exists(path)) return part;
  const std::unique_ptr<base::File> file = where.files.open(path, base::OpenMode::read);
  const std::size_t count = file->size() / kEntrySize;
  std::int64_t last_offset = base_offset - 1;
  base::Bytes bytes;
  for (std::size_t at = close_before(*file, count, from); at < count; at += kEntriesAtOnce) {
    bytes.resize(std::min(kEntriesAtOnce, count - at) * kEntrySize);
    bytes.resize(file->read_at(at * kEntrySize, bytes) / kEntrySize * kEntrySize);
    for (std::size_t place = 0; place < bytes.size(); place += kEntrySize) {
      const auto entry = entry_behind(last_offset, bytes.data() + place);
      if (!entry) throw CorruptFile(path + " isn't sound");
      last_offset = entry->last_offset;
      if (last_offset >= from) part.entries.push_back(*entry);
      part.goes_on = entry->last_stable_offset < upper;
      if (!part.goes_on) return part;
    }
  }
  return part;
}

void truncate_transaction_index(const PartitionFiles& where, std::int64_t base_offset, std::int64_t offset) {
  std::string path = where.path(base_offset, kTransactionIndexSuffix);
  if (!where.files.exists(path)) return;
  std::size_t keep = 0;
  try {
    for (const TransactionIndexEntry& entry : read_transaction_index(where, base_offset)) {
      if (entry.last_offset < offset) ++keep;
    }
  } catch (const CorruptFile&) {
    keep = 0;
  }
  if (keep == 0) {
    where.files.remove(path);
  } else {
    where.files.open(path, base::OpenMode::read_write)->truncate(keep * kEntrySize);
  }
}

}  // namespace storage
