// The transactions of log files, one file after the other: a thread of this object reads, checks and decodes them while its
// owner applies those before, which takes about as long. next() belongs to the owner's thread; the file system is
// used by the other one until this object goes, which waits for it.
#pragma once

#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "zk/server/txn_log.h"

namespace zk::server {

struct TxnRecord {
  tree::Txn txn;  // with what can be known of its digests
  std::uint64_t offset = 0;
  std::size_t bytes = 0;
};

struct LogEnd {
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> torn_at;  // and is_empty: see TxnLogReader
  bool is_empty = false;
};

// Transactions that follow each other in one file. There may be none in it.
class TxnBatch {
 public:
  std::span<const TxnRecord> records() const { return std::span(records_).first(count_); }
  std::size_t file = 0;         // which of the paths
  std::optional<LogEnd> end;    // of the file, if it is behind these
  std::exception_ptr failure;   // why nothing can be read behind these

 private:
  friend class TxnsAhead;
  std::vector<TxnRecord> records_;  // behind the first `count_` ones is memory to be used again
  std::size_t count_ = 0;
};

class TxnsAhead {
 public:
  // Throws std::system_error where no thread can be had.
  TxnsAhead(base::FileSystem& files, std::vector<std::string> paths);
  ~TxnsAhead();
  TxnsAhead(const TxnsAhead&) = delete;
  TxnsAhead& operator=(const TxnsAhead&) = delete;

  // The next batch, until the next call; null behind the last one. Behind a failure nothing may be asked for.
  const TxnBatch* next();

 private:
  void run();
  void read_file(std::size_t file);
  bool fill(TxnBatch& batch, TxnLogReader& reader);
  TxnBatch& begin_batch(std::size_t file);
  void end_batch();

  base::FileSystem& files_;
  const std::vector<std::string> paths_;
  std::array<TxnBatch, 4> batches_;  // a ring; each is the thread's until it is filled, then the owner's until it is applied
  std::mutex mutex_;
  std::condition_variable filled_, applied_;
  std::size_t fills_ = 0;    // how many have been filled
  std::size_t applies_ = 0;  // and applied
  bool has_batch_ = false;   // the owner has one, of applies_
  bool has_ended_ = false;   // the thread
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace zk::server
