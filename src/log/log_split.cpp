#include "log/log_split.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "log/batch_scanner.h"

namespace storage {
namespace {

constexpr std::size_t kCopyBytes = 1 << 20;

struct Part {
  std::int64_t base_offset = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Ends where recovery would cut: what is damaged stays with the part before it. So no part overflows again.
std::vector<Part> parts_of(const base::File& file, std::int64_t base_offset) {
  const std::uint64_t size = file.size();
  std::vector<Part> parts;
  BatchScanner scanner(file, 0, size, BatchScanner::What::whole);
  while (auto batch = scanner.next()) {
    const std::int64_t last_offset = batch->header.last_offset();
    const std::int64_t lowest = parts.empty() ? base_offset : parts.back().base_offset;
    if (last_offset < lowest || !protocol::crc_is_valid(batch->bytes)) break;
    if (parts.empty() || offset_overflows(lowest, last_offset)) {
      if (!parts.empty()) parts.back().end = batch->position;
      parts.push_back({batch->header.base_offset, batch->position, size});
    }
  }
  if (parts.empty()) parts.push_back({base_offset, 0, size});
  return parts;
}

void copy(const base::File& from, const Part& part, base::File& to) {
  base::Bytes buffer(std::min<std::uint64_t>(kCopyBytes, part.end - part.begin));
  for (std::uint64_t at = part.begin; at < part.end;) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), part.end - at));
    const std::size_t read = from.read_at(at, base::MutableByteView(buffer).first(wanted));
    if (read == 0) break;  // shortened from outside
    to.write_at(at - part.begin, base::ByteView(buffer).first(read));
    at += read;
  }
}

std::string log_name(std::int64_t base_offset, std::string_view ending) {
  return file_name(base_offset, kLogSuffix) + std::string(ending);
}

}  // namespace

bool offset_overflows(std::int64_t base_offset, std::int64_t offset) {
  return offset - base_offset > std::numeric_limits<std::int32_t>::max();
}

std::vector<std::int64_t> split_segment(const PartitionFiles& where, std::int64_t base_offset) {
  base::FileSystem& files = where.files;
  const std::string source_path = where.path(base_offset, kLogSuffix);
  const std::int64_t modified_ms = files.info(source_path).modified_ms;
  std::vector<std::int64_t> bases;
  {
    std::unique_ptr<base::File> source = files.open(source_path, base::OpenMode::read);
    for (const Part& part : parts_of(*source, base_offset)) {
      const std::string path = where.path(log_name(part.base_offset, kCleanedSuffix));
      std::unique_ptr<base::File> file = files.open(path, base::OpenMode::create);
      file->truncate(0);
      copy(*source, part, *file);
      file->sync();
      files.set_modified_ms(path, modified_ms);
      bases.push_back(part.base_offset);
    }
  }
  // Should the old segment outlive a crash beside its parts, it must be looked into and split again; as one without
  // index it is.
  for (std::string_view suffix : {kIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix}) {
    files.remove(where.path(base_offset, suffix));
  }
  files.sync_directory(where.directory);
  // From the highest down: so long as one is .cleaned, the .swap files above it count for nothing.
  for (auto base = bases.rbegin(); base != bases.rend(); ++base) {
    files.rename(where.path(log_name(*base, kCleanedSuffix)), where.path(log_name(*base, kSwapSuffix)));
  }
  files.sync_directory(where.directory);
  files.remove(source_path);
  for (std::int64_t base : bases) {
    files.rename(where.path(log_name(base, kSwapSuffix)), where.path(base, kLogSuffix));
  }
  files.sync_directory(where.directory);
  return bases;
}

}  // namespace storage
