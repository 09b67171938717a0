// Connections that come while the process has no memory for one. ThreadSanitizer has operators new of its own, which can't be
// replaced: the other builds run this.
#ifndef MILENA_THREAD_SANITIZER
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "broker/net/testing/server_fixture.h"

namespace {

// Which allocation fails next, counted over all threads but the test's own; 0: none.
std::atomic<int> fails_at = 0;
thread_local bool is_spared = false;

bool fails() { return fails_at.load(std::memory_order_relaxed) > 0 && !is_spared && fails_at.fetch_sub(1) == 1; }

void* allocate(std::size_t size) {
  if (fails()) throw std::bad_alloc();
  if (void* bytes = std::malloc(size)) return bytes;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
// Asio's, for coroutines and operations.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return fails() ? nullptr : memalign(alignment, size); }
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

// Connections that stay keep the memory that Asio would use again for the next operation of the one who accepts.
TEST_F(ServerTest, AListenerOutlivesThatThereIsNoMemoryToAcceptOn) {
  start();
  is_spared = true;
  std::vector<std::unique_ptr<Client>> open;
  const auto is_served = [&] {
    Client& client = *open.emplace_back(std::make_unique<Client>(port));
    client.send({kEcho});
    return client.receive().has_value();
  };
  for (int at = 1; at <= 20; ++at) {  // of a dozen that a connection takes
    fails_at = at;
    while (fails_at > 0) (void)is_served();
    ASSERT_TRUE(is_served()) << at;
  }
  is_spared = false;
}

}  // namespace
}  // namespace broker::net

#endif
