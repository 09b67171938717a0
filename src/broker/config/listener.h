// Endpoints as listeners and advertised.listeners name them, and which security protocol each uses. Plain values; the
// messages of errors are Kafka's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace broker::config {

struct Listener {
  std::string name;               // in capitals: "PLAINTEXT"
  std::string security_protocol;  // "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"
  std::string host;               // empty: the default interface
  std::int32_t port = 0;          // 0: any free one
  bool operator==(const Listener&) const = default;
};

using ProtocolMap = std::map<std::string, std::string>;  // listener name -> security protocol

// All throw ConfigError. `key` is the one whose value is parsed: those of "listeners" must have distinct ports.
ProtocolMap parse_protocol_map(std::string_view text);
std::vector<Listener> parse_listeners(const std::string& key, std::string_view text, const ProtocolMap& protocols);
std::map<std::string, std::string> parse_map(std::string_view key, std::string_view text);  // "a:1,b:2"

}  // namespace broker::config
