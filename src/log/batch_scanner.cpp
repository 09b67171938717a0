#include "log/batch_scanner.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace storage {
namespace {

constexpr std::size_t kHeaderChunk = 4096;  // some small batches' headers, or one
constexpr std::size_t kWholeChunk = 256 * 1024;

// So that nobody who counts with them overflows.
bool offsets_are_sound(const protocol::BatchHeader& header) {
  constexpr std::int64_t kOffsetMax =
      std::numeric_limits<std::int64_t>::max() - std::numeric_limits<std::int32_t>::max();
  return header.base_offset >= 0 && header.base_offset < kOffsetMax && header.last_offset_delta >= 0;
}

}  // namespace

BatchScanner::BatchScanner(const base::File& file, std::uint64_t position, std::uint64_t end, What what)
    : file_(file), position_(position), end_(end), what_(what) {}

// At least `wanted` bytes from `position` on, fewer only if the range ends before.
base::ByteView BatchScanner::buffered(std::uint64_t position, std::size_t wanted) {
  if (position >= end_) return {};
  wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, end_ - position));
  bool there = position >= buffer_position_ && position + wanted <= buffer_position_ + buffer_size_;
  if (!there) {
    std::size_t chunk = std::max(wanted, what_ == What::whole ? kWholeChunk : kHeaderChunk);
    chunk = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, end_ - position));
    if (buffer_.size() < chunk) buffer_.resize(chunk);
    // Of the batch that the last chunk cut in two the first part is there.
    std::size_t kept = 0;
    if (position >= buffer_position_ && position < buffer_position_ + buffer_size_) {
      kept = static_cast<std::size_t>(buffer_position_ + buffer_size_ - position);
      std::memmove(buffer_.data(), buffer_.data() + buffer_size_ - kept, kept);
    }
    buffer_position_ = position;
    buffer_size_ = kept;  // all that is sound, should the read fail
    buffer_size_ += file_.read_at(position + kept, base::MutableByteView(buffer_).first(chunk).subspan(kept));
  }
  std::size_t skip = static_cast<std::size_t>(position - buffer_position_);
  return base::ByteView(buffer_).first(buffer_size_).subspan(skip);
}

std::optional<ScannedBatch> BatchScanner::next() {
  if (ended_ != ScanEnd::none) return std::nullopt;
  if (position_ >= end_) {
    ended_ = ScanEnd::end;
    return std::nullopt;
  }
  base::ByteView bytes = buffered(position_, protocol::kBatchHeaderSize);
  protocol::NextBatch frame = protocol::next_batch(bytes);
  if (frame.frame == protocol::BatchFrame::corrupt || frame.frame == protocol::BatchFrame::overlong) {
    ended_ = ScanEnd::corrupt;
    return std::nullopt;
  }
  if (frame.size_in_bytes == 0 || frame.size_in_bytes > end_ - position_) {
    ended_ = ScanEnd::partial;
    return std::nullopt;
  }
  auto header = protocol::read_batch_header(bytes);
  if (!header || !offsets_are_sound(*header)) {
    ended_ = ScanEnd::corrupt;
    return std::nullopt;
  }
  ScannedBatch batch{position_, frame.size_in_bytes, *header, {}};
  if (what_ == What::whole) {
    bytes = buffered(position_, frame.size_in_bytes);
    if (bytes.size() < frame.size_in_bytes) {
      ended_ = ScanEnd::partial;
      return std::nullopt;
    }
    batch.bytes = bytes.first(frame.size_in_bytes);
  }
  position_ += frame.size_in_bytes;
  return batch;
}

}  // namespace storage
