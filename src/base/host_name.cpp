#include "base/host_name.h"

#include <netdb.h>

#include <array>

namespace base {

std::optional<std::string> canonical_host_name(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
  std::array<char, NI_MAXHOST> name{};
  const int failed = ::getnameinfo(found->ai_addr, found->ai_addrlen, name.data(), name.size(), nullptr, 0, NI_NAMEREQD);
  ::freeaddrinfo(found);
  if (failed != 0) return std::nullopt;
  return name.data();
}

}  // namespace base
