// The responses of one connection, in the order of its requests. A slot is opened when a request starts and filled when
// its handler is done, in any order; flush() sends what is ready at the front in as few calls as possible. Used on the
// connection's loop alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "broker/api/frame_handler.h"
#include "broker/net/transport.h"

namespace broker::net {

enum class FlushStatus {
  idle,     // all that is ready has left
  blocked,  // the socket takes no more for now
  close,    // the last word was said (close_after), or the peer is gone
};

class Outbox {
 public:
  // Answers the slot's number.
  std::uint64_t open();
  void fill(std::uint64_t slot, api::Reply&& reply);
  // Nothing will leave any more. No slot is filled afterwards.
  void give_up() { slots_.clear(); }
  // Sends; throws what reading a file throws.
  FlushStatus flush(Transport& transport);

  std::size_t open_slots() const { return slots_.size(); }
  bool blocked() const { return blocked_; }
  int error_number() const { return error_number_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  struct Slot {
    Slot() {}
    bool filled = false;
    bool close_after = false;
    protocol::EncodedMessage message;  // empty: no response
    base::Rare<std::shared_ptr<const void>> until_sent;
  };
  struct Piece {
    base::ByteView bytes;
    const protocol::Records* file = nullptr;  // instead of bytes
    std::size_t size = 0;
  };

  static std::size_t piece_count(const Slot& slot);
  static Piece piece_of(const Slot& slot, std::size_t index);
  FlushStatus send_bytes(Transport& transport);
  FlushStatus send_file(Transport& transport, const Piece& piece);
  FlushStatus after(const IoResult& result);
  void advance(std::size_t bytes);
  bool front_done() const;

  std::deque<Slot> slots_;
  std::uint64_t first_slot_ = 0;  // number of slots_.front()
  std::size_t next_piece_ = 0;    // of the front slot
  std::size_t piece_offset_ = 0;  // bytes of that piece that have left
  bool blocked_ = false;
  int error_number_ = 0;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace broker::net
