#include "base/task.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

namespace base {
namespace {

Task<void> store(OneShot<int> from, int* to) { *to = co_await from.wait(); }

TEST(OneShot, ValueBeforeAndAfterWaiting) {
  for (const bool before : {true, false}) {
    boost::asio::io_context loop;
    OneShot<int> shot;
    int seen = 0;
    if (before) shot.set(7);
    boost::asio::co_spawn(loop, store(shot, &seen), boost::asio::detached);
    std::thread setter;
    if (!before) {
      setter = std::thread([shot] { shot.set(7); });
    }
    loop.run();
    if (setter.joinable()) setter.join();
    EXPECT_EQ(seen, 7);
    EXPECT_FALSE(shot.set(8));
    EXPECT_TRUE(shot.is_set());
  }
}

}  // namespace
}  // namespace base
