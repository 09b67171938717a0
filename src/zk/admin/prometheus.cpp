#include "zk/admin/prometheus.h"

#include <fmt/format.h>

#include "base/http/prometheus_text.h"
#include "base/process_metrics.h"
#include "zk/server/monitor.h"

namespace zk::admin {

namespace {

using base::http::escaped_label;
using server::Summary;

void head(std::string& text, std::string_view name, std::string_view type) {
  text += fmt::format("# HELP {0} {0}\n# TYPE {0} {1}\n", name, type);
}

void line(std::string& text, std::string_view name, std::string_view labels, std::string_view value) {
  text += fmt::format("{}{} {}\n", name, labels, value);
}

std::string number(double value) { return server::java_number(value); }

void add_summary(std::string& text, std::string_view name, const Summary* summary, bool detailed,
                 const std::string& key = "") {
  const std::string label = key.empty() ? "" : fmt::format("key=\"{}\",", escaped_label(key));
  auto quantile = [&](const char* label_value, double part) {
    bool known = summary != nullptr && summary->has_quantiles();
    line(text, name, fmt::format("{{{}quantile=\"{}\",}}", label, label_value),
         known ? number(static_cast<double>(summary->quantile(part))) : "NaN");
  };
  quantile("0.5", 0.5);
  if (detailed) {
    quantile("0.9", 0.9);
    quantile("0.99", 0.99);
  }
  const std::string labels = label.empty() ? "" : "{" + label + "}";
  line(text, fmt::format("{}_count", name), labels, number(static_cast<double>(summary ? summary->count() : 0)));
  line(text, fmt::format("{}_sum", name), labels, number(static_cast<double>(summary ? summary->sum() : 0)));
}

void add_gauges(std::string& text, const server::Coordinator& coordinator) {
  for (const server::MonitorRow& row : server::monitor_gauges(coordinator)) {
    double value = 0;
    if (const auto* whole = std::get_if<std::int64_t>(&row.value)) {
      value = static_cast<double>(*whole);
    } else if (const auto* part = std::get_if<double>(&row.value)) {
      value = *part;
    } else {
      continue;  // version and state are no numbers
    }
    head(text, row.name, "gauge");
    line(text, row.name, "", number(value));
  }
}

void add_quotas(std::string& text, const server::Coordinator& coordinator) {
  auto quotas = server::quota_use(coordinator);
  auto gauge = [&](const char* name, std::int64_t server::QuotaUse::*member) {
    head(text, name, "gauge");
    for (const auto& [key, use] : quotas) {
      line(text, name, fmt::format("{{key=\"{}\",}}", escaped_label(key)), number(static_cast<double>(use.*member)));
    }
  };
  gauge("quota_count_limit_per_namespace", &server::QuotaUse::count_limit);
  gauge("quota_bytes_limit_per_namespace", &server::QuotaUse::bytes_limit);
  gauge("quota_count_usage_per_namespace", &server::QuotaUse::count);
  gauge("quota_bytes_usage_per_namespace", &server::QuotaUse::bytes);
  const char* name = "quota_exceeded_error_per_namespace";
  head(text, name, "counter");
  for (const auto& [key, count] : coordinator.stats().metrics.quota_exceeded_error_per_namespace) {
    line(text, name, fmt::format("{{key=\"{}\",}}", escaped_label(key)), number(static_cast<double>(count)));
  }
}

void add_process(std::string& text) {
  for (const base::ProcessMetric& metric : base::process_metrics()) {
    head(text, metric.name, metric.type);
    line(text, metric.name, "", number(metric.value));
  }
}

}  // namespace

std::string prometheus_text(const server::Coordinator& coordinator) {
  const server::Metrics& metrics = coordinator.stats().metrics;
  std::string text;
  add_gauges(text, coordinator);
  add_quotas(text, coordinator);
  for (const server::CounterName& counter : server::counter_names()) {
    head(text, counter.name, "counter");
    std::uint64_t value = counter.member == nullptr ? 0 : metrics.*counter.member;
    line(text, counter.name, "", number(static_cast<double>(value)));
  }
  for (const server::SummaryName& summary : server::summary_names()) {
    head(text, summary.name, "summary");
    add_summary(text, summary.name, summary.member == nullptr ? nullptr : &(metrics.*summary.member), summary.detailed);
  }
  for (const auto& [name, map] : {std::pair("write_per_namespace", &metrics.write_per_namespace),
                                  std::pair("read_per_namespace", &metrics.read_per_namespace)}) {
    head(text, name, "summary");
    for (const auto& [key, summary] : *map) add_summary(text, name, &summary, false, key);
  }
  // Sets that only an ensemble fills.
  for (const char* name : {"ack_latency", "learner_handler_qp_size", "learner_handler_qp_time_ms"}) {
    head(text, name, "summary");
  }
  add_process(text);
  return text;
}

}  // namespace zk::admin
