// One SASL authentication, from the server's or the client's side: tokens in, tokens out, no I/O of its own but what
// Kerberos does. Owned by the connection that it belongs to; one thread at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace zk::sasl {

enum class StepState { more, done, failed };

struct Step {
  StepState state = StepState::failed;
  std::optional<std::string> token;  // for the peer; nothing: there is none to send
  std::string failure;               // for the log; holds no secret

  static Step more(std::string token) { return Step{StepState::more, std::move(token), {}}; }
  static Step done(std::optional<std::string> token) { return Step{StepState::done, std::move(token), {}}; }
  static Step failed(std::string why) { return Step{StepState::failed, std::nullopt, std::move(why)}; }
};

class ServerExchange {
 public:
  virtual ~ServerExchange() = default;
  // The client's next token. After done or failed every further one fails.
  virtual Step evaluate(std::string_view token) = 0;
  // Who the client has proved to be, once done.
  virtual const std::string& authentication_id() const = 0;
};

class ClientExchange {
 public:
  virtual ~ClientExchange() = default;
  // The first token, which goes out before the server has said anything.
  virtual Step start() = 0;
  virtual Step evaluate(std::string_view challenge) = 0;
};

}  // namespace zk::sasl
