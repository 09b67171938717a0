#include "base/http/prometheus_text.h"

#include <fmt/format.h>

#include <cmath>

#include "base/process_metrics.h"
#include "base/utf8.h"

namespace base::http {

namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

// Prometheus takes nothing of a text that isn't UTF-8 as a whole, and some of its names come from clients.
std::string escaped_label(std::string_view text) {
  std::string result;
  for (const char c : as_utf8(shortened(text, kLabelBytesMax))) {
    if (c == '\\' || c == '"') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result;
}

Labels::Labels(std::initializer_list<Label> labels) {
  for (const Label& label : labels) {
    text_ += text_.empty() ? '{' : ',';
    text_ += label.name;
    text_ += "=\"";
    text_ += escaped_label(label.value);
    text_ += '"';
  }
  if (!text_.empty()) text_ += '}';
}

Labels Labels::with(std::string_view name, std::string_view value) const {
  Labels more({{name, value}});
  if (!text_.empty()) more.text_ = text_.substr(0, text_.size() - 1) + "," + more.text_.substr(1);
  return more;
}

void PrometheusText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void PrometheusText::line(const Labels& labels, std::string_view value, std::string_view suffix) {
  text_.append(name_).append(suffix).append(labels.text()).append(" ").append(value).append("\n");
}

void PrometheusText::sample(const Labels& labels, double value, std::string_view suffix) {
  line(labels, number(value), suffix);
}

void PrometheusText::add_process_metrics() {
  for (const ProcessMetric& metric : process_metrics()) single(metric.name, metric.type, metric.name, metric.value);
}

}  // namespace base::http
