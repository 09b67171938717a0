#include "log/cleaner/newest_first.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "log/cleaner/helped_queue.h"
#include "log/corrupt_file.h"
#include "log/segment.h"

namespace storage {
namespace {

using protocol::BatchHeader;

// Of the files, in work at once.
constexpr std::uint64_t kAheadBytes = std::uint64_t{2} << 20;
// What a piece's records may be unpacked. A piece of more isn't kept.
constexpr std::size_t kUnpackedBytesMax = std::size_t{2} << 20;
// What one very large batch took isn't kept for small ones.
constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20;
// So many searches of the map are under way at once.
constexpr std::size_t kPrefetched = 16;

struct Batch {
  ReadyBatch ready;
  std::optional<protocol::RecordReader> reader;  // which has unpacked its records and read none
  std::size_t unpacked_bytes = 0;
  std::size_t first_record = 0;
  std::size_t end_record = 0;
};

class Piece final : public HelpedQueue::Job {
 public:
  enum class Stage { keys, filter };

  // What all pieces share while they are worked on.
  struct Shared {
    const KeyHasher& hasher;
    const FilterRules& rules;
    std::array<BatchFilter, HelpedQueue::kWorkers> filters;
  };
  explicit Piece(Shared& shared) : shared_(shared) {}

  void read(const base::File& file, const DirtyPiece& from) {
    place = from;
    stage = Stage::keys;
    batches.clear();
    records.clear();
    output.clear();
    keepable = true;
    trim(bytes_);
    trim(output);
    for (base::Bytes& one : unpacked_) trim(one);
    BatchScanner scanner(file, from.position, from.position + from.size, BatchScanner::What::whole);
    scanner.exchange_buffer(bytes_);  // so that it has one
    do {
      const auto scanned = scanner.next();
      if (!scanned) throw CorruptFile("a segment has other batches than it had");
      batches.emplace_back().ready.scanned = *scanned;
    } while (scanner.next_is_buffered());
    if (scanner.position() != from.position + from.size) throw CorruptFile("a segment has other batches than it had");
    scanner.exchange_buffer(bytes_);
    if (unpacked_.size() < batches.size()) unpacked_.resize(batches.size());
  }

  void run(std::size_t worker, const std::atomic<bool>& abandoned) override {
    std::size_t unpacked_bytes = 0;
    for (std::size_t i = 0; i < batches.size() && !abandoned; ++i) {
      if (stage == Stage::filter) {
        filter(batches[i], shared_.filters[worker]);
        continue;
      }
      read_keys(batches[i], unpacked_[i]);
      unpacked_bytes += batches[i].unpacked_bytes;
      keepable = keepable && unpacked_bytes <= kUnpackedBytesMax;
      if (!keepable) trim(unpacked_[i]);
    }
  }

  DirtyPiece place;
  Stage stage = Stage::keys;
  std::vector<Batch> batches;
  std::vector<MappedRecord> records;  // of all batches
  base::Bytes output;
  bool keepable = true;

 private:
  static void trim(base::Bytes& buffer) {
    if (buffer.capacity() > kKeptBytesMax) buffer = base::Bytes();
  }

  void read_keys(Batch& batch, base::Bytes& unpacked) {
    const ScannedBatch& scanned = batch.ready.scanned;
    if (!protocol::crc_is_valid(scanned.bytes)) throw CorruptFile("a batch with a wrong checksum");
    protocol::RecordReader reader(scanned.bytes, unpacked);
    batch.reader = reader;
    batch.first_record = records.size();
    std::int64_t last_offset = scanned.header.base_offset - 1;
    protocol::Record record;
    while (reader.next(record)) {
      if (record.offset <= last_offset || record.offset > scanned.header.last_offset()) {
        throw CorruptFile("offsets of a batch don't ascend");
      }
      last_offset = record.offset;
      batch.unpacked_bytes += record.encoded.size();
      records.push_back({record.offset, record.key.has_value(), false,
                         record.key ? shared_.hasher(*record.key) : KeyHash{}});
    }
    batch.end_record = records.size();
  }

