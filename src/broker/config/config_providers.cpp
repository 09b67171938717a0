#include "broker/config/config_providers.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include "base/file_system.h"
#include "base/logging.h"
#include "base/utf8.h"
#include "broker/config/config_value.h"

namespace broker::config {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "config.providers";
constexpr std::string_view kPackage = "org.apache.kafka.common.config.provider.";
constexpr std::string_view kLogger = "org.apache.kafka.common.config.AbstractConfig";

using Value = std::optional<std::string>;
using Provider = std::function<Value(const std::string& path, const std::string& key)>;

struct Variable {
  std::string provider;
  std::string path;  // may be empty
  std::string key;
};

// What stands between the braces.
std::optional<Variable> variable_of(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == std::string_view::npos) return std::nullopt;
  Variable variable{.provider = std::string(text.substr(0, first)), .path = {}, .key = {}};
  text.remove_prefix(first + 1);
  if (const std::size_t second = text.find(':'); second != std::string_view::npos) {
    variable.path = text.substr(0, second);
    text.remove_prefix(second + 1);
  }
  variable.key = text;
  return variable;
}

std::string content_of(const std::string& path, const std::string& complaint) {
  try {
    return std::string(base::as_text(base::read_file(base::real_file_system(), path)));
  } catch (const std::system_error& error) {
    throw ConfigError(fmt::format("{}: {}", complaint, error.code().message()));
  }
}

// Kafka reads these files as UTF-8, where those of Properties are Latin-1 with escapes.
std::string escaped(std::string_view bytes) {
  const std::string text = base::as_utf8(bytes);
  std::string latin;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = base::utf8_character_at(std::string_view(text).substr(at));
    auto point = static_cast<std::uint8_t>(text[at]) & (size == 1 ? 0x7fu : 0xffu >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) point = point << 6 | (static_cast<std::uint8_t>(text[at + i]) & 0x3fu);
    at += size;
    if (point < 0x80) {
      latin += static_cast<char>(point);
    } else if (point < 0x10000) {
      latin += fmt::format("\\u{:04x}", point);
    } else {
      latin += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
  }
  return latin;
}

// allowed.paths: nothing outside of them is read.
class AllowedPaths {
 public:
  explicit AllowedPaths(const Value& list) {
    if (!list || list->empty()) return;
    allowed_.emplace();
    std::stringstream all(*list);
    for (std::string each; std::getline(all, each, ',');) {
      const fs::path path = normal(each);
      if (!path.is_absolute()) throw ConfigError(fmt::format("Path {} is not absolute", path.native()));
      if (!fs::exists(path)) throw ConfigError(fmt::format("Path {} does not exist", path.native()));
      allowed_->push_back(path);
    }
  }
  bool has(const std::string& text) const {
    if (!allowed_) return true;
    const fs::path path = normal(text);
    const bool found = std::ranges::any_of(*allowed_, [&](const fs::path& each) {
      return std::mismatch(each.begin(), each.end(), path.begin(), path.end()).first == each.end();
    });
    if (!found) base::log_warn(kLogger, "The path {} is not allowed to be accessed", text);
    return found;
  }

 private:
  // Without a slash at its end, which would be a part of its own.
  static fs::path normal(const std::string& text) {
    fs::path path = fs::path(text).lexically_normal();
    return path.has_filename() || path == path.root_path() ? path : path.parent_path();
  }
  std::optional<std::vector<fs::path>> allowed_;
};

Provider file_provider(AllowedPaths allowed) {
  return [allowed = std::move(allowed)](const std::string& path, const std::string& key) -> Value {
    if (path.empty() || !allowed.has(path)) return std::nullopt;
    const std::string complaint = fmt::format("Could not read properties from file {}", path);
    try {
      return base::Properties::parse(escaped(content_of(path, complaint))).get(key);
    } catch (const base::PropertiesError& error) {
      throw ConfigError(fmt::format("{}: line {}: {}", complaint, error.line(), error.what()));
    }
  };
}

