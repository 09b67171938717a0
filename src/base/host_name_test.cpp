#include "base/host_name.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(HostName, IsANameOrNothing) {
  EXPECT_EQ(canonical_host_name(std::string(300, 'x')), std::nullopt) << "no name of a host is so long";
  const auto own = canonical_host_name("127.0.0.1");
  EXPECT_NE(own, "");
  EXPECT_NE(own, "127.0.0.1");
}

}  // namespace
}  // namespace base
