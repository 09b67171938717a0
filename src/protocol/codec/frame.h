// Headers and whole frames: what stands around the body of a request or response.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/codec/api_table.h"
#include "protocol/codec/codec.h"
#include "protocol/messages/headers.h"

namespace protocol {

// The header at the start of a request frame (without its length), of whichever version its api key and version ask
// for.
struct [[nodiscard]] RequestHead {
  std::string error;             // empty: all is well
  const ApiInfo* api = nullptr;  // null: unknown key; then only the first four fields of the header are read
  RequestHeader header;
  base::ByteView body;

  RequestHead() = default;
  explicit operator bool() const { return error.empty() && api != nullptr; }
};

// An api version that we have no schema for is not an error here, because ApiVersions must be answered then too: the
// header is read as that of the newest version, like Kafka does.
RequestHead decode_request_head(base::ByteView frame);

inline constexpr std::size_t kFrameSizeBytes = 4;

// Fills in front of an encoded response: frame size, correlation id, and an empty tag section in header version 1.
std::size_t response_prefix_bytes(std::int16_t header_version);
void fill_response_prefix(EncodedMessage& response, std::int16_t header_version, std::int32_t correlation_id);

// A whole response frame, with size and header.
template <class Response>
EncodedMessage encode_response(const Response& response, std::int16_t version, std::int32_t correlation_id) {
  const std::int16_t header_version = response_header_version(api_info(Response::kApiKey), version);
  EncodedMessage encoded = encode(response, version, response_prefix_bytes(header_version));
  fill_response_prefix(encoded, header_version, correlation_id);
  return encoded;
}

// The bytes in front of a request's body: size and header. `body_bytes` is the size of what follows.
base::Bytes request_prefix(ApiKey key, std::int16_t version, std::int32_t correlation_id, std::string_view client_id,
                           std::size_t body_bytes);

// A whole request frame, for replicas, controllers and tests. Throws std::length_error beyond 2 GiB.
template <class Request>
EncodedMessage encode_request(const Request& request, std::int16_t version, std::int32_t correlation_id,
                              std::string_view client_id) {
  const std::size_t prefix_bytes = request_prefix(Request::kApiKey, version, correlation_id, client_id, 0).size();
  EncodedMessage encoded = encode(request, version, prefix_bytes);
  const base::Bytes prefix =
      request_prefix(Request::kApiKey, version, correlation_id, client_id, encoded.size() - prefix_bytes);
  std::copy(prefix.begin(), prefix.end(), encoded.prefix().begin());
  return encoded;
}

}  // namespace protocol
