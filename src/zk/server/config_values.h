// Values of zoo.cfg as their types, each refused with a ConfigError that says what is allowed. Pure functions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/properties.h"

namespace zk::server {

using ConfigEntry = base::Properties::Entry;

// Passwords and their kind, in any case: the value of such a key is shown as kHidden.
bool is_secret(std::string_view key);
inline constexpr const char* kHidden = "******";

[[noreturn]] void refuse_value(const std::string& key, const ConfigEntry& entry, const std::string& allowed);
std::string trimmed(std::string_view text);
// The parts between commas, without spaces around them; empty ones are left out.
std::vector<std::string> value_list(std::string_view text);
// Decimal, or hexadecimal after 0x.
std::int64_t number_value(const std::string& key, const ConfigEntry& entry, std::int64_t lowest, std::int64_t highest);
// true, false, yes or no, in any case.
bool boolean_value(const std::string& key, const ConfigEntry& entry);
// The same of a switch that ZooKeeper asks Java's Boolean for: to that, "yes" is false, which a warning tells.
bool switch_value(std::vector<std::string>& warnings, const std::string& key, const ConfigEntry& entry);
// true or false, in any case. For a switch that protects: ZooKeeper would take whatever else for false, and a typing mistake should not
// open what its owner meant to close; and for those where ZooKeeper itself refuses what is neither.
bool protecting_value(const std::string& key, const ConfigEntry& entry);
// One of these, in any case; returned as it is written here.
std::string_view choice_value(const std::string& key, const ConfigEntry& entry,
                              std::initializer_list<std::string_view> choices);

}  // namespace zk::server
