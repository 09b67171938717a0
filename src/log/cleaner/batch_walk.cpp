#include "log/cleaner/batch_walk.h"

#include <algorithm>
#include <limits>

#include "log/corrupt_file.h"

namespace storage {
namespace {

// What one very large batch took isn't kept for small ones.
constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20;

[[noreturn]] void fail(const std::string& path, std::uint64_t position, const std::string& what) {
  throw CorruptFile(path + " at position " + std::to_string(position) + ": " + what);
}

template <class Step>
void at_position(const std::string& path, std::uint64_t position, Step step) {
  try {
    step();
  } catch (const protocol::InvalidRecord& error) {
    fail(path, position, error.what());
  } catch (const base::CompressionError& error) {
    fail(path, position, error.what());
  }
}

template <class Buffer>
void keep_small(Buffer& buffer) {
  if (buffer.capacity() * sizeof(buffer[0]) > kKeptBytesMax) buffer = Buffer();
}

// Beside its bytes. How many records a compressed entry of an old format has only those tell: nothing is read ahead of one.
std::size_t weight_of(const protocol::BatchHeader& header) {
  if (header.magic < 2) return header.codec() == base::Codec::none ? sizeof(MappedRecord) : BatchWalk::kAheadBytes;
  return static_cast<std::size_t>(std::max(header.record_count, 0)) * sizeof(MappedRecord);
}

}  // namespace

struct BatchWalk::Segment {
  const std::string& path;
  const CleaningSource& source;
  const Steps& steps;
  BatchScanner scanner;
  bool ended = false;
};

struct BatchWalk::Piece final : HelpedQueue::Job, WalkedPiece {
  const Segment* segment = nullptr;

  void run(std::size_t worker, const std::atomic<bool>& abandoned) override {
    for (WalkedBatch& one : batches) {
      if (abandoned) return;
      try {
        at_position(segment->path, one.scanned.position, [&] {
          if (!protocol::crc_is_valid(one.scanned.bytes)) {
            fail(segment->path, one.scanned.position, "a batch with a wrong checksum");
          }
          segment->steps.work(*this, one, worker);
        });
      } catch (...) {
        one.error = std::current_exception();
        return;  // nobody gets behind that
      }
    }
  }
};

BatchWalk::BatchWalk(bool with_helper) : ahead_bytes_(with_helper ? kAheadBytes : 0), queue_(with_helper) {}

BatchWalk::~BatchWalk() = default;

BatchWalk::Piece& BatchWalk::free_piece() {
  if (free_.empty()) {
    free_.reserve(pieces_.size() + 1);  // so that giving back never fails
    return *pieces_.emplace_back(std::make_unique<Piece>());
  }
  Piece& piece = *free_.back();
  free_.pop_back();
  keep_small(piece.bytes);
  keep_small(piece.records);
  keep_small(piece.output);
  return piece;
}

// False if the segment ends here: then the piece has the last of it, or the fault that ends it.
bool BatchWalk::read_piece(Segment& segment, Piece& piece) {
  BatchScanner& scanner = segment.scanner;
  const std::int64_t base = segment.source.base_offset;
  do {
    auto scanned = scanner.next();
    if (!scanned) {
      if (scanner.ended() != ScanEnd::end) fail(segment.path, scanner.position(), "what follows is no batch");
      return false;
    }
    const protocol::BatchHeader& header = scanned->header;
    if (header.last_offset() < base || header.last_offset() - base > std::numeric_limits<std::int32_t>::max()) {
      fail(segment.path, scanned->position, "a batch whose offsets don't fit the segment");
    }
    // Of others nothing but the header is looked at before it is checked.
    if (header.is_control() && !protocol::crc_is_valid(scanned->bytes)) {
      fail(segment.path, scanned->position, "a batch with a wrong checksum");
    }
    WalkedBatch one;
    one.scanned = *scanned;
    at_position(segment.path, scanned->position, [&] { segment.steps.look(one); });
    piece.batches.push_back(std::move(one));
    piece.weight += weight_of(header);
    piece.compressed = piece.compressed || header.codec() != base::Codec::none;
  } while (piece.weight < kAheadBytes && scanner.next_is_buffered());
  return true;
}

void BatchWalk::read_ahead(Segment& segment) {
  bool worth_sharing = false;
  do {
    Piece& piece = free_piece();
    piece.segment = &segment;
    piece.batches.clear();
    piece.records.clear();
    piece.output.clear();
    piece.error = nullptr;
    piece.weight = 0;
    piece.compressed = false;
    try {
      segment.ended = !read_piece(segment, piece);
    } catch (...) {
      piece.error = std::current_exception();
      segment.ended = true;
    }
    segment.scanner.exchange_buffer(piece.bytes);
    piece.weight += piece.bytes.size();
    weight_ahead_ += piece.weight;
    worth_sharing = piece.compressed;
    queue_.add(piece);
  } while (worth_sharing && !segment.ended && weight_ahead_ < ahead_bytes_);
}

void BatchWalk::walk(const base::File& file, const std::string& path, const CleaningSource& source, Range range,
                     const Steps& steps) {
  Segment segment{path, source, steps, BatchScanner(file, range.begin, range.end, BatchScanner::What::whole)};
  struct Guard {
    BatchWalk& walk;
    ~Guard() {
      walk.queue_.abandon();
      walk.weight_ahead_ = 0;
      walk.free_.clear();
      for (const auto& piece : walk.pieces_) walk.free_.push_back(piece.get());
    }
  } guard{*this};
  while (true) {
    // Seldom and much, as the helper may have to be woken.
    if (!segment.ended && weight_ahead_ <= ahead_bytes_ / 2) read_ahead(segment);
    if (queue_.empty()) return;
    Piece& piece = static_cast<Piece&>(queue_.take());
    weight_ahead_ -= piece.weight;
    for (WalkedBatch& one : piece.batches) {
      if (one.error) std::rethrow_exception(one.error);
      if (!steps.take(piece, one)) return;
    }
    if (piece.error) std::rethrow_exception(piece.error);
    free_.push_back(&piece);
  }
}

}  // namespace storage
