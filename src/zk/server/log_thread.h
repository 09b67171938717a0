// The thread that makes transactions durable: it takes all that was submitted, writes it, syncs it once, and tells. What is
// submitted meanwhile waits for the next sync, which begins at once: the disk is never idle while there is something to
// write. submit() is called by the event loop; the callbacks run on this object's thread, in the order of submission. A failure
// is final: nothing more is written.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "zk/server/txn_log.h"

namespace zk::server {

struct LogBatch {
  base::Bytes records;
  std::int64_t first_zxid = 0;
  std::uint64_t count = 0;
  bool roll = false;  // into a new file
};

// Batches that one sync made durable.
struct Synced {
  std::uint64_t count = 0;  // of transactions
  std::uint64_t bytes = 0;
  base::Bytes buffer;        // of one of them, emptied, for a later batch
  std::int64_t took_ms = 0;  // to write and to sync
};

class LogThread {
 public:
  using Durable = std::function<void(Synced synced)>;
  using Failed = std::function<void(std::string reason)>;

  LogThread(std::unique_ptr<TxnLogWriter> writer, Durable durable, Failed failed);
  ~LogThread();  // finishes what was submitted
  void submit(LogBatch batch);
  void stop();

 private:
  void run();
  void write(std::deque<LogBatch>& batches);

  std::unique_ptr<TxnLogWriter> writer_;
  Durable durable_;
  Failed failed_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<LogBatch> submitted_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace zk::server
