#include "base/run_loop.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <stdexcept>

namespace base {
namespace {

TEST(RunLoop, WhatAHandlerThrowsEndsItAlone) {
  boost::asio::io_context loop;
  int served = 0;
  boost::asio::post(loop, [] { throw std::runtime_error("thrown by the test"); });
  boost::asio::post(loop, [&] { ++served; });
  ::testing::internal::CaptureStdout();
  run_loop(loop, "a.Logger");
  EXPECT_NE(::testing::internal::GetCapturedStdout().find("ERROR Uncaught exception: thrown by the test (a.Logger)"),
            std::string::npos);
  EXPECT_EQ(served, 1);
}

}  // namespace
}  // namespace base
