#include "log/cleaner/key_hash.h"

#include <bit>
#include <random>

namespace storage {
namespace {

// The byte order of SipHash is little-endian, as this machine's is.
static_assert(std::endian::native == std::endian::little);

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void compress(std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
  std::uint64_t finish() {
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

std::uint64_t random_word(std::random_device& device) { return (std::uint64_t{device()} << 32) | device(); }

}  // namespace

KeyHasher::KeyHasher() {
  std::random_device device;
  key_low_ = random_word(device);
  key_high_ = random_word(device);
}

KeyHash KeyHasher::operator()(base::ByteView bytes) const {
  SipState state{0x736f6d6570736575ULL ^ key_low_, 0x646f72616e646f6dULL ^ key_high_ ^ 0xee,
                 0x6c7967656e657261ULL ^ key_low_, 0x7465646279746573ULL ^ key_high_};
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    state.compress(word);
  }
  std::uint64_t last = 0;
  if (left > 0) std::memcpy(&last, at, left);
  state.compress(last | (static_cast<std::uint64_t>(bytes.size()) << 56));
  state.v2 ^= 0xee;
  KeyHash hash;
  hash.high = state.finish();
  state.v1 ^= 0xdd;
  hash.low = state.finish();
  return hash;
}

}  // namespace storage
