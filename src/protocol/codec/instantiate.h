// The bodies of codec.h's templates. Only the generated .cpp files include this; everyone else links to them.
#pragma once

#include "protocol/codec/codec.h"
#include "protocol/codec/decoder.h"
#include "protocol/codec/encoder.h"
#include "protocol/codec/printer.h"

namespace protocol {

template <class Message>
bool knows_version(std::int16_t version) {
  return version >= Message::kVersionMin && version <= Message::kVersionMax;
}

[[gnu::cold]] inline Decoded unknown_version(std::int16_t version, std::size_t bytes) {
  return {.error = "version " + std::to_string(version) + " is not known", .bytes_left = bytes};
}

template <class Message>
Decoded decode(Message& message, std::int16_t version, base::ByteView body) {
  if (!knows_version<Message>(version)) return unknown_version(version, body.size());
  Decoder decoder(body, version, version >= Message::kFlexibleFrom);
  decoder.read_struct(message);
  Decoded decoded;
  decoded.bytes_left = decoder.left();
  if (decoder.failed()) decoded.error = decoder.error();
  return decoded;
}

[[noreturn, gnu::cold]] inline void fail_encoding(std::string message, const std::string& what) {
  throw std::logic_error(message + what);
}

template <class Message>
EncodedMessage encode(const Message& message, std::int16_t version, std::size_t prefix_bytes) {
  if (!knows_version<Message>(version)) fail_encoding(Message::kName, " has no version " + std::to_string(version));
  const bool flexible = version >= Message::kFlexibleFrom;
  Sizer sizer(version, flexible);
  sizer.put_struct(message);
  EncodedMessage encoded(prefix_bytes, prefix_bytes + sizer.buffer_size());
  Writer writer(encoded, version, flexible);
  writer.put_struct(message);
  if (!writer.full()) fail_encoding(Message::kName, ": sizer and writer differ");
  return encoded;
}

template <class Message>
std::string print(const Message& message, std::int16_t version) {
  std::string text;
  Printer(version, text).print_struct(message);
  return text;
}

}  // namespace protocol
