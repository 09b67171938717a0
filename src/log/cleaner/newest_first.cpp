#include "log/cleaner/newest_first.h"

#include <memory>
#include <new>
#include <utility>

#include "log/corrupt_file.h"
#include "log/segment.h"

namespace storage {
namespace {

// In work at once: of the files, with what the records take.
constexpr std::uint64_t kAheadBytes = std::uint64_t{2} << 20;
// What the pieces that nobody works on may keep for the next ones.
constexpr std::size_t kFreeBytesMax = std::size_t{8} << 20;
// Less of the dirty part than one in so many isn't worth it: the headers are read for it first.
constexpr std::uint64_t kKeptShareMin = 16;
// So many searches of the map are under way at once.
constexpr std::size_t kPrefetched = 16;

// False if the map has no place or the system no memory.
bool map_records(NewestPiece& piece, OffsetMap& offsets, NewestOffsets& newest) {
  const auto prefetch = [&](std::size_t left) {
    if (left > 0) offsets.prefetch(piece.records[left - 1].hash);
  };
  for (std::size_t i = 0; i < kPrefetched && i < piece.records.size(); ++i) prefetch(piece.records.size() - i);
  for (std::size_t left = piece.records.size(); left > 0; --left) {
    prefetch(left > kPrefetched ? left - kPrefetched : 0);
    MappedRecord& record = piece.records[left - 1];
    record.may_stay = true;  // one without a key goes, and is counted, when it is copied
    if (record.has_key && !offsets.put_if_absent(record.hash, record.offset, record.may_stay)) return false;
    if (record.may_stay) newest.add_older(record.offset);
  }
  return true;
}

class Mapping {
 public:
  Mapping(const NewestFirst& how, const DirtyPieces& dirty, const KeyHasher& hasher, OffsetMap& offsets, NewestOffsets& newest)
      : how_(how),
        dirty_(dirty),
        offsets_(offsets),
        newest_(newest),
        shared_{hasher, how.rules, {BatchFilter(offsets, hasher, newest), BatchFilter(offsets, hasher, newest)}},
        left_(dirty.pieces.size()),
        queue_(how.with_helper) {}

  bool run() {
    while (true) {
      if (weight_ahead_ <= kAheadBytes / 2) read_ahead();  // seldom and much, as the helper may have to be woken
      if (queue_.empty()) return true;
      NewestPiece& piece = static_cast<NewestPiece&>(queue_.take());
      if (piece.stage == NewestPiece::Stage::keys) {
        how_.check_wanted();
        make_room(offsets_.memory_bytes_with(piece.records.size()));
        if (!map_records(piece, offsets_, newest_)) return false;
        make_room(offsets_.memory_bytes());
        how_.on_mapped(piece.place.size, piece.records.size());
        if (piece.keepable && !full_ && kept_bytes_ + offsets_.memory_bytes() < how_.memory_bytes_max) {
          piece.stage = NewestPiece::Stage::filter;
          queue_.add(piece);
          continue;
        }
      } else if (!full_) {
        keep(piece);
        make_room(offsets_.memory_bytes());
      }
      give_back(piece);
    }
  }
  std::vector<std::vector<ReadyPiece>> ready() {
    std::vector<std::vector<ReadyPiece>> result(how_.sources.size());
    for (; !kept_.empty(); kept_.pop_back()) result[kept_.back().source].push_back(std::move(kept_.back().ready));
    return result;
  }

 private:
  void read_ahead() {
    while (left_ > 0 && weight_ahead_ < kAheadBytes) {
      const DirtyPiece& next = dirty_.pieces[--left_];
      if (!file_ || open_source_ != next.source) {
        PartitionFiles where{how_.session.file_system(), how_.session.directory()};
        file_ = where.files.open(where.path(how_.sources[next.source].base_offset, kLogSuffix), base::OpenMode::read);
        open_source_ = next.source;
      }
      if (free_.empty()) {
        free_.reserve(pieces_.size() + 1);
        pieces_.push_back(std::make_unique<NewestPiece>(shared_));
        free_.push_back(pieces_.back().get());
      }
      NewestPiece& piece = *free_.back();
      free_.pop_back();
      free_bytes_ -= piece.memory_bytes();
      piece.read(*file_, next);
      weight_ahead_ += piece.weight;
      queue_.add(piece);
    }
  }

  void give_back(NewestPiece& piece) {
    weight_ahead_ -= piece.weight;
    if (free_bytes_ + piece.memory_bytes() > kFreeBytesMax) piece.free_memory();
    free_bytes_ += piece.memory_bytes();
    free_.push_back(&piece);
  }

  void keep(NewestPiece& piece) {
    Kept& kept = kept_.emplace_back();
    kept.source = piece.place.source;
    kept.ready.position = piece.place.position;
    kept.ready.size = piece.place.size;
    kept.ready.output.assign(piece.output.begin(), piece.output.end());
    kept.ready.batches.reserve(piece.batches.size());
    for (const NewestPiece::Batch& batch : piece.batches) {
      kept.ready.batches.push_back(batch.ready);
      kept.ready.batches.back().scanned.bytes = {};
    }
    kept.bytes = sizeof(Kept) + kept.ready.output.size() + kept.ready.batches.size() * sizeof(ReadyBatch);
    kept_bytes_ += kept.bytes;
  }
  // What was kept last, the oldest, goes for the map: without it the copy only reads that part again. Then the memory is full, as a
  // map never shrinks, and nothing more is made to be thrown away.
  void make_room(std::size_t map_bytes) {
    for (; !kept_.empty() && kept_bytes_ + map_bytes > how_.memory_bytes_max; kept_.pop_back()) {
      kept_bytes_ -= kept_.back().bytes;
      full_ = true;
    }
  }

  struct Kept {
    std::size_t source = 0;
    ReadyPiece ready;
    std::size_t bytes = 0;
  };

  const NewestFirst& how_;
  const DirtyPieces& dirty_;
  OffsetMap& offsets_;
  NewestOffsets& newest_;
  NewestPiece::Shared shared_;
  std::size_t left_;  // pieces that aren't read, the oldest
  std::unique_ptr<base::File> file_;
  std::size_t open_source_ = 0;
  std::uint64_t weight_ahead_ = 0;
  std::vector<std::unique_ptr<NewestPiece>> pieces_;
  std::vector<NewestPiece*> free_;
  std::size_t free_bytes_ = 0;
  std::vector<Kept> kept_;  // the newest first
  std::size_t kept_bytes_ = 0;
  bool full_ = false;
  HelpedQueue queue_;  // ends before the pieces do
};

}  // namespace

bool NewestFirst::is_worth_it(const OffsetMap& offsets, std::size_t memory_bytes_max, const DirtyAmount& dirty) {
  const std::size_t map_bytes = offsets.memory_bytes_with(dirty.records);
  return map_bytes < memory_bytes_max && memory_bytes_max - map_bytes >= dirty.bytes / kKeptShareMin;
}

std::optional<std::vector<std::vector<ReadyPiece>>> NewestFirst::map(const DirtyPieces& dirty, const KeyHasher& hasher,
                                                                     OffsetMap& offsets, NewestOffsets& newest) const {
  try {
    Mapping mapping(*this, dirty, hasher, offsets, newest);
    if (mapping.run()) return mapping.ready();
  } catch (const CorruptFile&) {
  } catch (const protocol::InvalidRecord&) {
  } catch (const base::CompressionError&) {
  } catch (const std::bad_alloc&) {  // the other pass needs less
  }
  return std::nullopt;
}

}  // namespace storage
