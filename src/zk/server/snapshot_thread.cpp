#include "zk/server/snapshot_thread.h"

#include <pthread.h>

namespace zk::server {

SnapshotThread::SnapshotThread(base::FileSystem& files, std::string directory, SnapshotOptions options, Done done)
    : files_(files), directory_(std::move(directory)), options_(options), done_(std::move(done)) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "zk-snapshot");
}

SnapshotThread::~SnapshotThread() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SnapshotThread::append(base::Bytes piece) {
  {
    std::lock_guard lock(mutex_);
    queued_ += piece.size();
    pieces_.push_back(std::move(piece));
  }
  wake_.notify_one();
}

void SnapshotThread::finish(std::int64_t zxid, std::optional<std::uint64_t> digest) {
  {
    std::lock_guard lock(mutex_);
    zxid_ = zxid;
    digest_ = digest;
    finishing_ = true;
  }
  wake_.notify_one();
}

std::size_t SnapshotThread::queued_bytes() {
  std::lock_guard lock(mutex_);
  return queued_;
}

void SnapshotThread::run() {
  try {
    SnapshotWriter writer(files_, directory_, options_);
    for (;;) {
      base::Bytes piece;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !pieces_.empty() || finishing_ || stopping_; });
        if (pieces_.empty()) {
          if (!finishing_) return;
          break;
        }
        piece = std::move(pieces_.front());
        pieces_.pop_front();
        queued_ -= piece.size();
      }
      writer.append(piece);
    }
    writer.finish(zxid_, digest_);
    done_("");
  } catch (const std::exception& failure) {
    done_(failure.what());
  }
}

}  // namespace zk::server
