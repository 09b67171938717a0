// Memory for a tree's znodes, in chunks: one that is made costs a few instructions instead of a search of the allocator's lists,
// takes no header of the allocator's, and lies beside those made before and after it, as snapshots walk them. So that it stays
// so after many were destroyed, a chunk is filled up before the next one, and an empty one from its beginning. Chunks are used
// again; nothing goes back before clear(). One thread, the tree's.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "zk/tree/znode.h"

namespace zk::tree {

class ZnodePool {
 public:
  ZnodePool() = default;
  ZnodePool(const ZnodePool&) = delete;
  ZnodePool& operator=(const ZnodePool&) = delete;

  Znode* make() {
    if (filling_ == nullptr || filling_->is_full()) next_chunk();
    Chunk& chunk = *filling_;
    Slot* slot = chunk.free;
    if (slot != nullptr) {
      chunk.free = slot->next;
    } else {
      slot = &chunk.slots[chunk.begun++];
    }
    ++chunk.live;
    return new (slot->bytes) Znode;
  }

  void destroy(Znode* node) {
    node->~Znode();
    Chunk& chunk = chunk_of(node);
    const bool was_full = chunk.is_full();
    auto* slot = reinterpret_cast<Slot*>(node);
    slot->next = chunk.free;
    chunk.free = slot;
    if (--chunk.live == 0) {
      chunk.free = nullptr;
      chunk.begun = 0;
    }
    if (was_full && &chunk != filling_) open_.push_back(&chunk);
  }

  // Once all znodes have been destroyed.
  void clear() {
    open_.clear();
    filling_ = nullptr;
    blocks_.clear();
  }

 private:
  static constexpr std::size_t kChunkBytes = 16 * 1024;  // and their alignment, by which a znode's chunk is found
  static constexpr std::size_t kBlockChunks = 16;            // alone, each would leave a gap to its alignment
  union Slot {
    Slot* next;
    alignas(Znode) std::byte bytes[sizeof(Znode)];
  };
  static constexpr std::size_t kSlots = (kChunkBytes - 4 * sizeof(void*)) / sizeof(Slot);
  struct alignas(kChunkBytes) Chunk {
    Slot* free = nullptr;   // of those that were used before
    std::size_t begun = 0;  // slots behind these have not been used since it was empty
    std::size_t live = 0;
    std::array<Slot, kSlots> slots;  // left as they are

    Chunk() {}  // NOLINT(modernize-use-equals-default): that would clear the slots
    bool is_full() const { return live == kSlots; }
  };

  static Chunk& chunk_of(Znode* node) {
    return *reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(node) & ~std::uintptr_t{kChunkBytes - 1});
  }

  void next_chunk() {
    if (open_.empty()) {
      Chunk* block = blocks_.emplace_back(std::make_unique<Chunk[]>(kBlockChunks)).get();
      for (std::size_t i = kBlockChunks; i > 0; --i) open_.push_back(&block[i - 1]);
    }
    filling_ = open_.back();
    open_.pop_back();
  }

  std::vector<std::unique_ptr<Chunk[]>> blocks_;
  std::vector<Chunk*> open_;  // with room, but for the one that is being filled
  Chunk* filling_ = nullptr;
};

}  // namespace zk::tree
