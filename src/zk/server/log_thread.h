// The thread that makes transactions durable: it takes one batch of records at a time, writes and syncs it, and tells.
// submit() is called by the event loop, never while a batch is under way; the callbacks run on this object's thread. A
// failure is final: nothing more is written.
#pragma once

#include <condition_variable>
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

class LogThread {
 public:
  // Gets the batch's buffer back, for the next one, and how long the write and the sync took.
  using Durable = std::function<void(base::Bytes buffer, std::int64_t took_ms)>;
  using Failed = std::function<void(std::string reason)>;

  LogThread(std::unique_ptr<TxnLogWriter> writer, Durable durable, Failed failed);
  ~LogThread();  // finishes the batch under way
  void submit(LogBatch batch);
  void stop();

 private:
  void run();

  std::unique_ptr<TxnLogWriter> writer_;
  Durable durable_;
  Failed failed_;
  std::mutex mutex_;
  std::condition_variable wake_;
  LogBatch batch_;
  bool has_batch_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace zk::server
