// What the mapping from the newest batch on takes of memory, and what becomes of it where there is none. ThreadSanitizer has
// operators new of its own, which can't be replaced: the other builds run this.
#ifndef MILENA_THREAD_SANITIZER
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <random>

#include "log/testing/compaction_fixture.h"

namespace {

std::atomic<int> fails_at = 0;  // which allocation fails next; 0: none
std::atomic<std::int64_t> live_bytes = 0;
std::atomic<std::int64_t> live_bytes_peak = 0;

void* allocate(std::size_t size) {
  if (fails_at.load(std::memory_order_relaxed) > 0 && fails_at.fetch_sub(1) == 1) throw std::bad_alloc();
  void* const bytes = std::malloc(size);
  if (bytes == nullptr) throw std::bad_alloc();
  const auto live = live_bytes += static_cast<std::int64_t>(malloc_usable_size(bytes));
  for (auto peak = live_bytes_peak.load(); live > peak && !live_bytes_peak.compare_exchange_weak(peak, live);) {
  }
  return bytes;
}
void give_back(void* bytes) {
  if (bytes != nullptr) live_bytes -= static_cast<std::int64_t>(malloc_usable_size(bytes));
  std::free(bytes);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* bytes) noexcept { give_back(bytes); }
void operator delete(void* bytes, std::size_t) noexcept { give_back(bytes); }

namespace storage {
namespace {

using testing::CompactionFixture;

class NewestFirstMemoryTest : public CompactionFixture {
 protected:
  NewestFirstMemoryTest() { config_.segment_bytes = 100 << 20; }

  // zstd makes about 16 KB of a batch.
  void fill(int batches, std::size_t zeros) {
    std::mt19937_64 random(1);
    for (int i = 0; i < batches; ++i) {
      std::string value;
      while (value.size() < 16'000) value.push_back(static_cast<char>(random()));
      put({{"key-" + std::to_string(i), value + std::string(zeros, '0')}}, {.codec = base::Codec::zstd});
    }
    log().roll();
  }
  // Calls map() as often as `again` says.
  void map(bool with_helper, const std::function<bool(std::function<bool()>)>& again) {
    auto session = CleaningSession::try_begin(log_);
    const Cleanable what = find_cleanable(*log().cleaning_facts(), clock_.wall_ms());
    const auto sources = session->sources(what.first_uncleanable_offset);
    const auto dirty = find_dirty_pieces(*session, sources, what, {.records_max = 100'000, .all_batches = true});
    ASSERT_TRUE(dirty.has_value());
    while (again([&] {
      OffsetMap offsets(std::size_t{1} << 20, 0.9);
      NewestOffsets newest(0, 1 << 20);
      NewestFirst how{*session, sources, {clock_.wall_ms(), 1000, true, what.first_uncleanable_offset - 1}};
      how.memory_bytes_max = std::size_t{100} << 20;
      how.with_helper = with_helper;
      return how.map(*dirty, KeyHasher(), offsets, newest).has_value();
    })) {
    }
  }
};

TEST_F(NewestFirstMemoryTest, WhatIsUnpackedIsBounded) {
  struct Case {
    std::size_t zeros;
    int batches;
  };
  for (const Case& one : {Case{900'000, 300}, Case{110'000, 300}}) {  // too much to be kept for the filter, and just not
    files_.remove_all("/data/t-0");
    open();
    fill(one.batches, one.zeros);
    for (const bool with_helper : {false, true}) {
      map(with_helper, [&](const std::function<bool()>& once) {
        const std::int64_t before = live_bytes;
        live_bytes_peak = before;
        EXPECT_TRUE(once());
        EXPECT_LT((live_bytes_peak - before) >> 20, 40) << one.zeros << " " << with_helper;
        return false;
      });
    }
  }
}

TEST_F(NewestFirstMemoryTest, WithoutMemoryThereIsNoMap) {
  open();
  fill(40, 1000);
  for (const bool with_helper : {false, true}) {
    int at = 1;
    map(with_helper, [&](const std::function<bool()>& once) {
      fails_at = at;
      bool mapped = false;
      EXPECT_NO_THROW(mapped = once()) << at;
      const bool met = fails_at.exchange(0) <= 0;
      EXPECT_TRUE(mapped || met) << at;
      at += 1 + at / 8;
      return met && !HasFailure();
    });
    EXPECT_GT(at, 20);
  }
}

}  // namespace
}  // namespace storage
#endif
