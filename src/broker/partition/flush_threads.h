// The threads that wait for the fsyncs of flush.messages, some for each log directory, so that neither an event loop nor
// the partitions of another disk wait for one that is slow. One is made when work comes and none is free. Thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace broker::partition {

class FlushThreads {
 public:
  static constexpr std::size_t kThreadsPerDirectory = 8;  // fsyncs of different files at once, which a file system gathers
  using StartThread = std::function<std::thread(std::function<void()>)>;

  FlushThreads();
  explicit FlushThreads(StartThread start_thread);  // tests have some that fail
  ~FlushThreads();
  FlushThreads(const FlushThreads&) = delete;
  FlushThreads& operator=(const FlushThreads&) = delete;

  // On one of the threads of that entry of log.dirs, in the order of the calls. The work throws nothing. This throws if the
  // directory has no thread and none can be made; the work isn't kept then.
  void run(const std::string& directory, std::function<void()> work);
  // Waits for what has begun; the rest is dropped, now and later. Not on one of these threads.
  void stop();

 private:
  class Pool;

  const StartThread start_thread_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::map<std::string, std::unique_ptr<Pool>> pools_;
};

}  // namespace broker::partition
