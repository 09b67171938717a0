#include "base/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "base/utf8.h"

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

bool is_plain(char c) { return (c >= ' ' && c <= '~') || c == '\t'; }

// How many bytes the character at the beginning has; 0 if it isn't one, or ends a line, or steers a terminal.
std::size_t bytes_of_visible(std::string_view text) {
  if (is_plain(text.front())) return 1;
  const std::size_t bytes = utf8_character_at(text);
  const bool is_c1 = text.front() == '\xc2' && bytes == 2 && static_cast<unsigned char>(text[1]) < 0xa0;
  const bool is_separator = text.starts_with("\xe2\x80\xa8") || text.starts_with("\xe2\x80\xa9");
  return bytes < 2 || is_c1 || is_separator ? 0 : bytes;
}

}  // namespace

std::string without_control_characters(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bytes = bytes_of_visible(text);
    if (bytes > 0) {
      shown += text.substr(0, bytes);
    } else if (text.front() == '\n' || text.front() == '\r') {
      shown += text.front() == '\n' ? "\\n" : "\\r";
    } else {
      fmt::format_to(std::back_inserter(shown), "\\x{:02x}", static_cast<unsigned char>(text.front()));
    }
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return shown;
}

void set_log_level(LogLevel lowest) { logger().set_level(to_spdlog(lowest)); }
bool log_enabled(LogLevel level) { return logger().should_log(to_spdlog(level)); }
void flush_log() { logger().flush(); }

void write_log(LogLevel level, std::string_view name, std::string_view text) {
  if (std::ranges::all_of(text, is_plain)) return write_log_lines(level, name, text);
  write_log_lines(level, name, without_control_characters(text));
}

void write_log_lines(LogLevel level, std::string_view name, std::string_view text) {
  logger().log(to_spdlog(level), "{} {} ({})", name_of(level), text, name);
}

}  // namespace base
