#include "broker/metrics/request_samples.h"

#include <string>

#include "broker/api/registry.h"
#include "protocol/error.h"

namespace broker::metrics {

namespace {

using base::http::Labels;
using base::http::PrometheusText;

struct Named {
  std::string name;
  api::RequestTotals totals;
  bool has_errors = true;
};

void add_to(api::RequestTotals& sum, const api::RequestTotals& more) {
  for (std::size_t i = 0; i < sum.requests.size(); ++i) sum.requests[i] += more.requests[i];
  for (std::size_t i = 0; i < sum.errors.size(); ++i) sum.errors[i] += more.errors[i];
  for (std::size_t i = 0; i < base::HistogramCounts::kBuckets; ++i) sum.times[i] += more.times[i];
  sum.count += more.count;
  sum.request_bytes += more.request_bytes;
  sum.microseconds += more.microseconds;
}

// Kafka has fetches twice: all of them, and those of consumers and of followers; errors with all of them only.
std::vector<Named> read(const api::RequestMetrics& metrics) {
  std::vector<Named> all;
  const auto apis = api::served_apis();
  for (std::size_t row = 0; row < apis.size(); ++row) {
    all.push_back({std::string(apis[row].name), metrics.totals(row)});
    if (apis[row].name != "Fetch") continue;
    Named consumers{"FetchConsumer", all.back().totals, false};
    Named followers{"FetchFollower", metrics.totals(apis.size()), false};
    add_to(all.back().totals, followers.totals);
    all.push_back(std::move(consumers));
    all.push_back(std::move(followers));
  }
  return all;
}

struct Quantile {
  const char* label;
  double part;
};
constexpr Quantile kQuantiles[] = {{"0.50", 0.5},  {"0.75", 0.75}, {"0.95", 0.95},
                                   {"0.98", 0.98}, {"0.99", 0.99}, {"0.999", 0.999}};

}  // namespace

base::HistogramCounts RecentCounts::recent(const base::HistogramCounts& now, std::int64_t now_ms) {
  while (earlier_.size() > 1 && earlier_[1].first <= now_ms - kWindowMs) earlier_.pop_front();
  base::HistogramCounts counts = earlier_.empty() ? now : now.since(earlier_.front().second);
  if (earlier_.empty()) earlier_.emplace_back(now_ms - kWindowMs, base::HistogramCounts());  // all since the start
  if (earlier_.back().first <= now_ms - kStepMs) earlier_.emplace_back(now_ms, now);
  return counts;
}

void add_times(PrometheusText& text, const std::string& name, const std::string& help, const base::HistogramCounts& times,
               RecentCounts& recent, std::int64_t now_ms) {
  text.family(name, "summary", help);
  const std::uint64_t count = times.total();
  if (count > 0) {
    const base::HistogramCounts counts = recent.recent(times, now_ms);
    for (const Quantile& each : kQuantiles) text.sample(Labels({{"quantile", each.label}}), counts.quantile(each.part) / 1000);
  }
  text.sample(Labels(), count, "_count");
}

void RequestSamples::add(PrometheusText& text, const api::RequestMetrics& metrics, std::int64_t now_ms) {
  const std::vector<Named> all = read(metrics);
  recent_.resize(all.size());
  text.family("kafka_network_requestmetrics_requests_total", "counter", "Requests that were answered");
  for (const Named& each : all) {
    for (std::size_t version = 0; version < each.totals.requests.size(); ++version) {
      if (each.totals.requests[version] == 0) continue;
      text.sample(Labels({{"request", each.name}, {"version", std::to_string(version)}}),
                  each.totals.requests[version]);
    }
  }
  text.family("kafka_network_requestmetrics_errors_total", "counter", "Error codes in answers, NONE among them");
  for (const Named& each : all) {
    for (std::size_t place = 0; each.has_errors && place < each.totals.errors.size(); ++place) {
      if (each.totals.errors[place] == 0) continue;
      const auto code = static_cast<protocol::ErrorCode>(static_cast<int>(place) - 1);
      text.sample(Labels({{"request", each.name}, {"error", protocol::name_of(code)}}), each.totals.errors[place]);
    }
  }
  text.family("kafka_network_requestmetrics_requestbytes", "summary", "Size of requests in bytes");
  for (const Named& each : all) {
    const Labels labels({{"request", each.name}});
    text.sample(labels, each.totals.count, "_count");
    text.sample(labels, each.totals.request_bytes, "_sum");
  }
  text.family("kafka_network_requestmetrics_totaltimems", "summary",
              "Milliseconds from a request's last byte to its answer");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Labels labels({{"request", all[i].name}});
    if (all[i].totals.count > 0) {
      const base::HistogramCounts counts = recent_[i].recent(all[i].totals.times, now_ms);
      for (const Quantile& each : kQuantiles) {
        text.sample(labels.with("quantile", each.label), counts.quantile(each.part) / 1000);
      }
    }
    text.sample(labels, all[i].totals.count, "_count");
    text.sample(labels, static_cast<double>(all[i].totals.microseconds) / 1000, "_sum");
  }
}

}  // namespace broker::metrics
