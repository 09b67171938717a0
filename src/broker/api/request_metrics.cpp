#include "broker/api/request_metrics.h"

namespace broker::api {

using Count = std::atomic<std::uint64_t>;

// Of one row and one stripe of threads.
struct alignas(base::kCacheLineBytes) RequestMetrics::Cells {
  std::array<Count, kVersions> requests{};
  std::array<Count, kErrors> errors{};
  Count request_bytes{0};
  Count microseconds{0};
  base::Histogram times;
};

namespace {

void add(Count& count, std::uint64_t by) { count.fetch_add(by, std::memory_order_relaxed); }

template <class Counts>
void add_all(const Counts& counts, std::vector<std::uint64_t>& totals) {
  totals.resize(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) totals[i] += counts[i].load(std::memory_order_relaxed);
}

}  // namespace

RequestMetrics::RequestMetrics(std::size_t rows)
    : rows_(rows), cells_(std::make_unique<std::atomic<Cells*>[]>(rows * base::kCounterStripes)) {}

RequestMetrics::~RequestMetrics() {
  for (std::size_t i = 0; i < rows_ * base::kCounterStripes; ++i) delete cells_[i].load();
}

RequestMetrics::Cells& RequestMetrics::cells(std::size_t row) {
  std::atomic<Cells*>& place = cells_[base::counter_stripe() * rows_ + row];
  Cells* found = place.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  auto made = std::make_unique<Cells>();
  if (place.compare_exchange_strong(found, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *found;  // another thread of the stripe was first
}

void RequestMetrics::count_request(std::size_t row, std::int16_t version, std::uint64_t request_bytes,
                                   std::uint64_t microseconds) {
  Cells& mine = cells(row);
  const auto place = static_cast<std::size_t>(version);
  add(mine.requests[place < kVersions ? place : kVersions - 1], 1);
  add(mine.request_bytes, request_bytes);
  add(mine.microseconds, microseconds);
  mine.times.add(microseconds);
}

void RequestMetrics::count_error(std::size_t row, protocol::ErrorCode error) {
  const auto place = static_cast<std::size_t>(static_cast<int>(error) + 1);
  add(cells(row).errors[place < kErrors ? place : 0], 1);
}

RequestTotals RequestMetrics::totals(std::size_t row) const {
  RequestTotals totals;
  totals.requests.resize(kVersions);
  totals.errors.resize(kErrors);
  for (std::size_t stripe = 0; stripe < base::kCounterStripes; ++stripe) {
    const Cells* cells = cells_[stripe * rows_ + row].load(std::memory_order_acquire);
    if (cells == nullptr) continue;
    add_all(cells->requests, totals.requests);
    add_all(cells->errors, totals.errors);
    totals.request_bytes += cells->request_bytes.load(std::memory_order_relaxed);
    totals.microseconds += cells->microseconds.load(std::memory_order_relaxed);
    cells->times.add_to(totals.times);
  }
  for (const std::uint64_t each : totals.requests) totals.count += each;
  return totals;
}

}  // namespace broker::api
