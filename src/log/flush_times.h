// How long flushes of logs took, in microseconds since the start, over all logs of the process: Kafka's LogFlushStats, which is one for all
// of them too. Thread-safe.
#pragma once

#include "base/histogram.h"

namespace storage {

inline base::Histogram& flush_times() {
  static base::Histogram times;
  return times;
}

}  // namespace storage
