#include "base/bytes.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Bytes, BigEndianRoundTrip) {
  Bytes bytes;
  append_big_endian<std::int16_t>(bytes, -2);
  append_big_endian<std::int64_t>(bytes, 0x0102030405060708);
  EXPECT_EQ(to_hex(bytes), "fffe0102030405060708");
  EXPECT_EQ(load_big_endian<std::int16_t>(bytes.data()), -2);
  EXPECT_EQ(load_big_endian<std::int64_t>(bytes.data() + 2), 0x0102030405060708);
}

TEST(Bytes, HexRefusesWhatIsNotHex) {
  EXPECT_FALSE(from_hex("abc"));
  EXPECT_FALSE(from_hex("zz"));
  EXPECT_EQ(*from_hex("0aFF"), (Bytes{10, 255}));
}

TEST(Bytes, Base64) {
  EXPECT_EQ(to_base64(as_bytes("ab")), "YWI=");
  EXPECT_EQ(as_text(*from_base64("YWI=")), "ab");
  EXPECT_EQ(as_text(*from_base64("YQ==")), "a");
  EXPECT_FALSE(from_base64("YQ="));
  EXPECT_FALSE(from_base64("Y=Q="));
  EXPECT_FALSE(from_base64(" YQ="));
}

}  // namespace
}  // namespace base
