#include "base/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace base {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::fatal: return spdlog::level::critical;
  }
  return spdlog::level::info;
}

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "DEBUG";
    case LogLevel::info: return "INFO";
    case LogLevel::warn: return "WARN";
    case LogLevel::error: return "ERROR";
    case LogLevel::fatal: return "FATAL";
  }
  return "INFO";
}

spdlog::logger& logger() {
  // Leaked on purpose: threads may still log while static objects are destroyed.
  static spdlog::logger& instance = *[] {
    auto* created = new spdlog::logger("milena", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    created->set_pattern("[%Y-%m-%d %H:%M:%S,%e] %v");
    created->flush_on(spdlog::level::debug);
    return created;
  }();
  return instance;
}

}  // namespace

void set_log_level(LogLevel lowest) { logger().set_level(to_spdlog(lowest)); }
bool log_enabled(LogLevel level) { return logger().should_log(to_spdlog(level)); }
void flush_log() { logger().flush(); }

void write_log(LogLevel level, std::string_view name, std::string_view text) {
  logger().log(to_spdlog(level), "{} {} ({})", name_of(level), text, name);
}

}  // namespace base
