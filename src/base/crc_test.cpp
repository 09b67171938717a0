#include "base/crc.h"

#include <gtest/gtest.h>

namespace base {
namespace {

// The check values of the three algorithms' published definitions, over "123456789".
TEST(Crc, CheckValues) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926U);
  EXPECT_EQ(adler32(as_bytes("123456789")), 0x091e01deU);
}

TEST(Crc, InPieces) {
  EXPECT_EQ(crc32c(as_bytes("6789"), crc32c(as_bytes("12345"))), 0xe3069283U);
  EXPECT_EQ(crc32(as_bytes("6789"), crc32(as_bytes("12345"))), 0xcbf43926U);
  EXPECT_EQ(adler32(as_bytes("6789"), adler32(as_bytes("12345"))), 0x091e01deU);
}

// Against the definitions, bit by bit, at every length around the steps of the vector code.
TEST(Crc, EveryLength) {
  Bytes bytes(700);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 131 + (i >> 3));
  bytes[300] = bytes[301] = 0xff;
  std::uint32_t crc = ~0U, low = 1, high = 0;
  for (std::size_t size = 0;; ++size) {
    const ByteView part = ByteView(bytes).first(size);
    ASSERT_EQ(crc32(part), ~crc) << size;
    ASSERT_EQ(adler32(part), high << 16 | low) << size;
    ASSERT_EQ(crc32(part.subspan(size / 3), crc32(part.first(size / 3))), ~crc) << size;
    ASSERT_EQ(adler32(part.subspan(size / 3), adler32(part.first(size / 3))), high << 16 | low) << size;
    if (size == bytes.size()) break;
    crc ^= bytes[size];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    low = (low + bytes[size]) % 65521;
    high = (high + low) % 65521;
  }
  EXPECT_EQ(crc32({}), 0U);
  EXPECT_EQ(adler32({}), 1U);
  // Sums that run over in long runs of the largest byte.
  const Bytes ones(1'000'003, 0xff);
  low = 1, high = 0;
  for (std::uint8_t byte : ones) {
    low = (low + byte) % 65521;
    high = (high + low) % 65521;
  }
  EXPECT_EQ(adler32(ones), high << 16 | low);
}

}  // namespace
}  // namespace base
