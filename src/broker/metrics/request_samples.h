// Kafka's RequestMetrics as samples. Remembers what was counted a while ago, so that quantiles are those of the last
// minutes. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/histogram.h"
#include "base/http/prometheus_text.h"
#include "broker/api/request_metrics.h"

namespace broker::metrics {

// Counts of a while ago.
class RecentCounts {
 public:
  static constexpr std::int64_t kWindowMs = 5 * 60'000;
  static constexpr std::int64_t kStepMs = 60'000;

  // What came in the last kWindowMs or a step more; if nobody asked for so long, since that last time.
  base::HistogramCounts recent(const base::HistogramCounts& now, std::int64_t now_ms);

 private:
  std::deque<std::pair<std::int64_t, base::HistogramCounts>> earlier_;  // by time
};

// One summary without labels, of times in microseconds: their number since the start, and quantiles of late in milliseconds.
void add_times(base::http::PrometheusText& text, const std::string& name, const std::string& help, const base::HistogramCounts& times,
               RecentCounts& recent, std::int64_t now_ms);

class RequestSamples {
 public:
  void add(base::http::PrometheusText& text, const api::RequestMetrics& metrics, std::int64_t now_ms);

 private:
  std::vector<RecentCounts> recent_;  // of each name
};

}  // namespace broker::metrics
