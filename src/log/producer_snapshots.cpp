#include "log/producer_snapshots.h"

#include "base/logging.h"

namespace storage {

std::optional<ProducerSnapshots::Loaded> ProducerSnapshots::load_newest(std::int64_t lowest, std::int64_t highest) {
  while (true) {
    auto above = offsets_.upper_bound(highest);
    if (above == offsets_.begin()) return std::nullopt;
    std::int64_t offset = *std::prev(above);
    if (offset < lowest) return std::nullopt;
    std::string path = where_.path(offset, kSnapshotSuffix);
    try {
      return Loaded{offset, decode_producer_snapshot(base::read_file(where_.files, path))};
    } catch (const CorruptFile& error) {
      base::log_warn("kafka.log.ProducerStateManager", "Failed to load producer snapshot from {}: {}", path,
                     error.what());
      where_.files.remove(path);
      offsets_.erase(offset);
    }
  }
}

void ProducerSnapshots::write(std::int64_t offset, const std::vector<ProducerSnapshotEntry>& entries) {
  if (offset <= 0 || offsets_.contains(offset)) return;
  base::Bytes bytes = encode_producer_snapshot(entries);
  std::unique_ptr<base::File> file = where_.files.open(where_.path(offset, kSnapshotSuffix), base::OpenMode::create);
  file->truncate(0);
  file->write_at(0, bytes);
  offsets_.insert(offset);
}

void ProducerSnapshots::remove_if(const std::function<bool(std::int64_t)>& goes) {
  for (auto at = offsets_.begin(); at != offsets_.end();) {
    if (goes(*at)) {
      where_.files.remove(where_.path(*at, kSnapshotSuffix));
      at = offsets_.erase(at);
    } else {
      ++at;
    }
  }
}

}  // namespace storage
