// Writes metrics in Prometheus' text format 0.0.4: a head for each family, then its samples, which must follow it at
// once. Not thread-safe.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace base::http {

// Of the HTTP response.
inline constexpr const char* kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

// Names of clients stand in each of their samples. Kafka's topics have up to 249 characters.
inline constexpr std::size_t kLabelBytesMax = 255;

// The value of a label in UTF-8, with the characters escaped that the format asks for. A long one is cut
// (base::shortened()).
std::string escaped_label(std::string_view text);

// The text {name="value",name="value"} of a sample's labels; nothing without any.
class Labels {
 public:
  struct Label {
    std::string_view name;
    std::string_view value;
  };
  Labels() {}
  Labels(std::initializer_list<Label> labels);
  // The same and one more.
  Labels with(std::string_view name, std::string_view value) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

class PrometheusText {
 public:
  // Type: counter, gauge or summary.
  void family(std::string_view name, std::string_view type, std::string_view help);
  // Of the last family. `suffix` is that of a summary: "_sum", "_count".
  void sample(const Labels& labels, double value, std::string_view suffix = "");
  template <std::integral Whole>
  void sample(const Labels& labels, Whole value, std::string_view suffix = "") {
    line(labels, std::to_string(value), suffix);
  }
  // A family with one sample.
  template <class Value>
  void single(std::string_view name, std::string_view type, std::string_view help, Value value) {
    family(name, type, help);
    sample(Labels(), value);
  }
  void add_process_metrics();
  std::size_t size() const { return text_.size(); }  // bytes
  std::string take() { return std::move(text_); }

 private:
  void line(const Labels& labels, std::string_view value, std::string_view suffix);

  std::string text_;
  std::string name_;
};

}  // namespace base::http
