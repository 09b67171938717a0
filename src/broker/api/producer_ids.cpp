#include "broker/api/producer_ids.h"

#include <exception>
#include <utility>

namespace broker::api {

using protocol::ErrorCode;

base::Task<protocol::Result<std::int64_t>> ProducerIds::next() {
  for (;;) {
    base::OneShot<bool> turn;
    bool wait = false;
    {
      std::lock_guard lock(mutex_);
      if (next_ < end_) co_return protocol::Result<std::int64_t>(next_++);
      wait = std::exchange(allocating_, true);
      if (wait) waiting_.push_back(turn);
    }
    if (wait) {
      co_await turn.wait();
      continue;
    }
    protocol::Result<controller::ProducerIdBlock> block = ErrorCode::unknown_server_error;
    std::exception_ptr failure;
    try {
      block = co_await cluster_->allocate_producer_ids();
    } catch (...) {
      failure = std::current_exception();
    }
    std::vector<base::OneShot<bool>> waiting;
    {
      std::lock_guard lock(mutex_);
      allocating_ = false;
      waiting.swap(waiting_);
      if (block) {
        next_ = block->first;
        end_ = block->first + block->size;
      }
    }
    for (auto& each : waiting) each.set(true);  // each asks anew, and tells its own client what comes of it
    if (failure) std::rethrow_exception(failure);
    if (!block) co_return protocol::Result<std::int64_t>(block.error());
  }
}

}  // namespace broker::api
