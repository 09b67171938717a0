// What a client begins with that takes a port for one with TLS. As the length of a frame these bytes are 369 million and some, and
// a message with that number alone sends its reader looking for limits. A pure function.
#pragma once

#include <cstdint>

namespace base {

// The first four bytes, big-endian: a record of the handshake (22) of SSL 3 or TLS (version 3.x).
inline bool is_tls_hello(std::uint32_t first_bytes) { return first_bytes >> 16 == 0x1603; }

}  // namespace base
