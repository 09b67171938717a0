// Names of hosts by the system's name service, which may take its time. Thread-safe.
#pragma once

#include <optional>
#include <string>

namespace base {

// The name that the first address of a host leads back to, as Java's getCanonicalHostName(); the host may be an address
// itself. Nothing if the host or the name isn't known.
std::optional<std::string> canonical_host_name(const std::string& host);

}  // namespace base
