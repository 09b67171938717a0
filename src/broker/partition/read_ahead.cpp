#include "broker/partition/read_ahead.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "base/logging.h"
#include "base/resident_read.h"
#include "base/without_waiting.h"

namespace broker::partition {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;
constexpr std::size_t kThreads = 8;  // as Kafka's num.io.threads: disks are many, and one may hang

boost::asio::thread_pool& readers() {
  static boost::asio::thread_pool pool(kThreads);
  return pool;
}

// For top and its like; Asio's pool has no names.
void name_this_thread() {
  static thread_local const int named = pthread_setname_np(pthread_self(), "cold-reads");
  static_cast<void>(named);
}

// What runs on those threads or waits for one.
class Running {
 public:
  void begin() {
    std::lock_guard lock(mutex_);
    ++count_;
  }
  void end() {
    std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void wait_for_none() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int count_ = 0;
};

Running& running() {
  static Running all;
  return all;
}

struct Begun {
  Begun() { running().begin(); }
  ~Begun() { running().end(); }
  Begun(const Begun&) = delete;
  Begun& operator=(const Begun&) = delete;
};

void read_through(const storage::FileSlice& slice) {
  std::vector<std::uint8_t> into(std::min<std::uint64_t>(slice.size, kChunkBytes));
  for (std::uint64_t done = 0; done < slice.size;) {
    std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(slice.size - done, into.size()));
    std::size_t got = slice.file->read_at(slice.position + done, base::MutableByteView(into).first(wanted));
    if (got == 0) return;
    done += got;
  }
}

}  // namespace

bool all_resident(const std::vector<storage::FileSlice>& slices) {
  return std::all_of(slices.begin(), slices.end(), [](const storage::FileSlice& slice) {
    return slice.file->is_resident(slice.position, static_cast<std::size_t>(slice.size));
  });
}

std::optional<base::Bytes> read_resident(const storage::FileSlice& slice) {
  base::Bytes bytes(slice.size);
  if (!base::read_if_resident(*slice.file, slice.position, bytes)) return std::nullopt;
  return bytes;
}

base::Task<void> run_aside(std::function<void()> work) {
  base::OneShot<bool> done;
  // Goes last of what the job holds, also if there's no memory for the job or no thread.
  auto begun = std::make_unique<Begun>();
  boost::asio::post(readers(), [begun = std::move(begun), work = std::move(work), done] {
    name_this_thread();
    try {
      work();
    } catch (const std::exception& e) {
      base::log_warn("kafka.server.ReplicaManager", "Reading for a fetch failed: {}", e.what());
    }
    done.set(true);
  });
  co_await done.wait();
}

void wait_until_nothing_runs_aside() { running().wait_for_none(); }

base::Task<void> look_up_aside(std::function<void()> work) {
  std::exception_ptr failure;
  std::function<void()> attempts = [work = std::move(work), &failure] {
    try {
      base::reading_aside(work);
    } catch (...) {
      failure = std::current_exception();
    }
  };
  co_await run_aside(std::move(attempts));
  if (failure) std::rethrow_exception(failure);
}

base::Task<void> read_ahead(std::vector<storage::FileSlice> slices) {
  // A failure shows again when the slices are sent, and closes that connection.
  std::function<void()> work = [slices = std::move(slices)] {
    for (const storage::FileSlice& slice : slices) read_through(slice);
  };
  co_await run_aside(std::move(work));
}

}  // namespace broker::partition
