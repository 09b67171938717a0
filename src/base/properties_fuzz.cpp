// Any bytes are a .properties file or a PropertiesError; what was read is the same after it was written and read again.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "base/properties.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto read = base::Properties::parse(base::as_text(base::ByteView(data, size)));
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const auto& [key, entry] : read.entries()) {
      if (entry.line < 1) std::abort();
      pairs.emplace_back(key, entry.value);
    }
    const auto again = base::Properties::parse(base::write_properties(pairs, "comment", 1'700'000'000'000));
    if (again.entries().size() != pairs.size()) std::abort();
    for (const auto& [key, value] : pairs) {
      if (again.get(key) != value) std::abort();
    }
  } catch (const base::PropertiesError& error) {
    if (error.line() < 1) std::abort();
  }
  return 0;
}
