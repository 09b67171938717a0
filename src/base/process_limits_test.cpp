#include "base/process_limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace base {
namespace {

TEST(ProcessLimits, AsManyOpenFilesAsTheSystemAllows) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_GT(before.rlim_max, 64u);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  raise_open_files_limit();
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(ProcessLimits, SomeDescriptorsAreReserved) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto with_limit = [&](rlim_t count) {
    rlimit limit = before;
    limit.rlim_cur = count;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return reserved_descriptors_begin();
  };
  EXPECT_EQ(with_limit(8), 0);
  EXPECT_EQ(with_limit(64), 48);
  EXPECT_EQ(with_limit(1024), 960);
  EXPECT_EQ(with_limit(2048), 1920);
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace base
