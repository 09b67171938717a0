// For threads that must not wait for a disk, and for code that reads under a lock: within a WithoutWaiting scope, File::read_at of
// the real file system throws WouldWait instead of waiting. Whoever catches it, with no lock held and where waiting is
// allowed, calls read() and does its work again: the bytes are in memory then. Opening a file may wait for all that.
//
// The scope belongs to its thread. Don't co_await within it. Other file systems never throw WouldWait, nor does one that can't
// tell what is in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace base {

class WouldWait : public std::exception {
 public:
  WouldWait(std::string path, std::uint64_t position, std::size_t size)
      : path_(std::move(path)), position_(position), size_(size) {}
  const char* what() const noexcept override { return "reading would wait for the disk"; }
  // Brings the bytes into memory. A failure shows when they are read again.
  void read() const noexcept;
  bool is_same_place(const WouldWait& other) const { return path_ == other.path_ && position_ == other.position_; }

 private:
  std::string path_;
  std::uint64_t position_;
  std::size_t size_;
};

class WithoutWaiting {
 public:
  WithoutWaiting();
  ~WithoutWaiting();
  WithoutWaiting(const WithoutWaiting&) = delete;
  WithoutWaiting& operator=(const WithoutWaiting&) = delete;

  static bool is_active();  // on this thread
};

// For work that takes a lock and then reads files: what isn't in memory is read with the lock released, and the work is done
// again from its beginning, so that it mustn't change anything before it has read all. That may be often: a log has many files.
template <class Work>
auto reading_aside(Work work) {
  std::vector<WouldWait> read;
  while (true) {
    try {
      WithoutWaiting scope;
      return work();
    } catch (const WouldWait& missing) {
      // Read, and yet not in memory: a file system that keeps nothing there, or a machine that is so short of it that what was
      // read pushes out what was read before. It could go on for ever.
      const auto is_missing = [&](const WouldWait& place) { return place.is_same_place(missing); };
      if (std::any_of(read.begin(), read.end(), is_missing)) break;
      missing.read();
      read.push_back(missing);
    }
  }
  return work();
}

}  // namespace base
