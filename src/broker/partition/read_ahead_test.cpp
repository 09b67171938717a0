#include "broker/partition/read_ahead.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "base/without_waiting.h"

namespace broker::partition {
namespace {

// What look-ups find cold: that many places, one after the other.
class ColdFiles {
 public:
  explicit ColdFiles(std::uint64_t places) : places_(places) {}
  void look_up() {
    if (!base::WithoutWaiting::is_active()) {
      ++waited_;
    } else if (missed_ < kMissesMax) {
      ++missed_;
      throw base::WouldWait("no such file", missed_ % places_, 1);
    }
  }
  void look_up_aside() {
    boost::asio::io_context loop;
    auto result = boost::asio::co_spawn(loop, partition::look_up_aside([this] { look_up(); }), boost::asio::use_future);
    loop.run();
    result.get();
    wait_until_nothing_runs_aside();
  }
  int waited() const { return waited_; }
  std::uint64_t missed() const { return missed_; }
  static constexpr std::uint64_t kMissesMax = 200;

 private:
  std::uint64_t places_;
  std::uint64_t missed_ = 0;
  int waited_ = 0;
};

TEST(LookUpAside, HoweverManyPlacesAreColdNoneIsWaitedForUnderALock) {
  ColdFiles files(1'000);
  files.look_up_aside();
  EXPECT_EQ(files.missed(), ColdFiles::kMissesMax);
  EXPECT_EQ(files.waited(), 0);
}

TEST(LookUpAside, WhatIsForgottenAsFastAsItIsReadIsWaitedFor) {
  ColdFiles files(3);
  files.look_up_aside();
  EXPECT_LE(files.missed(), 10U);
  EXPECT_EQ(files.waited(), 1);
}

}  // namespace
}  // namespace broker::partition
