// Every message behind one interface, for tests and fuzzing, which link protocol_all_messages. Not for serving
// requests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "protocol/codec/codec.h"

namespace protocol {

enum class MessageKind { request, response, message, record };

struct MessageInfo {
  std::string_view name;  // "FetchRequest"
  MessageKind kind;
  std::int16_t api_key;  // -1 for headers and records
  std::int16_t version_min;
  std::int16_t version_max;
  std::int16_t flexible_from;
  // Decodes, and if that succeeds encodes what came out.
  Decoded (*round_trip)(std::int16_t version, base::ByteView body, base::Bytes& encoded);
  base::Bytes (*encode_default)(std::int16_t version);
  Decoded (*print)(std::int16_t version, base::ByteView body, std::string& text);
};

std::span<const MessageInfo> all_messages();

inline const MessageInfo* find_message(std::string_view name) {
  for (const MessageInfo& message : all_messages()) {
    if (message.name == name) return &message;
  }
  return nullptr;
}

inline const MessageInfo* find_message(std::int16_t api_key, MessageKind kind) {
  for (const MessageInfo& message : all_messages()) {
    if (message.api_key == api_key && message.kind == kind) return &message;
  }
  return nullptr;
}

template <class Message>
constexpr MessageInfo message_info(MessageKind kind, std::int16_t api_key) {
  return {Message::kName,
          kind,
          api_key,
          Message::kVersionMin,
          Message::kVersionMax,
          Message::kFlexibleFrom,
          [](std::int16_t version, base::ByteView body, base::Bytes& encoded) {
            Message message;
            Decoded decoded = decode(message, version, body);
            if (decoded) encoded = encode(message, version).to_bytes();
            return decoded;
          },
          [](std::int16_t version) { return encode(Message(), version).to_bytes(); },
          [](std::int16_t version, base::ByteView body, std::string& text) {
            Message message;
            Decoded decoded = decode(message, version, body);
            if (decoded) text = print(message, version);
            return decoded;
          }};
}

}  // namespace protocol
