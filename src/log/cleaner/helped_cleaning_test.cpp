// What is cleaned with a helper (see helped_queue.h) beside what is cleaned without one.
#include <gtest/gtest.h>

#include <random>

#include "log/cleaner/compactor.h"
#include "log/testing/compaction_fixture.h"

namespace storage {
namespace {

using testing::CompactionFixture;
using testing::kNull;

class HelpedCleaning : public CompactionFixture {};

// Large enough for a helper. A throttle has none, and never waits here.
TEST_F(HelpedCleaning, ChangesNoByte) {
  config_.segment_bytes = 2 << 20;
  config_.index_interval_bytes = 4096;
  options_.map_bytes_max = OffsetMap::kSlotBytes * 1500;  // several passes, each of which ends within a segment
  std::vector<std::map<std::string, base::Bytes>> made;
  for (const double rate : {Throttle::kUnlimited, 1e15}) {
    files_.remove_all("/data/t-0");
    open();
    std::mt19937 random(3);
    for (int i = 0; i < 200; ++i) {
      std::vector<std::pair<std::string, std::string>> records;
      for (std::size_t count = 1 + random() % 40; count > 0; --count) {
        std::string value;
        for (std::size_t words = random() % 300; words > 0; --words) value += std::to_string(random());
        records.emplace_back("key-" + std::to_string(random() % 4000), random() % 9 == 0 ? kNull : value);
      }
      put(records, {.codec = static_cast<base::Codec>(random() % 5)});
    }
    log().roll();
    io_bytes_per_second_max_ = rate;
    for (std::int64_t end = 0; end < log().log_end_offset(); end = clean()) {
    }
    made.push_back(log_bytes());
  }
  EXPECT_GT(made[0].size(), 2u);
  EXPECT_EQ(made[0], made[1]);
}

}  // namespace
}  // namespace storage
