// One accepted connection: reads frames, has them served, sends the responses in the order of the requests. Lives on
// one event loop, whose thread alone touches it; kept alive by what it waits for and by its loop's list.
//
// Requests are read ahead, up to kRequestsInFlightMax of them, and begin when the handler lets them (api/turns.h). While they
// hold too much, or the peer doesn't take its responses, or the broker's budget for large frames is used up, nothing more is
// read; and none of those that wait for their turn begins while responses aren't taken.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/task.h"
#include "broker/api/frame_handler.h"
#include "broker/net/buffer_pool.h"
#include "broker/net/outbox.h"
#include "broker/net/request_runners.h"
#include "broker/net/transport.h"

namespace broker::net {

// What the connections of one loop share.
struct LoopState {
  LoopState() {}
  api::FrameHandler* handler = nullptr;
  RequestRunners* runners = nullptr;
  std::shared_ptr<BufferPool> pool;
  std::shared_ptr<FrameBudget> budget;
  std::shared_ptr<Buffer> scratch;  // small frames are read and served here; replaced while somebody holds views of it
  std::int64_t request_bytes_max = 100 * 1024 * 1024;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static constexpr std::size_t kRequestsInFlightMax = 128;
  static constexpr std::size_t kWaitingBytesMax = 64 * 1024;    // of requests that wait for their turn; the last may pass it
  static constexpr std::size_t kGatheredBytesMax = 256 * 1024;  // of responses for one write
  static constexpr std::size_t kPaidAtOnceMax = 1024 * 1024;    // of a large frame: more only when that much has come

  Connection(LoopState& loop, std::unique_ptr<Transport> transport, api::ConnectionInfo info);
  ~Connection();

  // Called on the loop. `closed` is called once, when the socket is closed.
  void start(std::function<void(Connection&)> closed);
  void close();
  // No more requests are read; closes once those in flight are answered.
  void finish();

  // For RequestRunners.
  void answered(std::uint64_t slot, api::Reply&& reply);
  void failed(const std::exception_ptr& failure);

  const api::ConnectionInfo& info() const { return info_; }
  bool idle() const { return outbox_.open_slots() == 0; }
  // Holds memory of the budget for a frame that isn't complete, while it is up to the peer to send more.
  bool holds_memory_for_frame() const { return !waiting_for_budget_ && (paid_bytes() > 0 || granted_.is_there()); }
  // As much of it as the peer hasn't sent yet.
  std::size_t unfilled_frame_bytes() const;
  // While it waits for memory: it isn't read from then, which would tell.
  bool peer_has_gone() const;
  // Changes whenever bytes move in either direction.
  std::uint64_t progress() const { return bytes_received_ + outbox_.bytes_sent(); }
  bool blocked() const { return outbox_.blocked(); }
  bool has_parked_fetch() const { return info_.parked_fetch.is_there(); }

  // For the sweep of the loop: progress() at the last look, and since when it has stood still.
  std::uint64_t seen_progress = 0;
  std::int64_t still_since_ms = 0;
  // And for its look at large frames that come slowly: progress() at the beginning of the time that it looks at.
  std::uint64_t frame_progress = 0;
  std::int64_t frame_watched_since_ms = 0;
  std::int64_t frame_bytes_to_fill = 0;

 private:
  enum class ReadStatus { progress, again, end };

  void go_on_reading();
  void read_until_it_waits();
  void wait_for_bytes();
  [[gnu::noinline]] void give_way();  // reading goes on when the loop's other connections have had their turn
  [[gnu::cold]] void end_reading();
  base::Task<void> write_loop();
  ReadStatus read_some();
  ReadStatus read_fresh();
  ReadStatus read_on();
  ReadStatus receive_into(Buffer& buffer, std::size_t& end, std::size_t limit);
  static std::size_t frame_bytes(const Buffer& buffer, std::size_t begin);
  void serve_pending();
  void serve_frames(const std::shared_ptr<Buffer>& buffer, std::size_t& begin, std::size_t end);
  void serve_frames_in_a_row(const std::shared_ptr<Buffer>& buffer, std::size_t& begin, std::size_t end);
  bool make_room_for_frame();
  bool pay_for_frame(std::size_t whole);
  void move_pending(std::shared_ptr<Buffer> larger);
  bool paused() const;
  bool holds_back_a_large_frame() const;
  void resume();
  void wait_for_budget(std::size_t bytes);
  void give_back_grant();
  std::size_t paid_bytes() const;
  void start_request(api::Frame frame);
  void flush();
  void refuse(std::string_view reason);

  LoopState& loop_;
  std::unique_ptr<Transport> transport_;
  api::ConnectionInfo info_;
  Outbox outbox_;
  std::function<void(Connection&)> on_closed_;

  // Bytes that came in and aren't served yet: [begin, end) of pending_, which starts with a frame's length.
  std::shared_ptr<Buffer> pending_;
  std::size_t pending_begin_ = 0;
  std::size_t pending_end_ = 0;

  std::uint64_t bytes_received_ = 0;
  bool frame_charged_ = false;  // pending_ is a large frame's buffer, paid for in the budget as the frame comes in
  bool large_frames_ = false;   // the last frame was large: look at the length before reading the bulk
  bool waiting_for_budget_ = false;
  FrameGrant granted_;  // for the frame that pending_ starts with; its buffer has it soon
  bool serving_ = false;
  std::size_t gathered_bytes_ = 0;  // filled into the outbox since the last flush
  bool writing_ = false;
  unsigned reads_ = 0;
  bool reader_paused_ = false;  // resume() makes it go on
  bool finishing_ = false;
  bool closed_ = false;
};

}  // namespace broker::net
