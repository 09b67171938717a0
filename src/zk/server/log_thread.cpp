#include "zk/server/log_thread.h"

#include <chrono>

namespace zk::server {

LogThread::LogThread(std::unique_ptr<TxnLogWriter> writer, Durable durable, Failed failed)
    : writer_(std::move(writer)), durable_(std::move(durable)), failed_(std::move(failed)) {
  thread_ = std::thread([this] { run(); });
}

LogThread::~LogThread() { stop(); }

void LogThread::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void LogThread::submit(LogBatch batch) {
  {
    std::lock_guard lock(mutex_);
    batch_ = std::move(batch);
    has_batch_ = true;
  }
  wake_.notify_one();
}

void LogThread::run() {
  for (;;) {
    LogBatch batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return has_batch_ || stopping_; });
      if (!has_batch_) return;
      batch = std::move(batch_);
      has_batch_ = false;
    }
    auto started = std::chrono::steady_clock::now();
    try {
      if (batch.roll) writer_->roll();
      writer_->append(batch.records, batch.first_zxid);
    } catch (const std::exception& failure) {
      failed_(failure.what());
      return;
    }
    batch.records.clear();
    auto took = std::chrono::steady_clock::now() - started;
    durable_(std::move(batch.records), std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  }
}

}  // namespace zk::server
