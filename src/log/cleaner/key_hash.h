// 128 bits that stand for a record's key: SipHash-2-4 with a key of its own, drawn at random for each cleaning. Two
// keys with one hash would cost the older one's record. Kafka takes MD5, for which anybody who may write to the topic
// can make such pairs; without this key nobody can, and chance makes one in 2^128 likely. It is faster, too.
#pragma once

#include <compare>
#include <cstdint>

#include "base/bytes.h"

namespace storage {

struct KeyHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const KeyHash&) const = default;
};

class KeyHasher {
 public:
  KeyHasher();  // a random key
  KeyHasher(std::uint64_t key_low, std::uint64_t key_high) : key_low_(key_low), key_high_(key_high) {}

  KeyHash operator()(base::ByteView bytes) const;

 private:
  std::uint64_t key_low_;
  std::uint64_t key_high_;
};

}  // namespace storage
