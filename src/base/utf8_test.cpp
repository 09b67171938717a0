#include "base/utf8.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Utf8, Characters) {
  EXPECT_EQ(utf8_character_at("a"), 1u);
  EXPECT_EQ(utf8_character_at("\n"), 1u);
  EXPECT_EQ(utf8_character_at("\xc3\xbc..."), 2u);
  EXPECT_EQ(utf8_character_at("\xe2\x82\xac"), 3u);
  EXPECT_EQ(utf8_character_at("\xf0\x9f\x98\x80"), 4u);
  EXPECT_EQ(utf8_character_at("\xf4\x8f\xbf\xbf"), 4u) << "the last";
  for (const char* text : {"\x80", "\xff", "\xc3", "\xc3(", "\xc0\x8a", "\xe0\x80\x8a", "\xed\xa0\x80", "\xf0\x80\x80\x8a", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "\xe2\x82"}) {
    EXPECT_EQ(utf8_character_at(text), 0u) << testing::PrintToString(text);
  }
}

TEST(Utf8, LongNamesAreShortened) {
  EXPECT_EQ(shortened("1234567890123456", 16), "1234567890123456");
  EXPECT_EQ(shortened("12345678901234567", 16).substr(0, 8), "1234567~");
  EXPECT_EQ(shortened("12345678901234567", 16).size(), 16u);
  EXPECT_NE(shortened("12345678901234567", 16), shortened("12345678901234568", 16));
  const std::string cut = shortened("123456\xe2\x82\xac" "8901234567", 16);
  EXPECT_EQ(cut.substr(0, 7), "123456~") << "not within a character";
  EXPECT_EQ(shortened(std::string(20, '\x80'), 16).size(), 13u) << "what is no character goes back by three bytes at most";
}

TEST(Utf8, WhatIsNoneIsReplacedByteByByte) {
  EXPECT_EQ(as_utf8(""), "");
  EXPECT_EQ(as_utf8("gr\xc3\xbcn"), "gr\xc3\xbcn");
  EXPECT_EQ(as_utf8("\xff|\xc3"), "\xef\xbf\xbd|\xef\xbf\xbd");
  EXPECT_EQ(as_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace base
