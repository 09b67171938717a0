// Any bytes are a configuration or a JaasError.
#include <cstdint>

#include "base/jaas.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    base::Jaas jaas = base::Jaas::parse(text, [](const std::string& name) { return std::optional(name); });
    for (const auto& [name, modules] : jaas.sections()) {
      if (modules.empty()) __builtin_trap();
    }
  } catch (const base::JaasError& error) {
    if (error.line() < 1) __builtin_trap();
  }
  return 0;
}
