// A queue whose memory is used again, and is given back after a burst: what it took in blocks would else stay with it for ever.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <memory_resource>
#include <optional>

namespace zk::server {

template <class T>
class BurstQueue {
 public:
  BurstQueue() { items_.emplace(&pool_); }

  T& emplace_back() { return items_->emplace_back(); }
  T& back() { return items_->back(); }
  T& front() { return items_->front(); }
  void pop_front() { items_->pop_front(); }
  std::size_t size() const { return items_->size(); }
  auto begin() const { return items_->begin(); }
  auto end() const { return items_->end(); }

  std::size_t bytes_held() const { return memory_.bytes; }
  // To be called now and then: gives memory back if the queue is empty and holds much.
  void trim() {
    if (!items_->empty() || memory_.bytes <= kBytesKept) return;
    items_.reset();
    pool_.release();
    items_.emplace(&pool_);
  }

  static constexpr std::size_t kBytesKept = std::size_t{256} << 10;

 private:
  struct Counted final : std::pmr::memory_resource {
    std::size_t bytes = 0;

   private:
    void* do_allocate(std::size_t size, std::size_t alignment) override {
      void* const memory = std::pmr::new_delete_resource()->allocate(size, alignment);
      bytes += size;
      return memory;
    }
    void do_deallocate(void* memory, std::size_t size, std::size_t alignment) override {
      std::pmr::new_delete_resource()->deallocate(memory, size, alignment);
      bytes -= size;
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  };

  Counted memory_;
  // Each block of a deque holds few items: the blocks are used again.
  std::pmr::unsynchronized_pool_resource pool_{&memory_};
  std::optional<std::pmr::deque<T>> items_;
};

}  // namespace zk::server
