// zookeeper.connect: "host1:2181,[::1]:2182/chroot" in its parts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zk::client {

struct Server {
  std::string host;
  std::uint16_t port = 2181;
};

struct ConnectString {
  std::vector<Server> servers;
  std::string chroot;  // "" or "/path" without a slash at its end
};

// Nothing if a part can't be read; `reason` then says which.
std::optional<ConnectString> parse_connect_string(std::string_view text, std::string* reason = nullptr);

}  // namespace zk::client
