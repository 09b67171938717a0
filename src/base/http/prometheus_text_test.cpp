#include "base/http/prometheus_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace base::http {
namespace {

TEST(PrometheusText, FamiliesAndSamples) {
  PrometheusText text;
  text.single("up", "gauge", "It runs", 1);
  text.family("requests", "summary", "How long");
  const Labels labels({{"request", "a\"b\\c\nd"}, {"version", ""}});
  text.sample(labels.with("quantile", "0.5"), 0.25);
  text.sample(labels, std::uint64_t{18446744073709551615u}, "_count");
  text.sample(Labels().with("x", "y"), std::numeric_limits<double>::quiet_NaN(), "_sum");
  EXPECT_EQ(text.take(),
            "# HELP up It runs\n# TYPE up gauge\nup 1\n"
            "# HELP requests How long\n# TYPE requests summary\n"
            "requests{request=\"a\\\"b\\\\c\\nd\",version=\"\",quantile=\"0.5\"} 0.25\n"
            "requests_count{request=\"a\\\"b\\\\c\\nd\",version=\"\"} 18446744073709551615\n"
            "requests_sum{x=\"y\"} NaN\n");
}

TEST(PrometheusText, LabelsAreUtf8) {
  EXPECT_EQ(Labels({{"group", "a\xff" "b\xc3"}}).text(), "{group=\"a\xef\xbf\xbd" "b\xef\xbf\xbd\"}");
  EXPECT_EQ(Labels({{"group", "gr\xc3\xbc\xc3\x9f" "e\n\"\\"}}).text(), "{group=\"gr\xc3\xbc\xc3\x9f" "e\\n\\\"\\\\\"}");
}

TEST(PrometheusText, LongLabelsAreCut) {
  const std::string topic(249, 't'), group(32'000, 'g');
  EXPECT_EQ(escaped_label(topic), topic);
  EXPECT_EQ(escaped_label(group).size(), kLabelBytesMax);
  EXPECT_NE(escaped_label(group), escaped_label(group + "g"));
}

TEST(PrometheusText, Numbers) {
  PrometheusText text;
  text.single("a", "gauge", "a", std::numeric_limits<double>::infinity());
  text.single("b", "gauge", "b", -1.5);
  text.single("c", "gauge", "c", 1e300);
  text.single("d", "gauge", "d", std::int64_t{-7});
  const std::string all = text.take();
  EXPECT_NE(all.find("\na +Inf\n"), std::string::npos);
  EXPECT_NE(all.find("\nb -1.5\n"), std::string::npos);
  EXPECT_NE(all.find("\nc 1e+300\n"), std::string::npos);
  EXPECT_NE(all.find("\nd -7\n"), std::string::npos);
}

TEST(PrometheusText, TellsOfTheProcess) {
  PrometheusText text;
  text.add_process_metrics();
  const std::string all = text.take();
  for (const char* name : {"process_cpu_seconds_total", "process_open_fds", "process_max_fds",
                           "process_start_time_seconds", "process_virtual_memory_bytes",
                           "process_resident_memory_bytes"}) {
    EXPECT_NE(all.find(std::string("\n") + name + " "), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace base::http
