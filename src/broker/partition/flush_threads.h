// The threads that wait for the fsyncs of flush.messages, some for each log directory, so that neither an event loop nor
// the partitions of another disk wait for one that is slow. A directory's are made for its first flush. Thread-safe.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace broker::partition {

class FlushThreads {
 public:
  static constexpr std::size_t kThreadsPerDirectory = 8;  // fsyncs of different files at once, which a file system gathers

  FlushThreads() = default;
  ~FlushThreads();
  FlushThreads(const FlushThreads&) = delete;
  FlushThreads& operator=(const FlushThreads&) = delete;

  // On one of the threads of that entry of log.dirs. The work throws nothing.
  void run(const std::string& directory, std::function<void()> work);
  // Waits for what has begun; the rest is dropped, now and later. Not on one of these threads.
  void stop();

 private:
  std::mutex mutex_;
  bool stopped_ = false;
  std::map<std::string, std::unique_ptr<boost::asio::thread_pool>> pools_;
};

}  // namespace broker::partition
