// One znode in memory. A million of them should stay well below 350 bytes each with 100 bytes of data, so children are
// a linked list through the nodes and one hash table of the tree finds (parent, name). Only Tree changes znodes.
#pragma once

#include <cstring>
#include <memory>
#include <optional>

#include "zk/tree/types.h"

namespace zk::tree {

// A znode's name and its data, which may be null, in one piece of memory.
class NodeContent {
 public:
  NodeContent() = default;
  NodeContent(std::string_view name, std::optional<std::string_view> data) {
    Head head{static_cast<std::uint32_t>(name.size()), data ? static_cast<std::int32_t>(data->size()) : -1};
    bytes_ = std::make_unique_for_overwrite<char[]>(sizeof head + name.size() + (data ? data->size() : 0));
    std::memcpy(bytes_.get(), &head, sizeof head);
    if (!name.empty()) std::memcpy(bytes_.get() + sizeof head, name.data(), name.size());
    if (data && !data->empty()) std::memcpy(bytes_.get() + sizeof head + name.size(), data->data(), data->size());
  }
  bool is_null() const { return head().data_size < 0; }
  std::string_view view() const {  // empty if null
    Head sizes = head();
    if (sizes.data_size <= 0) return {};
    return {bytes_.get() + sizeof sizes + sizes.name_size, static_cast<std::size_t>(sizes.data_size)};
  }
  std::string_view name() const {
    return bytes_ ? std::string_view(bytes_.get() + sizeof(Head), head().name_size) : std::string_view();
  }

 private:
  struct Head {
    std::uint32_t name_size = 0;
    std::int32_t data_size = -1;
  };
  Head head() const {
    Head sizes;
    if (bytes_) std::memcpy(&sizes, bytes_.get(), sizeof sizes);
    return sizes;
  }
  std::unique_ptr<char[]> bytes_;
};

struct Znode {
  Znode* parent = nullptr;
  Znode* first_child = nullptr;
  Znode* next = nullptr;  // siblings, the youngest first
  Znode* previous = nullptr;
  StatPersisted stat;
  std::int32_t child_count = 0;
  std::int64_t acl_id = -1;
  std::uint32_t name_hash = 0;
  std::uint32_t content_crc = 0;  // CRC32 of path and data, the front part of the digest
  std::uint32_t digest = 0;       // what it adds to the tree's digest
  bool in_digest = true;
  std::uint8_t snapshot_mark = 0;
  NodeContent data;

  std::string_view name() const { return data.name(); }
};

// A slot of the tree's table: none, or a znode's address with a part of its name_hash in the bits that no address of a
// process has, so that a probe seldom touches a znode that is another one.
class ZnodeSlot {
 public:
  ZnodeSlot() = default;
  explicit ZnodeSlot(Znode* node)
      : bits_(reinterpret_cast<std::uintptr_t>(node) | (std::uint64_t{node->name_hash >> 16} << kAddressBits)) {}
  bool is_empty() const { return bits_ == 0; }
  bool may_have(std::uint32_t name_hash) const { return bits_ >> kAddressBits == name_hash >> 16; }
  Znode* node() const { return reinterpret_cast<Znode*>(bits_ & ((std::uint64_t{1} << kAddressBits) - 1)); }

 private:
  static constexpr int kAddressBits = 48;
  std::uint64_t bits_ = 0;
};

}  // namespace zk::tree
