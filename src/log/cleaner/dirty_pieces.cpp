#include "log/cleaner/dirty_pieces.h"

#include <limits>

#include "base/start_reading.h"
#include "log/batch_scanner.h"
#include "log/partition_files.h"

namespace storage {
namespace {

using protocol::BatchHeader;

constexpr std::uint64_t kPieceBytes = std::uint64_t{256} << 10;
// 40 bytes each while they are mapped. Without compression a piece has no more of them, but for tiny ones.
constexpr std::uint64_t kPieceRecords = std::uint64_t{16} << 10;
// To read a header costs as much as some KB of whole batches.
constexpr std::uint64_t kLargeBatchBytes = std::uint64_t{8} << 10;
// So many others are borne with, beside one for every three.
constexpr std::uint64_t kOthersMax = 16;
// The headers lie far apart; the disk is sooner asked for all between them.
constexpr std::uint64_t kReadAheadBytes = std::uint64_t{8} << 20;

class Finder {
 public:
  Finder(const Cleanable& cleanable, const DirtyPiecesWanted& wanted) : cleanable_(cleanable), wanted_(wanted) {}

  // False if it isn't what is wanted.
  bool add_segment(const base::File& file, const CleaningSource& source, std::size_t number) {
    BatchScanner scanner(file, 0, source.size, BatchScanner::What::headers);
    std::uint64_t asked_for = 0;
    while (true) {
      if (scanner.position() >= asked_for) {
        wanted_.check_wanted();
        base::start_reading(file, asked_for, kReadAheadBytes);
        asked_for += kReadAheadBytes;
      }
      const auto batch = scanner.next();
      if (!batch) return scanner.ended() == ScanEnd::end;
      const BatchHeader& header = batch->header;
      if (header.last_offset() < cleanable_.first_dirty_offset) {
        if (!found_.pieces.empty()) return false;  // base offsets are under no checksum, and pieces have no gaps
        continue;
      }
      if (!is_plain(header, source) || !is_worth_it(*batch)) return false;
      last_offset_ = header.last_offset();
      found_.records += static_cast<std::uint64_t>(header.record_count);
      bytes_ += batch->size;
      if (found_.records > wanted_.records_max || wanted_.is_too_much({found_.records, bytes_})) return false;
      add(*batch, number);
    }
  }
  DirtyPieces found() { return std::move(found_); }

 private:
  bool is_plain(const BatchHeader& header, const CleaningSource& source) const {
    if (header.magic != 2 || header.is_control() || header.is_transactional() || header.record_count < 0) return false;
    if (header.base_offset < cleanable_.first_dirty_offset || header.base_offset < source.base_offset) return false;
    if (header.base_offset <= last_offset_ || header.last_offset() >= cleanable_.first_uncleanable_offset) return false;
    return header.last_offset() - source.base_offset <= std::numeric_limits<std::int32_t>::max();
  }
  bool is_worth_it(const ScannedBatch& batch) {
    if (wanted_.all_batches) return true;
    if (batch.header.codec() != base::Codec::none && batch.size >= kLargeBatchBytes) {
      ++worth_it_;
    } else {
      ++others_;
    }
    return others_ <= kOthersMax + worth_it_ / 3;
  }
  void add(const ScannedBatch& batch, std::size_t number) {
    const auto records = static_cast<std::uint64_t>(batch.header.record_count);
    if (!found_.pieces.empty()) {
      DirtyPiece& last = found_.pieces.back();
      if (last.source == number && last.position + last.size == batch.position && last.size + batch.size <= kPieceBytes &&
          last.records + records <= kPieceRecords) {
        last.size += batch.size;
        last.last_offset = batch.header.last_offset();
        last.records += records;
        return;
      }
    }
    found_.pieces.push_back(
        {number, batch.position, batch.size, batch.header.base_offset, batch.header.last_offset(), records});
  }

  const Cleanable& cleanable_;
  const DirtyPiecesWanted& wanted_;
  DirtyPieces found_;
  std::uint64_t bytes_ = 0;
  std::int64_t last_offset_ = -1;
  std::uint64_t worth_it_ = 0;
  std::uint64_t others_ = 0;
};

}  // namespace

std::optional<DirtyPieces> find_dirty_pieces(CleaningSession& session, const std::vector<CleaningSource>& sources,
                                             const Cleanable& cleanable, const DirtyPiecesWanted& wanted) {
  PartitionFiles where{session.file_system(), session.directory()};
  Finder finder(cleanable, wanted);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (i + 1 < sources.size() && sources[i + 1].base_offset <= cleanable.first_dirty_offset) continue;
    const auto file = where.files.open(where.path(sources[i].base_offset, kLogSuffix), base::OpenMode::read);
    if (!finder.add_segment(*file, sources[i], i)) return std::nullopt;
  }
  return finder.found();
}

}  // namespace storage
