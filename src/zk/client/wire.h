// Requests to frames and frames to responses: ZooKeeper's client protocol without a socket. Paths get the chroot in
// front on the way out and lose it on the way in. A frame that can't be read gives nothing: the caller drops the
// connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "zk/client/types.h"

namespace zk::client::wire {

constexpr std::int32_t kWatchXid = -1;
constexpr std::int32_t kPingXid = -2;
constexpr std::int32_t kSetWatchesXid = -8;
constexpr std::size_t kReplyHeaderBytes = 16;
// jute.maxbuffer of a server that isn't told otherwise. It closes the connection that brings a longer frame, so such a one must
// not be sent again.
constexpr std::size_t kServerFrameBytesMax = 0xfffff;

struct Attach {
  std::int64_t last_zxid = 0;
  std::int32_t timeout_ms = 0;
  std::int64_t session_id = 0;
  std::string password = std::string(16, '\0');
};

struct Header {
  std::int32_t xid = 0;
  std::int64_t zxid = 0;
  Error error = Error::ok;
};

struct Watches {
  std::vector<std::string> data;
  std::vector<std::string> exists;
  std::vector<std::string> children;
};

// Each appends one frame with its length.
void append_connect(base::Bytes& to, const Attach& attach);
void append_ping(base::Bytes& to);
void append_set_watches(base::Bytes& to, std::int64_t last_zxid, const Watches& watches, std::string_view chroot);
void append_sasl(base::Bytes& to, std::int32_t xid, const std::string& token);
void append_request(base::Bytes& to, std::int32_t xid, const Request& request, std::string_view chroot);

// Each takes one frame without its length. A refused session (expired) has timeout 0.
std::optional<Attach> parse_connect(base::ByteView frame);
std::optional<Header> parse_header(base::ByteView& frame);  // leaves the body
// The answer to append_sasl(); its token may be null.
std::optional<std::optional<std::string>> parse_sasl(base::ByteView body);
std::optional<WatchEvent> parse_event(base::ByteView body, std::string_view chroot);
std::optional<Response> parse_response(const Request& request, Error error, base::ByteView body,
                                       std::string_view chroot);

}  // namespace zk::client::wire
