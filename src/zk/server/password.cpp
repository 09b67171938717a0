#include "zk/server/password.h"

namespace zk::server {

std::string session_password(std::int64_t session_id) {
  constexpr std::uint64_t kMultiplier = 0x5deece66dULL;
  constexpr std::uint64_t kMask = (1ULL << 48) - 1;
  constexpr std::uint64_t kServerConstant = 0xb3415c00ULL;
  std::uint64_t seed = ((static_cast<std::uint64_t>(session_id) ^ kServerConstant) ^ kMultiplier) & kMask;
  std::string password;
  for (int word = 0; word < 4; ++word) {
    seed = (seed * kMultiplier + 0xb) & kMask;
    std::uint64_t bits = seed >> 16;
    for (int byte = 0; byte < 4; ++byte, bits >>= 8) password.push_back(static_cast<char>(bits & 0xff));
  }
  return password;
}

}  // namespace zk::server
