#include "broker/config/config_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace broker::config {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

template <class Predicate>
bool any_choice(std::string_view choices, Predicate matches) {
  while (true) {
    const std::size_t end = choices.find(", ");
    if (matches(choices.substr(0, end))) return true;
    if (end == std::string_view::npos) return false;
    choices.remove_prefix(end + 2);
  }
}

// A release stands for its last version ("3.9" and "3.9.2" for "3.9-IV0"). Before 1.0 a release has three numbers.
bool is_version(std::string_view choices, std::string_view text) {
  std::string_view release = text;
  const int numbers = text.starts_with("0.") ? 3 : 2;
  std::size_t end = 0;
  for (int i = 0; i < numbers && end != std::string_view::npos; ++i) end = text.find('.', end == 0 ? 0 : end + 1);
  if (end != std::string_view::npos) release = text.substr(0, end);
  return any_choice(choices, [&](std::string_view choice) {
    return choice == text || choice == release || choice.substr(0, choice.find("-IV")) == release;
  });
}

void require_choice(const ConfigKey& key, std::string_view text) {
  if (!any_choice(key.choices, [&](std::string_view choice) { return choice == text; })) {
    throw invalid_value(key.name, text, fmt::format("String must be one of: {}", key.choices));
  }
}

bool is_throttled_replica(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto digits = [](std::string_view part) {
    return !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
  };
  return colon != std::string_view::npos && digits(text.substr(0, colon)) && digits(text.substr(colon + 1));
}

bool is_host_and_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  return colon != std::string_view::npos && colon > 0 &&
         parse_java_integer(text.substr(colon + 1), 0, 65535).has_value();
}

void check_voter(const ConfigKey& key, std::string_view element) {
  constexpr std::string_view kForm = "Each entry should be in the form `{id}@{host}:{port}`.";
  const std::size_t at = element.find('@');
  if (at == std::string_view::npos) {
    throw ConfigError(fmt::format("Invalid configuration value for {}. {}", key.name, kForm), std::string(key.name));
  }
  if (!parse_java_integer(element.substr(0, at), 0, std::numeric_limits<std::int32_t>::max())) {
    throw ConfigError(fmt::format("Failed to parse voter ID as an integer from {}", element.substr(0, at)),
                      std::string(key.name));
  }
  if (!is_host_and_port(element.substr(at + 1))) {
    throw ConfigError(
        fmt::format("Failed to parse host name from entry {} for the configuration {}. {}", element, key.name, kForm),
        std::string(key.name));
  }
}

void check_list(const ConfigKey& key, const std::vector<std::string>& list) {
  switch (key.rule) {
    case Rule::one_of:
      for (const std::string& element : list) require_choice(key, element);
      return;
    case Rule::throttled_replicas:
      if (list == std::vector<std::string>{"*"} || std::ranges::all_of(list, is_throttled_replica)) return;
      throw invalid_value(key.name, fmt::format("[{}]", fmt::join(list, ", ")),
                          fmt::format("{} must be the literal '*' or a list of replicas in the following format: {}",
                                      key.name, key.allowed));
    case Rule::host_and_port_list:
      for (const std::string& element : list) {
        if (is_host_and_port(element)) continue;
        throw ConfigError(
            fmt::format("Failed to parse host name from {} for the configuration {}. Each entry should be "
                        "in the form \"{{host}}:{{port}}\"",
                        element, key.name),
            std::string(key.name));
      }
      return;
    case Rule::voter_list:
      for (const std::string& element : list) check_voter(key, element);
      return;
    default:
      return;
  }
}

void check_string(const ConfigKey& key, const std::string& text) {
  switch (key.rule) {
    case Rule::one_of:
      return require_choice(key, text);
    case Rule::one_of_ignoring_case:
      if (any_choice(key.choices, [&](std::string_view choice) { return equals_ignoring_case(choice, text); })) return;
      throw invalid_value(key.name, text, fmt::format("String must be one of (case insensitive): {}", key.choices));
    case Rule::version:
      if (is_version(key.choices, text)) return;
      throw invalid_value(key.name, text, fmt::format("Version {} is not a valid version", text));
    case Rule::not_empty:
      if (!text.empty()) return;
      throw invalid_value(key.name, text, "String must be non-empty");
    default:
      return;
  }
}

template <class Number>
void check_number(const ConfigKey& key, Number number, const std::string& text) {
  // Every bound is small enough to be exact as a double.
  const auto below = [&](double bound) { return static_cast<double>(number) < bound; };
  const auto above = [&](double bound) { return static_cast<double>(number) > bound; };
  switch (key.rule) {
    case Rule::between:
    case Rule::at_least:
      if (below(key.minimum))
        throw invalid_value(key.name, text, fmt::format("Value must be at least {}", key.minimum));
      if (key.rule == Rule::between && above(key.maximum)) {
        throw invalid_value(key.name, text, fmt::format("Value must be no more than {}", key.maximum));
      }
      return;
    case Rule::between_or_minus_one:
      if (number == Number{-1} || (!below(key.minimum) && !above(key.maximum))) return;
      throw invalid_value(key.name, text,
                          fmt::format("Value must be between {} and {} or equal to -1", key.minimum, key.maximum));
    case Rule::minus_one_or_positive:
      if (number == Number{-1} || !below(1)) return;
      throw invalid_value(key.name, text, "Value can be -1 or greater than 0");
    default:
      return;
  }
}

