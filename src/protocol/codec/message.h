// What every generated message is made of. Included by the generated headers only; it belongs to no thread and holds no
// state. A message owns all it holds, except bytes and records, which are views into the frame it was decoded from.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/rare.h"
#include "base/uuid.h"
#include "protocol/codec/records.h"
#include "protocol/error.h"

namespace protocol {

// What the schema says of one field. Given to visitors with the field itself: visit(spec, message.field).
struct FieldSpec {
  const char* name = "";
  std::int16_t first = 0;  // versions that have the field
  std::int16_t last = std::numeric_limits<std::int16_t>::max();
  std::int16_t nullable_first = 1;  // versions in which it may be null; none, if first is after last
  std::int16_t nullable_last = 0;
  std::int32_t tag = -1;  // -1: not tagged
  bool ignorable = false;
  bool inflexible = false;  // keeps the fixed-width length in flexible versions
  bool default_is_null = false;
  std::int64_t default_number = 0;

  constexpr bool in(std::int16_t version) const { return version >= first && version <= last; }
  constexpr bool nullable_in(std::int16_t version) const {
    return version >= nullable_first && version <= nullable_last;
  }
};

struct UnknownTag {
  std::uint32_t tag = 0;
  base::Bytes bytes;
};

// Tagged fields that we don't know, in the order they came; nearly always there are none.
class UnknownTags {
 public:
  bool empty() const { return !tags_ || tags_->empty(); }
  std::size_t size() const { return tags_ ? tags_->size() : 0; }
  const UnknownTag& operator[](std::size_t index) const { return (*tags_)[index]; }
  void add(std::uint32_t tag, base::ByteView bytes) {
    UnknownTag& added = tags_.make().emplace_back();
    added.tag = tag;
    added.bytes.assign(bytes.begin(), bytes.end());
  }

 private:
  base::Rare<std::vector<UnknownTag>> tags_;
};

}  // namespace protocol
