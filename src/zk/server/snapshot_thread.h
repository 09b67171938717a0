// Writes one snapshot beside the event loop, which hands over pieces of it. Call everything from the loop; the callback
// runs on this object's thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "zk/server/snapshot.h"

namespace zk::server {

class SnapshotThread {
 public:
  using Done = std::function<void(std::string failure)>;  // empty: it is there and durable

  SnapshotThread(base::FileSystem& files, std::string directory, SnapshotOptions options, Done done);
  ~SnapshotThread();  // an unfinished snapshot is left as a temporary file
  void append(base::Bytes piece);
  void finish(std::int64_t zxid, std::optional<std::uint64_t> digest);
  std::size_t queued_bytes();

 private:
  void run();

  base::FileSystem& files_;
  std::string directory_;
  SnapshotOptions options_;
  Done done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<base::Bytes> pieces_;
  std::size_t queued_ = 0;
  bool finishing_ = false;
  bool stopping_ = false;
  std::int64_t zxid_ = 0;
  std::optional<std::uint64_t> digest_;
  std::thread thread_;
};

}  // namespace zk::server
