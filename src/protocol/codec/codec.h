// Bytes to messages and back. Thread-safe: nothing is shared. The templates are instantiated once, in generated .cpp
// files; to use them this header and the message's own are enough.
//
// Decoding never throws for what is in the bytes: it returns which field was wrong and why, for the one line in the
// log. Every length is checked against the bytes left before anything is allocated. Schemas are not recursive, so the
// depth of nesting is bounded by them. Bytes after the message are counted, not refused (as Kafka does).
//
// Encoding throws std::logic_error where Kafka would throw UnsupportedVersionException: a field with a value other than
// its default that this version doesn't have and that isn't ignorable, or a null that this version can't tell. That is
// a bug of the caller.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "protocol/codec/encoded_message.h"

namespace protocol {

struct [[nodiscard]] Decoded {
  std::string error;           // empty: all is well. "topics[2].partitions[0].records: length exceeds the bytes left"
  std::size_t bytes_left = 0;  // after the message

  explicit operator bool() const { return error.empty(); }
};

// The body of a message, without header. `message` is a fresh one. Its bytes and records point into `body`.
template <class Message>
Decoded decode(Message& message, std::int16_t version, base::ByteView body);

// With room for `prefix_bytes` in front, which the caller fills through EncodedMessage::prefix().
template <class Message>
EncodedMessage encode(const Message& message, std::int16_t version, std::size_t prefix_bytes = 0);

// As JSON on one line, for logs and debugging; records by size only. Not for what holds secrets.
template <class Message>
std::string print(const Message& message, std::int16_t version);

// What stands in coordinator logs, in the consumer's own bytes inside JoinGroup, and so on: the version as int16, then
// the message. Reading checks that the version is one of Message's.
template <class Message>
base::Bytes encode_with_version(const Message& message, std::int16_t version) {
  EncodedMessage encoded = encode(message, version, sizeof version);
  base::store_big_endian(encoded.prefix().data(), version);
  return encoded.to_bytes();
}

template <class Message>
Decoded decode_with_version(Message& message, base::ByteView bytes, std::int16_t* version_out = nullptr) {
  if (bytes.size() < sizeof(std::int16_t)) return {.error = "version: ends too early", .bytes_left = bytes.size()};
  const auto version = base::load_big_endian<std::int16_t>(bytes.data());
  if (version_out) *version_out = version;
  return decode(message, version, bytes.subspan(sizeof version));
}

}  // namespace protocol
