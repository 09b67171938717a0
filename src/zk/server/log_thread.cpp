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
  bool was_idle = false;
  {
    std::lock_guard lock(mutex_);
    was_idle = submitted_.empty();
    submitted_.push_back(std::move(batch));
  }
  if (was_idle) wake_.notify_one();
}

void LogThread::write(std::deque<LogBatch>& batches) {
  for (LogBatch& batch : batches) {
    if (batch.roll) writer_->roll();
    writer_->append(batch.records, batch.first_zxid);
  }
  writer_->sync();
}

void LogThread::run() {
  std::deque<LogBatch> batches;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !submitted_.empty() || stopping_; });
      if (submitted_.empty()) return;
      batches.swap(submitted_);
    }
    auto started = std::chrono::steady_clock::now();
    try {
      write(batches);
    } catch (const std::exception& failure) {
      failed_(failure.what());
      return;
    }
    auto took = std::chrono::steady_clock::now() - started;
    Synced synced;
    for (const LogBatch& batch : batches) {
      synced.count += batch.count;
      synced.bytes += batch.records.size();
    }
    synced.buffer = std::move(batches.front().records);
    synced.buffer.clear();
    synced.took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    batches.clear();
    durable_(std::move(synced));
  }
}

}  // namespace zk::server