  void filter(Batch& batch, BatchFilter& filter) {
    ReadyBatch& ready = batch.ready;
    const auto decided =
        std::span<const MappedRecord>(records).subspan(batch.first_record, batch.end_record - batch.first_record);
    ready.begin = output.size();
    ready.filtered = filter.filter_decided(ready.scanned.bytes, ready.scanned.header, {*batch.reader, decided},
                                           shared_.rules, output);
    ready.end = output.size();
  }

  Shared& shared_;
  base::Bytes bytes_;
  std::vector<base::Bytes> unpacked_;  // of each batch
};

// False if the map has no place or the system no memory.
bool map_records(Piece& piece, OffsetMap& offsets, NewestOffsets& newest) {
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
        ready_(how.sources.size()),
        queue_(how.with_helper) {}

  bool run() {
    while (true) {
      if (bytes_ahead_ <= kAheadBytes / 2) read_ahead();  // seldom and much, as the helper may have to be woken
      if (queue_.empty()) break;
      Piece& piece = static_cast<Piece&>(queue_.take());
      if (piece.stage == Piece::Stage::keys) {
        how_.check_wanted();
        if (!map_records(piece, offsets_, newest_)) return false;
        how_.on_mapped(piece.place.size, piece.records.size());
        if (piece.keepable && ready_bytes_ < how_.ready_bytes_max) {
          piece.stage = Piece::Stage::filter;
          queue_.add(piece);
          continue;
        }
      } else {
        keep(piece);
      }
      bytes_ahead_ -= piece.place.size;
      free_.push_back(&piece);
    }
    for (auto& of_source : ready_) std::reverse(of_source.begin(), of_source.end());
    return true;
  }
  std::vector<std::vector<ReadyPiece>> ready() { return std::move(ready_); }

 private:
  void read_ahead() {
    while (left_ > 0 && bytes_ahead_ < kAheadBytes) {
      const DirtyPiece& next = dirty_.pieces[--left_];
      if (!file_ || open_source_ != next.source) {
        PartitionFiles where{how_.session.file_system(), how_.session.directory()};
        file_ = where.files.open(where.path(how_.sources[next.source].base_offset, kLogSuffix), base::OpenMode::read);
        open_source_ = next.source;
      }
      if (free_.empty()) {
        pieces_.push_back(std::make_unique<Piece>(shared_));
        free_.push_back(pieces_.back().get());
      }
      Piece& piece = *free_.back();
      free_.pop_back();
      piece.read(*file_, next);
      bytes_ahead_ += next.size;
      queue_.add(piece);
    }
  }

  void keep(Piece& piece) {
    ReadyPiece& ready = ready_[piece.place.source].emplace_back();
    ready.position = piece.place.position;
    ready.size = piece.place.size;
    ready.output.assign(piece.output.begin(), piece.output.end());
    ready.batches.reserve(piece.batches.size());
    for (const Batch& batch : piece.batches) {
      ready.batches.push_back(batch.ready);
      ready.batches.back().scanned.bytes = {};
    }
    ready_bytes_ += sizeof(ReadyPiece) + ready.output.size() + ready.batches.size() * sizeof(ReadyBatch);
  }

  const NewestFirst& how_;
  const DirtyPieces& dirty_;
  OffsetMap& offsets_;
  NewestOffsets& newest_;
  Piece::Shared shared_;
  std::size_t left_;  // pieces that aren't read, the oldest
  std::unique_ptr<base::File> file_;
  std::size_t open_source_ = 0;
  std::uint64_t bytes_ahead_ = 0;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<Piece*> free_;
  std::vector<std::vector<ReadyPiece>> ready_;
  std::size_t ready_bytes_ = 0;
  HelpedQueue queue_;  // ends before the pieces do
};

}  // namespace

std::optional<std::vector<std::vector<ReadyPiece>>> NewestFirst::map(const DirtyPieces& dirty, const KeyHasher& hasher,
                                                                     OffsetMap& offsets, NewestOffsets& newest) const {
  try {
    Mapping mapping(*this, dirty, hasher, offsets, newest);
    if (mapping.run()) return mapping.ready();
  } catch (const CorruptFile&) {
  } catch (const protocol::InvalidRecord&) {
  } catch (const base::CompressionError&) {
  }
  return std::nullopt;
}

}  // namespace storage
