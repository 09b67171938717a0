// A JAAS login configuration, as Java reads the file of -Djava.security.auth.login.config: named sections of login
// modules with options. Parsed from bytes without I/O; a mistake is a JaasError with its line. Values hold passwords:
// nothing here puts one into a message. Plain values without locks. Source of the syntax: the documentation of
// javax.security.auth.login.Configuration.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace base {

class JaasError : public std::runtime_error {
 public:
  JaasError(int line, const std::string& what) : std::runtime_error(what), line_(line) {}
  int line() const { return line_; }  // counted from 1

 private:
  int line_;
};

struct JaasModule {
  std::string name;  // the class, with its package
  std::string flag;  // required, requisite, sufficient or optional
  std::map<std::string, std::string, std::less<>> options;
  int line = 0;

  std::optional<std::string> option(std::string_view key) const;
  bool is_true(std::string_view key) const;           // "true" in any case
  bool is_class(std::string_view simple_name) const;  // name without its package
};

class Jaas {
 public:
  static constexpr std::size_t kFileBytesMax = 1024 * 1024;

  // `property` gives the values of ${name} in options, as Java's system properties do; without one such a name is an
  // error. The text must not be longer than kFileBytesMax.
  using PropertyLookup = std::function<std::optional<std::string>(const std::string& name)>;
  static Jaas parse(std::string_view text, const PropertyLookup& property = nullptr);

  // Null if there is no such section. A section has at least one module.
  const std::vector<JaasModule>* find(std::string_view section) const;
  const std::map<std::string, std::vector<JaasModule>, std::less<>>& sections() const { return sections_; }

 private:
  std::map<std::string, std::vector<JaasModule>, std::less<>> sections_;
};

}  // namespace base
