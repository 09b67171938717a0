#include "base/rare.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace base {
namespace {

TEST(Rare, IsOnePointerAndEmptyUntilMade) {
  static_assert(sizeof(Rare<std::string>) == sizeof(void*));
  Rare<std::string> text;
  EXPECT_FALSE(text);
  EXPECT_EQ(text.get(), "");
  text.make() += "so";
  text.make() += " far";
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "so far");
  EXPECT_EQ(text.get(), "so far");
  EXPECT_EQ(text->size(), 6u);
}

TEST(Rare, CopiesAreTheirOwn) {
  Rare<std::string> one;
  one.make() = "one";
  Rare<std::string> other(one);
  *other = "other";
  EXPECT_EQ(*one, "one");
  one = other;
  EXPECT_EQ(*one, "other");
  const Rare<std::string>& same = one;
  one = same;
  EXPECT_EQ(*one, "other");
  one = {};
  EXPECT_FALSE(one);
  EXPECT_EQ(*other, "other");
}

TEST(Rare, MovingTakesTheValueAlong) {
  const auto counted = std::make_shared<int>(0);
  {
    Rare<std::shared_ptr<int>> one;
    one.make() = counted;
    Rare<std::shared_ptr<int>> other(std::move(one));
    EXPECT_EQ(counted.use_count(), 2);
    ASSERT_TRUE(other);
    Rare<std::shared_ptr<int>> third;
    third.make() = std::make_shared<int>(3);
    third = std::move(other);
    EXPECT_EQ(third.get(), counted);
    EXPECT_EQ(counted.use_count(), 2);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

}  // namespace
}  // namespace base
