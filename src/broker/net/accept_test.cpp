// Connections that come while the process has no memory for one. ThreadSanitizer has operators new of its own, which can't be
// replaced: the other builds run this.
#ifndef MILENA_THREAD_SANITIZER
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "broker/net/testing/server_fixture.h"

namespace {

// Which allocation fails next, counted over all threads but the test's own; 0: none.
std::atomic<int> fails_at = 0;
thread_local bool is_spared = false;

void* allocate(std::size_t size) {
  if (fails_at.load(std::memory_order_relaxed) > 0 && !is_spared && fails_at.fetch_sub(1) == 1) throw std::bad_alloc();
  if (void* bytes = std::malloc(size)) return bytes;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
void operator delete(void* bytes) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::size_t) noexcept { std::free(bytes); }

namespace broker::net {
namespace {

using namespace testing;

TEST_F(ServerTest, AConnectionThatThereIsNoMemoryForIsLostAndTheNextIsServed) {
  start();
  is_spared = true;
  bool met = true;
  int at = 1;
  for (; met; ++at) {
    {
      fails_at = at;
      Client unlucky(port);
      unlucky.send({kEcho});
      (void)unlucky.receive();  // answered, or closed
    }
    met = fails_at.exchange(0) <= 0;
    Client next(port);
    next.send({kEcho});
    ASSERT_TRUE(next.receive()) << at;
    next.socket().close();
    eventually([&] { return server->connection_count() == 0; });
  }
  EXPECT_GT(at, 5);
  is_spared = false;
}

}  // namespace
}  // namespace broker::net

#endif
