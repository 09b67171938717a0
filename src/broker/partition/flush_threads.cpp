#include "broker/partition/flush_threads.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace broker::partition {

FlushThreads::~FlushThreads() { stop(); }

void FlushThreads::run(const std::string& directory, std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  auto& pool = pools_[directory];
  if (!pool) pool = std::make_unique<boost::asio::thread_pool>(kThreadsPerDirectory);
  boost::asio::post(*pool, std::move(work));
}

void FlushThreads::stop() {
  std::map<std::string, std::unique_ptr<boost::asio::thread_pool>> pools;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    pools.swap(pools_);
  }
  for (auto& [directory, pool] : pools) {
    pool->stop();
    pool->join();
  }
}

}  // namespace broker::partition
