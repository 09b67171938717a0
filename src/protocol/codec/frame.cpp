#include "protocol/codec/frame.h"

#include <limits>
#include <stdexcept>

namespace protocol {

namespace {
// Every header begins with these.
constexpr std::size_t kHeaderBytesMin = 8;

std::int32_t frame_size(std::size_t bytes) {
  if (bytes > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw std::length_error("a frame of more than 2 GiB");
  }
  return static_cast<std::int32_t>(bytes);
}

[[gnu::cold]] void refuse(RequestHead& head, const char* where, const std::string& error) { head.error = where + error; }
}  // namespace

RequestHead decode_request_head(base::ByteView frame) {
  RequestHead head;
  if (frame.size() < kHeaderBytesMin) {
    refuse(head, "header: ", "ends too early");
    return head;
  }
  head.header.request_api_key = base::load_big_endian<std::int16_t>(frame.data());
  head.header.request_api_version = base::load_big_endian<std::int16_t>(frame.data() + 2);
  head.header.correlation_id = base::load_big_endian<std::int32_t>(frame.data() + 4);
  head.api = find_api(head.header.request_api_key);
  if (!head.api) return head;
  const std::int16_t version = request_header_version(*head.api, head.header.request_api_version);
  const Decoded decoded = decode(head.header, version, frame);
  if (decoded) {
    head.body = frame.last(decoded.bytes_left);
  } else {
    refuse(head, "header.", decoded.error);
  }
  return head;
}

std::size_t response_prefix_bytes(std::int16_t header_version) {
  return kFrameSizeBytes + sizeof(std::int32_t) + (header_version >= 1 ? 1 : 0);
}

void fill_response_prefix(EncodedMessage& response, std::int16_t header_version, std::int32_t correlation_id) {
  const auto prefix = response.prefix();
  base::store_big_endian(prefix.data(), frame_size(response.size() - kFrameSizeBytes));
  base::store_big_endian(prefix.data() + kFrameSizeBytes, correlation_id);
  if (header_version >= 1) prefix[kFrameSizeBytes + sizeof correlation_id] = 0;
}

base::Bytes request_prefix(ApiKey key, std::int16_t version, std::int32_t correlation_id, std::string_view client_id,
                           std::size_t body_bytes) {
  RequestHeader header;
  header.request_api_key = static_cast<std::int16_t>(key);
  header.request_api_version = version;
  header.correlation_id = correlation_id;
  header.client_id = std::string(client_id);
  EncodedMessage encoded = encode(header, request_header_version(api_info(key), version), kFrameSizeBytes);
  base::store_big_endian(encoded.prefix().data(), frame_size(encoded.size() - kFrameSizeBytes + body_bytes));
  return encoded.to_bytes();
}

}  // namespace protocol