ConfigValue parse_integer(const ConfigKey& key, std::string_view raw, std::string_view text) {
  std::int64_t minimum = std::numeric_limits<std::int64_t>::min();
  std::int64_t maximum = std::numeric_limits<std::int64_t>::max();
  if (key.type == ConfigType::int32) {
    minimum = std::numeric_limits<std::int32_t>::min(), maximum = std::numeric_limits<std::int32_t>::max();
  } else if (key.type == ConfigType::int16) {
    minimum = std::numeric_limits<std::int16_t>::min(), maximum = std::numeric_limits<std::int16_t>::max();
  }
  const auto number = parse_java_integer(text, minimum, maximum);
  if (!number) throw invalid_value(key.name, raw, fmt::format("Not a number of type {}", name_of(key.type)));
  check_number(key, *number, std::to_string(*number));
  return *number;
}

}  // namespace

ConfigError invalid_value(std::string_view key, std::string_view value, std::string_view reason) {
  return ConfigError(fmt::format("Invalid value {} for configuration {}: {}", value, key, reason), std::string(key));
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string> split_list(std::string_view text) {
  text = trim(text);
  std::vector<std::string> elements;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    elements.emplace_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) elements.emplace_back();
  }
  return elements;
}

std::optional<std::int64_t> parse_java_integer(std::string_view text, std::int64_t minimum, std::int64_t maximum) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (number < minimum || number > maximum) return std::nullopt;
  return number;
}

std::optional<double> parse_java_double(std::string_view text) {
  text = trim(text);
  double sign = 1;
  if (text.starts_with('+') || text.starts_with('-')) {
    sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return sign * std::numeric_limits<double>::infinity();
  if (text.size() > 1 && std::string_view("dDfF").find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  // from_chars would also take "inf" and "nan".
  if (text.empty() || !((text.front() >= '0' && text.front() <= '9') || text.front() == '.')) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::nullopt;
  if (error != std::errc{}) return std::nullopt;
  return sign * number;
}

std::string java_double_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  const bool plain = std::abs(value) >= 1e-3 && std::abs(value) < 1e7;
  char buffer[512];
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value, format);
  std::string text(buffer, result.ptr);
  if (plain) return text.find('.') == std::string::npos ? text + ".0" : text;
  const std::size_t e = text.find('e');
  std::string mantissa = text.substr(0, e);
  if (mantissa.find('.') == std::string::npos) mantissa += ".0";
  const auto exponent = parse_java_integer(std::string_view(text).substr(e + 1), -400, 400);
  return fmt::format("{}E{}", mantissa, exponent.value_or(0));
}

ConfigValue parse_value(const ConfigKey& key, std::string_view raw) {
  const std::string_view text = trim(raw);
  switch (key.type) {
    case ConfigType::boolean:
      if (equals_ignoring_case(text, "true")) return true;
      if (equals_ignoring_case(text, "false")) return false;
      throw invalid_value(key.name, raw, "Expected value to be either true or false");
    case ConfigType::int16:
    case ConfigType::int32:
    case ConfigType::int64:
      return parse_integer(key, raw, text);
    case ConfigType::float64: {
      const auto number = parse_java_double(text);
      if (!number) throw invalid_value(key.name, raw, "Not a number of type DOUBLE");
      check_number(key, *number, java_double_text(*number));
      return *number;
    }
    case ConfigType::list: {
      std::vector<std::string> list = split_list(text);
      check_list(key, list);
      return list;
    }
    default: {
      std::string string(text);
      check_string(key, string);
      return string;
    }
  }
}

ConfigValue default_value(const ConfigKey& key) {
  if (!key.default_text) return std::monostate{};
  return parse_value(key, *key.default_text);
}

std::optional<std::string> to_text(const ConfigValue& value) {
  struct Visitor {
    std::optional<std::string> operator()(std::monostate) const { return std::nullopt; }
    std::optional<std::string> operator()(bool flag) const { return flag ? "true" : "false"; }
    std::optional<std::string> operator()(std::int64_t number) const { return std::to_string(number); }
    std::optional<std::string> operator()(double number) const { return java_double_text(number); }
    std::optional<std::string> operator()(const std::string& text) const { return text; }
    std::optional<std::string> operator()(const std::vector<std::string>& list) const {
      return fmt::format("{}", fmt::join(list, ","));
    }
  };
  return std::visit(Visitor{}, value);
}

}  // namespace broker::config
