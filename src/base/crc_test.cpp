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

}  // namespace
}  // namespace base
