#include "zk/server/txns_ahead.h"

#include <pthread.h>

#include <utility>

namespace zk::server {

namespace {

constexpr std::size_t kBatchRecords = 1024;
constexpr std::size_t kBatchBytes = 1024 * 1024;
// The memory of a larger record isn't kept for the next one in its place.
constexpr std::size_t kKeptBytesMax = 4096;

struct Stopped {};

}  // namespace

TxnsAhead::TxnsAhead(base::FileSystem& files, std::vector<std::string> paths) : files_(files), paths_(std::move(paths)) {
  if (paths_.empty()) {  // a new directory: what a thread touches would count for as long as the process lives
    has_ended_ = true;
    return;
  }
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "zk-read-ahead");
}

TxnsAhead::~TxnsAhead() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  applied_.notify_one();
  if (thread_.joinable()) thread_.join();
}

const TxnBatch* TxnsAhead::next() {
  std::unique_lock lock(mutex_);
  if (std::exchange(has_batch_, false)) {
    ++applies_;
    applied_.notify_one();
  }
  filled_.wait(lock, [this] { return applies_ < fills_ || has_ended_; });
  if (applies_ == fills_) return nullptr;
  has_batch_ = true;
  return &batches_.at(applies_ % batches_.size());
}

void TxnsAhead::run() {
  try {
    for (std::size_t file = 0; file < paths_.size(); ++file) read_file(file);
  } catch (const Stopped&) {  // nobody asks any more
  }
  std::lock_guard lock(mutex_);
  has_ended_ = true;
  filled_.notify_one();
}

// What it throws is told behind what could be read, as if it had been read only then.
void TxnsAhead::read_file(std::size_t file) {
  TxnBatch* batch = &begin_batch(file);
  try {
    TxnLogReader reader(files_, paths_[file]);
    while (fill(*batch, reader)) {
      end_batch();
      batch = &begin_batch(file);
    }
    batch->end = LogEnd{reader.offset(), reader.torn_at(), reader.is_empty()};
  } catch (const std::exception&) {
    batch->failure = std::current_exception();
  }
  const bool has_failed = batch->failure != nullptr;
  end_batch();
  if (has_failed) throw Stopped();
}

// False: the file has ended.
bool TxnsAhead::fill(TxnBatch& batch, TxnLogReader& reader) {
  for (std::size_t bytes = 0; batch.count_ < kBatchRecords && bytes < kBatchBytes; ++batch.count_) {
    if (batch.count_ == batch.records_.size()) batch.records_.emplace_back();
    TxnRecord& record = batch.records_[batch.count_];
    if (record.bytes > kKeptBytesMax) record = TxnRecord();
    if (!reader.next(record.txn)) return false;
    record.offset = reader.offset();
    record.bytes = reader.record_bytes();
    bytes += record.bytes;
    tree::compute_digests(record.txn);
  }
  return true;
}

TxnBatch& TxnsAhead::begin_batch(std::size_t file) {
  std::unique_lock lock(mutex_);
  applied_.wait(lock, [this] { return fills_ - applies_ < batches_.size() || is_stopping_; });
  if (is_stopping_) throw Stopped();
  TxnBatch& batch = batches_.at(fills_ % batches_.size());
  batch.file = file;
  batch.count_ = 0;
  batch.end.reset();
  return batch;
}

void TxnsAhead::end_batch() {
  std::lock_guard lock(mutex_);
  ++fills_;
  filled_.notify_one();
}

}  // namespace zk::server
