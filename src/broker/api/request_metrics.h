// What is counted of requests, for Kafka's RequestMetrics: how many of which API and version, which errors their
// answers had, how long they took. Counting takes no lock and shares no cache line between event loops. Owned by the
// Dispatcher; thread-safe. A row is the place of an API in served_apis(); the one behind the last is that of fetches by
// followers.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/counters.h"
#include "base/histogram.h"
#include "protocol/error.h"

namespace broker::api {

// Of one row since the start.
struct RequestTotals {
  std::vector<std::uint64_t> requests;  // by version
  std::vector<std::uint64_t> errors;    // by error code + 1
  std::uint64_t count = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t microseconds = 0;
  base::HistogramCounts times;  // in microseconds
};

class RequestMetrics {
 public:
  static constexpr std::size_t kVersions = 32;
  static constexpr std::size_t kErrors = 160;  // error code + 1; what lies beyond counts as UNKNOWN_SERVER_ERROR

  explicit RequestMetrics(std::size_t rows);
  ~RequestMetrics();
  RequestMetrics(const RequestMetrics&) = delete;
  RequestMetrics& operator=(const RequestMetrics&) = delete;

  std::size_t rows() const { return rows_; }
  // From the whole frame to the answer that is ready to leave.
  void count_request(std::size_t row, std::int16_t version, std::uint64_t request_bytes, std::uint64_t microseconds);
  void count_error(std::size_t row, protocol::ErrorCode error);

  RequestTotals totals(std::size_t row) const;

 private:
  struct Cells;
  Cells& cells(std::size_t row);

  const std::size_t rows_;
  // Made when first used: of most APIs most threads never see one.
  std::unique_ptr<std::atomic<Cells*>[]> cells_;
};

}  // namespace broker::api
