#include "broker/net/outbox.h"

#include <array>
#include <span>
#include <utility>

namespace broker::net {
namespace {

constexpr std::size_t kPiecesPerSend = 64;

}  // namespace

std::uint64_t Outbox::open() {
  slots_.emplace_back();
  return first_slot_ + slots_.size() - 1;
}

void Outbox::fill(std::uint64_t slot_number, api::Reply&& reply) {
  Slot& slot = slots_[slot_number - first_slot_];
  slot.filled = true;
  slot.close_after = reply.close_after || reply.kind == api::Reply::Kind::close;
  if (reply.kind == api::Reply::Kind::response) slot.message = std::move(reply.message);
  slot.until_sent = std::move(reply.until_sent);
}

// bytes up to the first slice, slice, bytes up to the second, … , the rest of the bytes
std::size_t Outbox::piece_count(const Slot& slot) {
  return slot.message.empty() ? 0 : 1 + 2 * slot.message.slices().size();
}

Outbox::Piece Outbox::piece_of(const Slot& slot, std::size_t index) {
  Piece piece;
  const auto& slices = slot.message.slices();
  std::size_t which = index / 2;
  if (index % 2 == 1) {
    const protocol::Records& records = slices[which].records;
    if (records.is_slice()) piece.file = &records;
    piece.bytes = records.bytes();
    piece.size = records.size();
    return piece;
  }
  base::ByteView buffer = slot.message.buffer();
  std::size_t begin = which == 0 ? 0 : slices[which - 1].at;
  std::size_t end = which < slices.size() ? slices[which].at : buffer.size();
  piece.bytes = buffer.subspan(begin, end - begin);
  piece.size = piece.bytes.size();
  return piece;
}

bool Outbox::front_done() const { return next_piece_ == piece_count(slots_.front()); }

FlushStatus Outbox::flush(Transport& transport) {
  blocked_ = false;
  while (!slots_.empty() && slots_.front().filled) {
    if (front_done()) {
      if (slots_.front().close_after) return FlushStatus::close;
      slots_.pop_front();
      ++first_slot_;
      next_piece_ = 0;
      continue;
    }
    Piece piece = piece_of(slots_.front(), next_piece_);
    FlushStatus status = piece.file && piece.size > 0 ? send_file(transport, piece) : send_bytes(transport);
    if (status != FlushStatus::idle) return status;
  }
  return FlushStatus::idle;
}

// All that is ready from the current piece on, up to the next stretch of a file, in one call.
FlushStatus Outbox::send_bytes(Transport& transport) {
  std::array<iovec, kPiecesPerSend> pieces;
  std::size_t count = 0;
  bool more = false;
  std::size_t skip = piece_offset_;
  std::size_t index = next_piece_;
  for (std::size_t which = 0; which < slots_.size() && slots_[which].filled && !more; ++which, index = 0) {
    const Slot& slot = slots_[which];
    for (; index < piece_count(slot) && !more; ++index) {
      Piece piece = piece_of(slot, index);
      if (piece.size == 0) continue;
      more = piece.file != nullptr || count == kPiecesPerSend;
      if (more) break;
      pieces[count++] = {const_cast<std::uint8_t*>(piece.bytes.data()) + skip, piece.size - skip};
      skip = 0;
    }
    if (slot.close_after) break;
  }
  if (count == 0) {  // only empty pieces were left before this file or end
    advance(0);
    return FlushStatus::idle;
  }
  return after(transport.send(std::span(pieces).first(count), more));
}

FlushStatus Outbox::send_file(Transport& transport, const Piece& piece) {
  return after(
      transport.send_file(*piece.file->file(), piece.file->position() + piece_offset_, piece.size - piece_offset_));
}

FlushStatus Outbox::after(const IoResult& result) {
  if (result.status == IoStatus::again) {
    blocked_ = true;
    return FlushStatus::blocked;
  }
  if (result.status != IoStatus::done) {
    error_number_ = result.error_number;
    return FlushStatus::close;
  }
  bytes_sent_ += result.bytes;
  advance(result.bytes);
  return FlushStatus::idle;
}

// Moves over `bytes` that have left and over empty pieces. Slots stay until flush() takes them away, so the position
// may pass several of them: they are dropped here except for the last.
void Outbox::advance(std::size_t bytes) {
  for (;;) {
    Slot& slot = slots_.front();
    while (next_piece_ < piece_count(slot)) {
      std::size_t left = piece_of(slot, next_piece_).size - piece_offset_;
      if (left > bytes) {
        piece_offset_ += bytes;
        return;
      }
      bytes -= left;
      piece_offset_ = 0;
      ++next_piece_;
    }
    if (bytes == 0) return;
    slots_.pop_front();
    ++first_slot_;
    next_piece_ = 0;
  }
}

}  // namespace broker::net
