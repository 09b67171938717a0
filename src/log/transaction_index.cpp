#include "log/transaction_index.h"

#include "log/corrupt_file.h"

namespace storage {
namespace {

constexpr std::size_t kEntrySize = 34;
constexpr std::int16_t kVersion = 0;

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
    const std::uint8_t* from = bytes.data() + at;
    auto version = base::load_big_endian<std::int16_t>(from);
    TransactionIndexEntry entry;
    entry.producer_id = base::load_big_endian<std::int64_t>(from + 2);
    entry.first_offset = base::load_big_endian<std::int64_t>(from + 10);
    entry.last_offset = base::load_big_endian<std::int64_t>(from + 18);
    entry.last_stable_offset = base::load_big_endian<std::int64_t>(from + 26);
    if (version != kVersion || entry.last_offset <= last_offset) throw CorruptFile(path + " isn't sound");
    last_offset = entry.last_offset;
    entries.push_back(entry);
  }
  return entries;
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
