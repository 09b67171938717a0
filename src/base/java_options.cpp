#include "base/java_options.h"

#include <strings.h>

#include <cstdlib>

namespace base {

JavaOptions JavaOptions::from_environment() {
  JavaOptions options;
  for (const char* name : {"SERVER_JVMFLAGS", "JVMFLAGS", "EXTRA_ARGS", "KAFKA_OPTS"}) {
    if (const char* words = std::getenv(name)) options.add(words);
  }
  return options;
}

void JavaOptions::add(std::string_view words) {
  constexpr std::string_view kSpace = " \t\r\n";
  for (;;) {
    std::size_t start = words.find_first_not_of(kSpace);
    if (start == std::string_view::npos) return;
    words.remove_prefix(start);
    std::string_view word = words.substr(0, words.find_first_of(kSpace));
    words.remove_prefix(word.size());
    if (!word.starts_with("-D")) continue;
    word.remove_prefix(2);
    std::size_t equals = word.find('=');
    if (word.empty() || equals == 0) continue;
    std::string_view value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
    entries_.insert_or_assign(std::string(word.substr(0, equals)), std::string(value));
  }
}

std::optional<std::string> JavaOptions::get(std::string_view name) const {
  auto found = entries_.find(name);
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

bool JavaOptions::get_bool(std::string_view name, bool otherwise) const {
  auto found = entries_.find(name);
  return found == entries_.end() ? otherwise : ::strcasecmp(found->second.c_str(), "true") == 0;
}

}  // namespace base
