#include "zk/client/connect_string.h"

#include <charconv>

namespace zk::client {
namespace {

std::optional<Server> parse_server(std::string_view text) {
  Server server;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    server.host = std::string(text.substr(1, end - 1));
    std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty() && port.empty()) return std::nullopt;
  } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    server.host = std::string(text.substr(0, colon));
    port = text.substr(colon + 1);
    if (port.empty()) return std::nullopt;
  } else {
    server.host = std::string(text);
  }
  if (server.host.empty()) return std::nullopt;
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), server.port);
    if (error != std::errc() || end != port.data() + port.size() || server.port == 0) return std::nullopt;
  }
  return server;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<ConnectString> parse_connect_string(std::string_view text, std::string* reason) {
  ConnectString result;
  text = trim(text);
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    std::string_view chroot = text.substr(slash);
    if (chroot.size() > 1 && chroot.back() == '/') chroot.remove_suffix(1);
    if (chroot != "/") result.chroot = std::string(chroot);
    text = text.substr(0, slash);
  }
  const std::string probe = result.chroot + "/";
  if (probe.find("//") != std::string::npos || probe.find("/./") != std::string::npos ||
      probe.find("/../") != std::string::npos) {
    if (reason != nullptr) *reason = "the path '" + result.chroot + "' has an empty or relative element";
    return std::nullopt;
  }
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    std::optional<Server> server = parse_server(part);
    if (!server) {
      if (reason != nullptr) *reason = "'" + std::string(part) + "' is not host:port";
      return std::nullopt;
    }
    result.servers.push_back(std::move(*server));
  }
  if (result.servers.empty()) {
    if (reason != nullptr) *reason = "no server is named";
    return std::nullopt;
  }
  return result;
}

}  // namespace zk::client
