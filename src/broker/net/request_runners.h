// The coroutines that wait for the answers of one event loop's requests. Each waits for one at a time and is then used again:
// to spawn one for each request costs more than all else that the loop does with a small one. Used on the loop's thread
// alone; owned by the loop, and destroyed before its io_context but after its thread has ended.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/task.h"
#include "broker/api/frame_handler.h"

namespace broker::net {

class Connection;

class RequestRunners {
 public:
  static constexpr std::size_t kIdleMax = 64;  // those above end

  explicit RequestRunners(boost::asio::any_io_executor executor);
  ~RequestRunners();
  RequestRunners(const RequestRunners&) = delete;
  RequestRunners& operator=(const RequestRunners&) = delete;

  // Awaits the reply and hands it to the connection. Returns when that is done, or when it waits for something.
  void start(std::shared_ptr<Connection> connection, std::uint64_t slot, base::Task<api::Reply> task);

 private:
  struct Runner;
  struct Parked;
  template <class Handler>
  struct ParkedHandler;

  base::Task<void> run(std::shared_ptr<Runner> runner);
  base::Task<void> park(std::shared_ptr<Runner> runner);

  boost::asio::any_io_executor executor_;
  std::vector<std::shared_ptr<Runner>> idle_;
};

}  // namespace broker::net
