// One znode in memory. A million of them should stay well below 350 bytes each with 100 bytes of data, so children are
// a linked list through the nodes and one hash table of the tree finds (parent, name). Only Tree changes znodes.
#pragma once

#include <cstring>
#include <memory>
#include <optional>

#include "zk/tree/types.h"

namespace zk::tree {

// Bytes that may be null, in one pointer.
class Blob {
 public:
  Blob() = default;
  explicit Blob(std::optional<std::string_view> bytes) {
    if (!bytes) return;
    auto size = static_cast<std::uint32_t>(bytes->size());
    bytes_ = std::make_unique_for_overwrite<char[]>(sizeof size + size);
    std::memcpy(bytes_.get(), &size, sizeof size);
    if (size != 0) std::memcpy(bytes_.get() + sizeof size, bytes->data(), size);
  }
  bool is_null() const { return !bytes_; }
  std::string_view view() const {  // empty if null
    if (!bytes_) return {};
    std::uint32_t size;
    std::memcpy(&size, bytes_.get(), sizeof size);
    return {bytes_.get() + sizeof size, size};
  }

 private:
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
  Blob data;
  std::string name;
};

}  // namespace zk::tree