Provider directory_provider(AllowedPaths allowed) {
  return [allowed = std::move(allowed)](const std::string& path, const std::string& key) -> Value {
    if (path.empty() || !allowed.has(path)) return std::nullopt;
    if (!fs::is_directory(path)) {
      base::log_warn(kLogger, "The path {} is not a directory", path);
      return std::nullopt;
    }
    const fs::path file = fs::path(path) / key;
    if (key.find('/') != std::string::npos || !fs::is_regular_file(file)) return std::nullopt;
    return content_of(file, fmt::format("Could not read file {} for property {}", file.native(), key));
  };
}

Provider environment_provider(const Value& pattern) {
  const auto allowed = std::make_shared<const re2::RE2>(pattern.value_or("(?s:.*)"), re2::RE2::Quiet);
  if (!allowed->ok()) throw ConfigError(fmt::format("allowlist.pattern {} is not a regular expression: {}", *pattern, allowed->error()));
  return [allowed](const std::string& path, const std::string& key) -> Value {
    if (!path.empty()) throw ConfigError(fmt::format("Path is not supported for EnvVarConfigProvider, invalid value '{}'", path));
    const char* value = std::getenv(key.c_str());
    return value == nullptr || !re2::RE2::FullMatch(key, *allowed) ? Value() : Value(value);
  };
}

Provider make_provider(const base::Properties& file, const std::string& name, std::string_view java_class) {
  const auto parameter = [&](std::string_view which) { return file.get(fmt::format("{}.{}.param.{}", kPrefix, name, which)); };
  if (java_class.starts_with(kPackage)) {
    const std::string_view known = java_class.substr(kPackage.size());
    if (known == "FileConfigProvider") return file_provider(AllowedPaths(parameter("allowed.paths")));
    if (known == "DirectoryConfigProvider") return directory_provider(AllowedPaths(parameter("allowed.paths")));
    if (known == "EnvVarConfigProvider") return environment_provider(parameter("allowlist.pattern"));
  }
  throw ConfigError(fmt::format(
      "{} is a Java class. Built in are FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider of {}", java_class,
      kPackage.substr(0, kPackage.size() - 1)));
}

// `action`, with the key in what it throws.
template <class Action>
auto about(const std::string& key, const Action& action) {
  try {
    return action();
  } catch (const ConfigError& error) {
    throw ConfigError(error.what(), key);
  }
}

std::map<std::string, Provider, std::less<>> make_providers(const base::Properties& file) {
  std::map<std::string, Provider, std::less<>> providers;
  std::stringstream names(file.get(kPrefix).value_or(""));
  for (std::string name; std::getline(names, name, ',');) {
    name = trim(name);
    const std::string key = fmt::format("{}.{}.class", kPrefix, name);
    if (const auto java_class = file.get(key)) {
      providers[name] = about(key, [&] { return make_provider(file, name, *java_class); });
    }
  }
  return providers;
}

}  // namespace

bool belongs_to_config_providers(std::string_view key) {
  return key.starts_with(kPrefix) && (key.size() == kPrefix.size() || key[kPrefix.size()] == '.');
}

void resolve_variables(base::Properties& file) {
  const auto providers = make_providers(file);
  if (providers.empty()) return;
  const base::Properties::Map before = file.entries();
  for (const auto& [key, entry] : before) {
    std::string resolved;
    std::string_view rest = entry.value;
    for (std::size_t begin = rest.find("${"); begin != std::string_view::npos; begin = rest.find("${")) {
      const std::size_t end = rest.find('}', begin);
      if (end == std::string_view::npos) break;
      const auto variable = variable_of(rest.substr(begin + 2, end - begin - 2));
      const auto provider = variable ? providers.find(variable->provider) : providers.end();
      Value value;
      if (provider != providers.end()) value = about(key, [&] { return provider->second(variable->path, variable->key); });
      const std::size_t seen = variable ? end + 1 : begin + 2;  // else another may begin within the braces
      resolved += rest.substr(0, value ? begin : seen);
      if (value) resolved += *value;
      rest.remove_prefix(seen);
    }
    resolved += rest;
    if (resolved != entry.value) file.set(key, resolved, entry.line);
  }
}

}  // namespace broker::config
