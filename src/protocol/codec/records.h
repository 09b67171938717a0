// The records of a partition inside a message: null, bytes in memory, or a slice of a file that leaves by sendfile.
// Never parsed here. Bytes are a view; `owner`, if given, keeps them alive for as long as a copy of this is.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/file_system.h"

namespace protocol {

class Records {
 public:
  Records() = default;  // null
  explicit Records(base::ByteView bytes, std::shared_ptr<const void> owner = nullptr)
      : null_(false), bytes_(bytes), size_(bytes.size()), owner_(std::move(owner)) {}
  // Takes the bytes and keeps them.
  static Records own(base::Bytes bytes) {
    auto kept = std::make_shared<const base::Bytes>(std::move(bytes));
    const base::ByteView view(*kept);
    return Records(view, std::move(kept));
  }
  static Records slice(std::shared_ptr<const base::File> file, std::uint64_t position, std::size_t size) {
    Records records;
    records.null_ = false;
    records.size_ = size;
    records.file_ = file.get();
    records.owner_ = std::move(file);
    records.position_ = position;
    return records;
  }

  bool is_null() const { return null_; }
  bool is_slice() const { return file_ != nullptr; }
  std::size_t size() const { return size_; }  // 0 if null
  bool empty() const { return size_ == 0; }
  // Of records in memory; empty if null or a slice.
  base::ByteView bytes() const { return bytes_; }
  // Of a slice.
  const base::File* file() const { return file_; }
  std::uint64_t position() const { return position_; }

 private:
  bool null_ = true;
  base::ByteView bytes_;
  std::size_t size_ = 0;
  const base::File* file_ = nullptr;
  std::uint64_t position_ = 0;
  std::shared_ptr<const void> owner_;  // of the bytes, or the file
};

}  // namespace protocol
