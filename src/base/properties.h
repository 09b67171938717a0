// Java's .properties format, as Properties.load(InputStream) reads and store() writes it: server.properties,
// zookeeper.properties, meta.properties. Files are Latin-1 with \uXXXX escapes; the strings here are UTF-8. Plain
// values without I/O or locks. Each entry remembers its line, so that a complaint can name it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace base {

class PropertiesError : public std::runtime_error {
 public:
  PropertiesError(int line, const std::string& what) : std::runtime_error(what), line_(line) {}
  int line() const { return line_; }

 private:
  int line_;
};

class Properties {
 public:
  struct Entry {
    std::string value;
    int line = 0;  // of the key's first character, counted from 1; 0 if set by hand
  };
  using Map = std::map<std::string, Entry, std::less<>>;

  // The later of two equal keys wins, and its line counts. Throws PropertiesError on a malformed \uXXXX.
  static Properties parse(std::string_view text);

  void set(std::string key, std::string value, int line = 0);
  bool erase(std::string_view key);
  const Entry* find(std::string_view key) const;  // null if absent
  std::optional<std::string> get(std::string_view key) const;
  const Map& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

 private:
  Map entries_;
};

// What store(out, comment) writes: "#comment", "#date", then the pairs in the order given.
std::string write_properties(const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view comment,
                             std::int64_t now_ms);

}  // namespace base
