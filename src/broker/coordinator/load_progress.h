// How far the loading of one partition of an internal topic has come, for a line in the log every few seconds. Plain
// state of the thread that loads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace broker::coordinator {

class LoadProgress {
 public:
  // Offsets: where the log begins, and where loading will end.
  LoadProgress(const base::Clock& clock, std::string partition, std::int64_t begin, std::int64_t end);

  // The line that is due when the next to be read is `offset`, if one is:
  //   Loading __consumer_offsets-7: 42% of 1000000 offsets, 580000 left, 250000 a second
  std::optional<std::string> line_due(std::int64_t offset);

 private:
  const base::Clock& clock_;
  const std::string partition_;
  const std::int64_t begin_;
  const std::int64_t end_;
  const std::int64_t began_ms_;
  std::int64_t last_line_ms_;
};

}  // namespace broker::coordinator
