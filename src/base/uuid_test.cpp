#include "base/uuid.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Uuid, TextForm) {
  const auto uuid = Uuid::parse("YhJblrA9SAWtri_eFPTmEg");
  ASSERT_TRUE(uuid);
  EXPECT_EQ(uuid->to_string(), "YhJblrA9SAWtri_eFPTmEg");
  EXPECT_EQ(Uuid{}.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
  EXPECT_FALSE(Uuid::parse("short"));
  EXPECT_FALSE(Uuid::parse("YhJblrA9SAWtri+eFPTm=="));
}

TEST(Uuid, RandomOnesDifferAndReadBack) {
  const Uuid one = Uuid::random();
  EXPECT_NE(one, Uuid::random());
  EXPECT_FALSE(one.is_zero());
  EXPECT_EQ(Uuid::parse(one.to_string()), one);
}

}  // namespace
}  // namespace base
