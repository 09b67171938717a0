#include "protocol/codec/all_messages.h"

#include <algorithm>

namespace protocol {

namespace {
template <class Condition>
const MessageInfo* find(Condition condition) {
  const auto messages = all_messages();
  const auto found = std::find_if(messages.begin(), messages.end(), condition);
  return found == messages.end() ? nullptr : &*found;
}
}  // namespace

const MessageInfo* find_message(std::string_view name) {
  return find([&](const MessageInfo& message) { return message.name == name; });
}

const MessageInfo* find_message(std::int16_t api_key, MessageKind kind) {
  return find([&](const MessageInfo& message) { return message.api_key == api_key && message.kind == kind; });
}

}  // namespace protocol
