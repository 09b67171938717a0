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

bool BatchScanner::next_is_buffered() const {
  const std::uint64_t buffer_end = buffer_position_ + buffer_size_;
  if (ended_ != ScanEnd::none || position_ < buffer_position_ || position_ >= std::min(buffer_end, end_)) return false;
  // next() asks for a header first, which may be longer than a small old batch.
  if (position_ + std::min<std::uint64_t>(protocol::kBatchHeaderSize, end_ - position_) > buffer_end) return false;
  const base::ByteView rest =
      base::ByteView(buffer_).first(buffer_size_).subspan(static_cast<std::size_t>(position_ - buffer_position_));
  return protocol::next_batch(rest).frame == protocol::BatchFrame::whole;
}

void BatchScanner::exchange_buffer(base::Bytes& buffer) {
  const std::uint64_t buffer_end = buffer_position_ + buffer_size_;
  std::size_t kept = 0;  // of the batch that the buffer's end cuts in two
  if (position_ >= buffer_position_ && position_ < buffer_end) {
    kept = static_cast<std::size_t>(buffer_end - position_);
    if (buffer.size() < kept) buffer.resize(kept);
    std::memcpy(buffer.data(), buffer_.data() + (buffer_size_ - kept), kept);
  }
  buffer_.swap(buffer);
  buffer_position_ = position_;
  buffer_size_ = kept;
}

}  // namespace storage
