// The value of one configuration key: parsed from text, checked against the key's rule, turned back into the text that
// Kafka shows. Java's rules for numbers, blanks and lists. Plain functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/config/config_key.h"

namespace broker::config {

using StringMap = std::map<std::string, std::string, std::less<>>;

// What is wrong with a configuration, in the words of Kafka's ConfigException.
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(const std::string& what, std::string key = {}) : std::runtime_error(what) {
    if (!key.empty()) keys_.push_back(std::move(key));
  }
  // Of a check of several keys against each other, or of a value that the key's own rule allows.
  ConfigError(const std::string& what, std::vector<std::string> keys, std::string allowed)
      : std::runtime_error(what), keys_(std::move(keys)), allowed_(std::move(allowed)) {}
  std::string key() const { return keys_.empty() ? std::string() : keys_.front(); }  // empty: it is about none
  const std::vector<std::string>& keys() const { return keys_; }  // whose values don't fit, in the order of their weight
  const std::string& allowed() const { return allowed_; }         // empty: what the keys' own rules say

 private:
  std::vector<std::string> keys_;
  std::string allowed_;
};

// Kafka has two kinds of error for topics; the answers to AlterConfigs differ in a prefix.
class InvalidTopicConfig : public ConfigError {
 public:
  using ConfigError::ConfigError;
};

// "Invalid value <value> for configuration <key>: <reason>"
ConfigError invalid_value(std::string_view key, std::string_view value, std::string_view reason);

// Nothing is null. Numbers of every width are int64, a password is its text.
using ConfigValue = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

// Parses and checks; throws ConfigError. A class name is kept as text: what may stand there is decided where it is
// used.
ConfigValue parse_value(const ConfigKey& key, std::string_view text);
ConfigValue default_value(const ConfigKey& key);
// Kafka's ConfigDef.convertToString; nothing for null. Shows passwords: the caller hides them.
std::optional<std::string> to_text(const ConfigValue& value);

std::string_view trim(std::string_view text);  // as Java's String.trim()
std::vector<std::string> split_list(
    std::string_view text);  // at commas, blanks around them dropped; empty: no elements
std::optional<std::int64_t> parse_java_integer(std::string_view text, std::int64_t minimum, std::int64_t maximum);
std::optional<double> parse_java_double(std::string_view text);
std::string java_double_text(double value);  // "0.5", "1.7976931348623157E308"

}  // namespace broker::config
