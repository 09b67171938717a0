#include "base/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace base {

namespace {

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

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

std::size_t open_files() {
  std::error_code ignored;
  std::filesystem::directory_iterator entries("/proc/self/fd", ignored);
  return ignored ? 0 : static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

std::vector<ProcessMetric> process_metrics() {
  std::vector<ProcessMetric> metrics;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  metrics.push_back({"process_cpu_seconds_total", "counter", seconds(usage.ru_utime) + seconds(usage.ru_stime)});
  metrics.push_back({"process_open_fds", "gauge", static_cast<double>(open_files())});
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    metrics.push_back({"process_max_fds", "gauge", static_cast<double>(limit.rlim_cur)});
  }
  metrics.push_back({"process_start_time_seconds", "gauge", process_start_seconds()});
  std::ifstream file("/proc/self/statm");
  double pages = 0, resident = 0;
  if (file >> pages >> resident) {
    const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
    metrics.push_back({"process_virtual_memory_bytes", "gauge", pages * page_bytes});
    metrics.push_back({"process_resident_memory_bytes", "gauge", resident * page_bytes});
  }
  return metrics;
}

}  // namespace base
