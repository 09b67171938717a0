#include "zk/server/config_values.h"

#include <charconv>

#include "zk/server/config.h"

namespace zk::server {

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

}  // namespace

bool is_secret(std::string_view key) {
  const std::string name = lower(std::string(key));
  auto names = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  return names("password") || names("passwd") || names("superdigest") || name.starts_with("user_");
}

void refuse_value(const std::string& key, const ConfigEntry& entry, const std::string& allowed) {
  throw ConfigError(entry.line, key + "=" + (is_secret(key) ? kHidden : entry.value) + " is not valid: " + allowed);
}

std::vector<std::string> value_list(std::string_view value) {
  std::vector<std::string> parts;
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    std::string_view part = value.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
  }
  return parts;
}

std::string trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

std::int64_t number_value(const std::string& key, const ConfigEntry& entry, std::int64_t lowest, std::int64_t highest) {
  std::string text = trimmed(entry.value);
  std::string_view digits = text;
  int base = 10;
  if (digits.starts_with("0x")) {
    digits.remove_prefix(2);
    base = 16;
  }
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size() || value < lowest || value > highest) {
    refuse_value(key, entry, "it must be a number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return value;
}

bool boolean_value(const std::string& key, const ConfigEntry& entry) {
  std::string_view value = choice_value(key, entry, {"true", "false", "yes", "no"});
  return value == "true" || value == "yes";
}

bool switch_value(std::vector<std::string>& warnings, const std::string& key, const ConfigEntry& entry) {
  const std::string_view value = choice_value(key, entry, {"true", "false", "yes", "no"});
  if (value == "yes") warnings.push_back(key + "=yes is false, here as in ZooKeeper: only true is true");
  return value == "true";
}

bool protecting_value(const std::string& key, const ConfigEntry& entry) {
  const std::string text = lower(trimmed(entry.value));
  if (text != "true" && text != "false") refuse_value(key, entry, "it must be true or false");
  return text == "true";
}

std::string_view choice_value(const std::string& key, const ConfigEntry& entry,
                              std::initializer_list<std::string_view> choices) {
  std::string text = lower(trimmed(entry.value));
  std::string allowed;
  for (std::string_view choice : choices) {
    if (lower(std::string(choice)) == text) return choice;
    if (!allowed.empty()) allowed += ", ";
    allowed += choice.empty() ? "nothing" : choice;
  }
  refuse_value(key, entry, "it must be one of " + allowed);
}

}  // namespace zk::server
