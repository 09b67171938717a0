// The process's log: lines in Kafka's log4j layout on standard output,
//   [2026-11-23 01:02:57,123] INFO text (kafka.server.KafkaServer)
// Thread-safe. The logger is the class name of Kafka's that a reader of such logs would look for, or one of ours in
// that style ("milena.log.Segment"). Never pass secrets. What clients send may be passed: it can't begin a line of its own or
// steer a terminal. spdlog writes the lines; its headers stay in logging.cpp.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace base {

enum class LogLevel { debug, info, warn, error, fatal };

void set_log_level(LogLevel lowest);
bool log_enabled(LogLevel level);
void flush_log();
void write_log(LogLevel level, std::string_view logger, std::string_view text);
// Of several lines, for those who look for Kafka's. `text` is made of nothing that comes from outside.
void write_log_lines(LogLevel level, std::string_view logger, std::string_view text);
// "\n", "\r" or "\x1b" for what isn't a visible character of UTF-8, but for the tab, which a line may have.
std::string without_control_characters(std::string_view text);

template <class... Args>
void log(LogLevel level, std::string_view logger, fmt::format_string<Args...> format, Args&&... args) {
  if (!log_enabled(level)) return;
  write_log(level, logger, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(std::string_view logger, fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, logger, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(std::string_view logger, fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, logger, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warn(std::string_view logger, fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warn, logger, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(std::string_view logger, fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::error, logger, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_fatal(std::string_view logger, fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::fatal, logger, format, std::forward<Args>(args)...);
}

}  // namespace base
