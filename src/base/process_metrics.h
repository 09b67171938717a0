// What the client libraries of Prometheus tell of any process, from /proc. From any thread.
#pragma once

#include <cstddef>
#include <vector>

namespace base {

struct ProcessMetric {
  const char* name = "";
  const char* type = "gauge";
  double value = 0;
};

// process_cpu_seconds_total, process_open_fds and so on; those that the system doesn't tell are left out.
std::vector<ProcessMetric> process_metrics();
// How many descriptors the process has open; 0 if the system doesn't tell.
std::size_t open_files();

}  // namespace base
