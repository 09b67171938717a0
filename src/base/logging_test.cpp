#include "base/logging.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Logging, WhatClientsSendCanNotBeginALineOrSteerATerminal) {
  EXPECT_EQ(without_control_characters("left: bye\n[2026-01-01 00:00:00,000] INFO all is well\r"),
            "left: bye\\n[2026-01-01 00:00:00,000] INFO all is well\\r");
  EXPECT_EQ(without_control_characters("\x1b[2J\x7f\x01"), "\\x1b[2J\\x7f\\x01");
  EXPECT_EQ(without_control_characters(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(without_control_characters("\xc2\x9b" "2J \xc2\x85"), "\\xc2\\x9b2J \\xc2\\x85");  // C1 in UTF-8
  EXPECT_EQ(without_control_characters("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");               // LINE SEPARATOR
}

TEST(Logging, OtherTextStaysAsItIs) {
  for (const char* text : {"", "plain", "a\ttab", "Grüße, \xe2\x82\xac 5", "\xf0\x9f\x98\x80", "back\\slash"}) {
    EXPECT_EQ(without_control_characters(text), text);
  }
}

TEST(Logging, WhatIsNotUtf8IsShownByItsBytes) {
  EXPECT_EQ(without_control_characters("\x9b|\xff|\xc3"), "\\x9b|\\xff|\\xc3");
  EXPECT_EQ(without_control_characters("\xe0\x80\x8a"), "\\xe0\\x80\\x8a");  // a line's end, too long
  EXPECT_EQ(without_control_characters("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half a surrogate pair
  EXPECT_EQ(without_control_characters("\xc3\x28"), "\\xc3(");
}

}  // namespace
}  // namespace base
