// What users of the Java servers put into the environment for the JVM: options `-Dname=value` in SERVER_JVMFLAGS,
// JVMFLAGS, EXTRA_ARGS and KAFKA_OPTS, so that a start script needs no change. Words are cut at white space, as the
// shell scripts of Kafka and ZooKeeper do; other options of the JVM mean nothing here. Values may be secrets: nothing
// here logs them. A plain value without locks.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace base {

class JavaOptions {
 public:
  // From the environment of this process. The later variable wins, and in one variable the later option.
  static JavaOptions from_environment();

  void add(std::string_view words);
  std::optional<std::string> get(std::string_view name) const;
  // As Boolean.parseBoolean: only "true" in any case is true.
  bool get_bool(std::string_view name, bool otherwise) const;
  const std::map<std::string, std::string, std::less<>>& entries() const { return entries_; }

 private:
  std::map<std::string, std::string, std::less<>> entries_;
};

}  // namespace base
