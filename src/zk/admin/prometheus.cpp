#include "zk/admin/prometheus.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "zk/server/monitor.h"

namespace zk::admin {

namespace {

using server::Summary;

void head(std::string& text, std::string_view name, std::string_view type) {
  text += fmt::format("# HELP {0} {0}\n# TYPE {0} {1}\n", name, type);
}

void line(std::string& text, std::string_view name, std::string_view labels, std::string_view value) {
  text += fmt::format("{}{} {}\n", name, labels, value);
}

std::string number(double value) { return server::java_number(value); }

// A label's value with the three characters escaped that the format asks for.
std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result;
}

void add_summary(std::string& text, std::string_view name, const Summary* summary, bool detailed,
                 const std::string& key = "") {
  const std::string label = key.empty() ? "" : fmt::format("key=\"{}\",", escaped(key));
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
      line(text, name, fmt::format("{{key=\"{}\",}}", escaped(key)), number(static_cast<double>(use.*member)));
    }
  };
  gauge("quota_count_limit_per_namespace", &server::QuotaUse::count_limit);
  gauge("quota_bytes_limit_per_namespace", &server::QuotaUse::bytes_limit);
  gauge("quota_count_usage_per_namespace", &server::QuotaUse::count);
  gauge("quota_bytes_usage_per_namespace", &server::QuotaUse::bytes);
  const char* name = "quota_exceeded_error_per_namespace";
  head(text, name, "counter");
  for (const auto& [key, count] : coordinator.stats().metrics.quota_exceeded_error_per_namespace) {
    line(text, name, fmt::format("{{key=\"{}\",}}", escaped(key)), number(static_cast<double>(count)));
  }
}

// Since 1970: when the machine came up, and the ticks from then on; fields 22 of one file and a line of another.
double process_start_seconds() {
  std::ifstream process("/proc/self/stat"), machine("/proc/stat");
  std::string text;
  std::getline(process, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  for (int field = 3; field < 22; ++field) fields >> text;
  double ticks = 0, boot = 0;
  fields >> ticks;
  while (machine >> text) {
    if (text == "btime") machine >> boot;
  }
  return boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// What the Java client library of Prometheus says about any process.
void add_process(std::string& text) {
  auto gauge = [&](const char* name, const char* type, double value) {
    head(text, name, type);
    line(text, name, "", number(value));
  };
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  gauge("process_cpu_seconds_total", "counter", seconds(usage.ru_utime) + seconds(usage.ru_stime));
  gauge("process_open_fds", "gauge", static_cast<double>(server::open_files()));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) gauge("process_max_fds", "gauge", static_cast<double>(limit.rlim_cur));
  gauge("process_start_time_seconds", "gauge", process_start_seconds());
  std::ifstream file("/proc/self/statm");
  double pages = 0, resident = 0;
  if (file >> pages >> resident) {
    auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
    gauge("process_virtual_memory_bytes", "gauge", pages * page_bytes);
    gauge("process_resident_memory_bytes", "gauge", resident * page_bytes);
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
