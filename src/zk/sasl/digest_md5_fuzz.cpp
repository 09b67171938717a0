// Any bytes as the client's response and as the server's challenge: an answer, or a failure with its reason; never done
// without the password.
#include <cstdint>

#include "zk/sasl/digest_md5.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zk::sasl;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  DigestServer server("zookeeper", "zk-sasl-md5",
                      [](const std::string&) { return std::optional<std::string>("pass"); });
  if (server.evaluate("").state != StepState::more) __builtin_trap();
  Step answer = server.evaluate(text);
  if (answer.state != StepState::failed || answer.failure.empty()) __builtin_trap();
  DigestClient client("zookeeper", "zk-sasl-md5", "user", "pass");
  Step response = client.evaluate(text);
  if (response.state == StepState::more) {
    if (!parse_directives(*response.token, {})) __builtin_trap();
    if (client.evaluate(text).state != StepState::failed) __builtin_trap();
  }
  return 0;
}
