#include "log/cleaner/key_hash.h"

#include <gtest/gtest.h>

namespace storage {
namespace {

std::string hash_hex(std::size_t length) {
  const KeyHasher hasher(0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL);
  base::Bytes input;
  for (std::size_t i = 0; i < length; ++i) input.push_back(static_cast<std::uint8_t>(i));
  const KeyHash hash = hasher(input);
  base::Bytes bytes(16);
  std::memcpy(bytes.data(), &hash.high, 8);
  std::memcpy(bytes.data() + 8, &hash.low, 8);
  return base::to_hex(bytes);
}

// As OpenSSL's SIPHASH with 16 bytes of output gives them, for the key 00 01 … 0f and the input 00 01 ….
TEST(KeyHash, IsSipHash128) {
  EXPECT_EQ(hash_hex(0), "a3817f04ba25a8e66df67214c7550293");
  EXPECT_EQ(hash_hex(1), "da87c1d86b99af44347659119b22fc45");
  EXPECT_EQ(hash_hex(2), "8177228da4a45dc7fca38bdef60affe4");
  EXPECT_EQ(hash_hex(15), "5493e99933b0a8117e08ec0f97cfc3d9");
}

TEST(KeyHash, EachHasherHasItsOwnKey) {
  EXPECT_NE(KeyHasher()(base::as_bytes("key")), KeyHasher()(base::as_bytes("key")));
}

}  // namespace
}  // namespace storage
