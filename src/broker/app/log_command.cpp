#include "broker/app/log_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>

#include "log/inspect/dump.h"
#include "log/inspect/verify.h"

namespace broker::app {
namespace {

using storage::inspect::VerifyTotals;

void line(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

// Faults go to stdout as "file:position: what"; progress, on a terminal, to stderr.
bool verify(const std::string& path, bool records) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const auto started = std::chrono::steady_clock::now();
  storage::inspect::VerifyOptions options;
  options.records = records;
  options.progress = [terminal](const VerifyTotals& totals, std::uint64_t partitions) {
    if (terminal) fmt::print(stderr, "\r{} of {} partitions, {} MB", totals.partitions, partitions, totals.bytes >> 20);
  };
  const VerifyTotals totals =
      storage::inspect::verify(base::real_file_system(), path, options, [](const storage::inspect::Fault& fault) {
        line(fmt::format("{}:{}: {}", fault.file, fault.position, fault.what));
      });
  if (terminal) fmt::print(stderr, "\n");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  line(fmt::format("{}: {} partitions, {} segments, {} batches, {}{} bytes in {:.1f} s: {}", path, totals.partitions,
                   totals.segments, totals.batches, records ? fmt::format("{} records, ", totals.records) : "",
                   totals.bytes, seconds.count(),
                   totals.faults == 0 ? "no fault" : fmt::format("{} faults", totals.faults)));
  return totals.faults == 0;
}

}  // namespace

int run_log_command(const LogCommand& command) {
  int code = 0;
  for (const std::string& path : command.paths) {
    try {
      if (command.verify) {
        if (!verify(path, command.records)) code = 1;
      } else {
        storage::inspect::DumpOptions options;
        options.records = command.records;
        storage::inspect::dump(base::real_file_system(), path, options, line);
      }
    } catch (const std::exception& error) {
      std::fflush(stdout);
      fmt::print(stderr, "milena: {}\n", error.what());
      code = 1;
    }
  }
  std::fflush(stdout);
  return code;
}

}  // namespace broker::app
