#include "base/properties.h"

#include <gtest/gtest.h>

namespace base {
namespace {

std::string value_of(std::string_view text, std::string_view key) {
  return Properties::parse(text).get(key).value_or("<absent>");
}

TEST(Properties, SeparatorsAndBlanks) {
  for (const char* text : {"a=b", "a:b", "a b", "  a\t=  b", "a = b\n", "a\f:\fb\r\n", "a   b"}) {
    EXPECT_EQ(value_of(text, "a"), "b") << text;
  }
  EXPECT_EQ(value_of("a==b", "a"), "=b");
  EXPECT_EQ(value_of("a = : b", "a"), ": b");
  EXPECT_EQ(value_of("a=b  ", "a"), "b  ");  // as in Java: blanks at the end belong to the value
  EXPECT_EQ(value_of("a", "a"), "");
  EXPECT_EQ(value_of("=b", ""), "b");
}

TEST(Properties, CommentsAndEmptyLines) {
  const Properties properties = Properties::parse("# one=1\n\n  ! two=2\n \t\nthree=3 # not a comment\n");
  ASSERT_EQ(properties.entries().size(), 1u);
  EXPECT_EQ(properties.get("three"), "3 # not a comment");
  EXPECT_EQ(properties.find("three")->line, 5);
}

TEST(Properties, ContinuationLines) {
  const Properties properties = Properties::parse("list=a,\\\n    b,\\\r\n\t c\nnext=1\\\\\n# comment \\\nlast=2\\");
  EXPECT_EQ(properties.get("list"), "a,b,c");
  EXPECT_EQ(properties.get("next"), "1\\");
  EXPECT_EQ(properties.find("next")->line, 4);
  EXPECT_EQ(properties.get("last"), "2");
  EXPECT_EQ(value_of("a=1\\\n#x", "a"), "1#x");
}

TEST(Properties, Escapes) {
  EXPECT_EQ(value_of("a=\\t\\n\\r\\f\\q\\\\", "a"), "\t\n\r\fq\\");
  EXPECT_EQ(value_of("a\\ b\\=c\\:=1", "a b=c:"), "1");
  EXPECT_EQ(value_of("a=\\u00e9\\u20AC\\uD83D\\uDE00", "a"), "é€😀");
  EXPECT_EQ(value_of("a=\xE9", "a"), "é");  // a file is Latin-1
  EXPECT_EQ(value_of("a=\\uD83Dx", "a"), "\xEF\xBF\xBDx");
}

TEST(Properties, MalformedUnicodeNamesTheLine) {
  for (const char* text : {"ok=1\na=\\u12", "ok=1\na=\\u12G4", "ok=1\n\\u=1"}) {
    try {
      Properties::parse(text);
      FAIL() << text;
    } catch (const PropertiesError& error) {
      EXPECT_EQ(error.line(), 2);
      EXPECT_STREQ(error.what(), "Malformed \\uxxxx encoding.");
    }
  }
}

TEST(Properties, LaterKeyWins) {
  const Properties properties = Properties::parse("a=1\nb=2\na=3\n");
  EXPECT_EQ(properties.get("a"), "3");
  EXPECT_EQ(properties.find("a")->line, 3);
  EXPECT_EQ(properties.get("c"), std::nullopt);
}

TEST(Properties, WritesWhatItReads) {
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"cluster.id", "3Pb4_x-yQ=="}, {"k e y", "  two leading"}, {"é€😀", "#!:=\\\t\n\x01"}, {"empty", ""}};
  const std::string text = write_properties(pairs, "", 1795395777000);
  EXPECT_EQ(text,
            "#\n#Mon Nov 23 01:02:57 UTC 2026\ncluster.id=3Pb4_x-yQ\\=\\=\nk\\ e\\ y=\\  two leading\n"
            "\\u00E9\\u20AC\\uD83D\\uDE00=\\#\\!\\:\\=\\\\\\t\\n\\u0001\nempty=\n");
  const Properties back = Properties::parse(text);
  EXPECT_EQ(back.entries().size(), pairs.size());
  for (const auto& [key, value] : pairs) EXPECT_EQ(back.get(key), value);
}

}  // namespace
}  // namespace base
