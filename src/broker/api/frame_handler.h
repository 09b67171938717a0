// Between connections and the APIs: one frame in, one reply out. Implemented by Dispatcher; tests of broker/net use
// their own. Thread-safe: called from all event loops. A frame is served on the loop of its connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/rare.h"
#include "base/task.h"
#include "broker/api/answer.h"
#include "broker/api/parked_fetch.h"
#include "broker/api/turns.h"
#include "protocol/codec/encoded_message.h"

namespace broker::api {

// What is known of the peer, for as long as the connection lives. Used on its event loop alone.
struct ConnectionInfo {
  std::string peer;         // "127.0.0.1:50123", for log lines
  std::string client_host;  // "/127.0.0.1", as Kafka shows it
  std::string listener;     // the listener's name
  std::string principal = "User:ANONYMOUS";
  std::string software_name = "unknown";  // from ApiVersions v3+
  std::string software_version = "unknown";
  Turns turns = {};
  ParkedFetch parked_fetch = {};
  std::size_t converted_first = 0;  // where in its request the next answer that is converted begins
};

struct Frame {
  Frame(base::ByteView bytes_of_frame, std::shared_ptr<const void> owner_of_bytes)
      : bytes(bytes_of_frame), owner(std::move(owner_of_bytes)) {}
  base::ByteView bytes;               // without the length; starts with the request header
  std::shared_ptr<const void> owner;  // keeps the bytes alive
};

struct Reply {
  enum class Kind { response, none, close };
  Reply() {}

  Kind kind = Kind::none;
  bool close_after = false;          // the connection goes once this reply is out
  protocol::EncodedMessage message;  // the whole frame, with size and header
  base::Rare<std::string> close_reason;  // with Kind::close: names the API and what is wrong with the frame
  base::Rare<std::shared_ptr<const void>> until_sent;  // goes when the response has left, or never will
};

class FrameHandler {
 public:
  virtual ~FrameHandler() = default;
  // `connection` outlives the call and what comes of it. What either throws closes the connection.
  virtual Answer<Reply> serve(ConnectionInfo& connection, Frame frame) = 0;
};

}  // namespace broker::api
