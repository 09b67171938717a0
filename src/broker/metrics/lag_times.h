// When the first record was written that a group hasn't consumed yet. It stands in a log, so that finding it may wait
// for a disk and unpack a batch: what was found is remembered for as long as somebody asks for the same offset, and a
// round of questions has a time limit. What it didn't get to has no answer, and is first in the next round. One thread,
// none of the event loops.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "log/log.h"

namespace broker::metrics {

struct LagQuestion {
  LagQuestion() {}
  base::Uuid topic_id;
  std::shared_ptr<storage::Log> log;
  std::int64_t offset = 0;  // the first that isn't consumed; below the high watermark
  std::optional<std::int64_t> timestamp;  // the answer; nothing if the record has none, or couldn't be read (in time)
};

class LagTimes {
 public:
  static constexpr std::chrono::milliseconds kTimeLimit{2000};
  explicit LagTimes(std::chrono::milliseconds time_limit = kTimeLimit) : time_limit_(time_limit) {}

  // Finds at least one that isn't remembered. What nobody asked for this time is forgotten.
  void answer(std::vector<LagQuestion>& questions);
  std::size_t remembered() const;

 private:
  struct Place {
    std::string topic;
    base::Uuid topic_id;
    std::int32_t partition = 0;
    auto operator<=>(const Place&) const = default;
  };
  struct Known {
    bool found = false;
    std::optional<std::int64_t> timestamp;
    std::uint64_t round = 0;  // in which it was last asked for
  };

  void forget_the_rest();

  const std::chrono::milliseconds time_limit_;
  std::map<Place, std::map<std::int64_t, Known>> known_;
  std::uint64_t round_ = 0;
  std::size_t next_ = 0;  // where the next round begins to look
};

// The timestamp of the first record at `offset` or behind it, below the high watermark; nothing if there is none, or if
// it has no timestamp. What can't be unpacked has its batch's last one. Waits for disks.
std::optional<std::int64_t> timestamp_at(storage::Log& log, std::int64_t offset);

}  // namespace broker::metrics
