// Any bytes into any decoder. The first two bytes choose the message (or a whole request frame), the third its version;
// messages_seeds.py makes inputs of that form from the golden bytes. What can be read must be written, read back and
// written again to the same bytes.
#include <cstdlib>

#include "protocol/codec/all_messages.h"
#include "protocol/codec/frame.h"

namespace {

constexpr std::uint16_t kWholeFrame = 0xffff;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_message(const protocol::MessageInfo& message, std::int16_t version, base::ByteView body) {
  base::Bytes first;
  const protocol::Decoded decoded = message.round_trip(version, body, first);
  if (!decoded) {
    require(decoded.error.size() < 4096);
    return;
  }
  require(decoded.bytes_left <= body.size());
  base::Bytes second;
  const protocol::Decoded again = message.round_trip(version, first, second);
  require(static_cast<bool>(again) && again.bytes_left == 0 && first == second);
  std::string text;
  require(static_cast<bool>(message.print(version, first, text)));
}

void check_frame(base::ByteView frame) {
  const protocol::RequestHead head = protocol::decode_request_head(frame);
  if (!head) return;
  const auto* message =
      protocol::find_message(static_cast<std::int16_t>(head.api->key), protocol::MessageKind::request);
  require(message != nullptr);
  check_message(*message, head.header.request_api_version, head.body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  if (size < 2) return 0;
  const auto choice = base::load_big_endian<std::uint16_t>(data);
  if (choice == kWholeFrame) {
    check_frame(input.subspan(2));
    return 0;
  }
  if (size < 3) return 0;
  const auto messages = protocol::all_messages();
  check_message(messages[choice % messages.size()], static_cast<std::int16_t>(data[2]), input.subspan(3));
  return 0;
}
