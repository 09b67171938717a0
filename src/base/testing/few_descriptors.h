// For tests: a process that has few descriptors left, as long as this lives.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/process_limits.h"

namespace base::testing {

class FewDescriptors {
 public:
  // So many, and those that are kept for files.
  explicit FewDescriptors(int left) {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    int highest = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
      highest = std::max(highest, std::stoi(each.path().filename()));
    }
    do {  // so that all that are left follow each other
      fillers_.push_back(open_one());
    } while (fillers_.back() < highest);
    const int wanted = fillers_.back() + 1 + left;
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(wanted);
    do {
      ++few.rlim_cur;
      EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    } while (reserved_descriptors_begin() < wanted);
  }
  ~FewDescriptors() {
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0);
    for (const int one : fillers_) ::close(one);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

  // How many could be opened now.
  static int left() {
    std::vector<int> opened;
    for (int one = open_one(); one >= 0; one = open_one()) opened.push_back(one);
    for (const int one : opened) ::close(one);
    return static_cast<int>(opened.size());
  }

 private:
  static int open_one() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

  std::vector<int> fillers_;
  rlimit before_{};
};

}  // namespace base::testing
