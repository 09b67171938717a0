#include "broker/config/listener.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "broker/config/config_value.h"

namespace broker::config {
namespace {

std::string in_capitals(std::string_view text) {
  std::string capitals(text);
  for (char& c : capitals) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return capitals;
}

bool is_ip_v6(std::string_view host) { return host.find(':') != std::string_view::npos; }
bool is_ip_v4(std::string_view host) {
  return !host.empty() && std::ranges::all_of(host, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }) &&
         std::ranges::count(host, '.') == 3;
}

// name://host:port, with the host in brackets if it is an IPv6 address.
bool split_endpoint(std::string_view text, Listener& listener) {
  const std::size_t slashes = text.find("://");
  const std::size_t colon = text.rfind(':');
  if (slashes == std::string_view::npos || colon < slashes + 3) return false;
  std::string_view host = text.substr(slashes + 3, colon - slashes - 3);
  const auto port = parse_java_integer(text.substr(colon + 1), std::numeric_limits<std::int32_t>::min(),
                                       std::numeric_limits<std::int32_t>::max());
  if (host.starts_with('[')) host.remove_prefix(1);
  if (host.ends_with(']')) host.remove_suffix(1);
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-%._:").find(c) != std::string_view::npos;
  };
  if (!port || text.substr(colon + 1).starts_with('+') || !std::ranges::all_of(host, allowed)) return false;
  listener.name = in_capitals(text.substr(0, slashes));
  listener.host = host;
  listener.port = static_cast<std::int32_t>(*port);
  return true;
}

// Two listeners may share a port if one is an IPv4 and the other an IPv6 address. The words are Kafka's, who takes
// addresses and names apart.
void require_distinct_ports(const std::vector<Listener>& listeners, std::string_view text) {
  std::map<std::int32_t, std::vector<const Listener*>> by_port;
  for (const Listener& listener : listeners) {
    if (listener.port != 0) by_port[listener.port].push_back(&listener);
  }
  for (const auto& each : by_port) {
    const std::int32_t port = each.first;
    const std::vector<const Listener*>& sharing = each.second;
    if (sharing.size() == 1) continue;
    const auto count = [&](bool (*of_kind)(std::string_view)) {
      return std::ranges::count_if(sharing, [&](const Listener* one) { return of_kind(one->host); });
    };
    const auto v4 = count(is_ip_v4), v6 = count(is_ip_v6);
    const auto names = std::ssize(sharing) - v4 - v6;
    const auto refuse = [&](std::string_view rule, bool with_port) {
      return ConfigError(fmt::format("requirement failed: {}, listeners: {}{}", rule, text,
                                     with_port ? fmt::format(", port: {}", port) : ""),
                         "listeners");
    };
    if (names > 1) throw refuse("Each listener must have a different port", false);
    if (v4 + v6 == 2 && v4 != 1) {
      throw refuse("If you have two listeners on the same port then one needs to be IPv4 and the other IPv6", true);
    }
    if (v4 + v6 > 2) {
      throw refuse(
          "Each listener must have a different port unless exactly one listener has an IPv4 address and the other IPv6 "
          "address",
          true);
    }
    if (names > 0) throw refuse("Each listener must have a different port", false);
  }
}

}  // namespace

std::map<std::string, std::string> parse_map(std::string_view key, std::string_view text) {
  std::map<std::string, std::string> map;
  for (const std::string& entry : split_list(text)) {
    if (entry.empty()) continue;
    const std::size_t colon = entry.rfind(':');
    if (colon == std::string::npos) {
      throw ConfigError(
          fmt::format("Error parsing configuration property '{}': '{}' isn't of the form key:value", key, entry),
          std::string(key));
    }
    map.insert_or_assign(std::string(trim(std::string_view(entry).substr(0, colon))),
                         std::string(trim(std::string_view(entry).substr(colon + 1))));
  }
  return map;
}

ProtocolMap parse_protocol_map(std::string_view text) {
  constexpr std::string_view kKey = "listener.security.protocol.map";
  static const std::set<std::string> kProtocols = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
  ProtocolMap protocols;
  for (const auto& [name, protocol] : parse_map(kKey, text)) {
    if (!kProtocols.contains(in_capitals(protocol))) {
      throw ConfigError(fmt::format("Invalid security protocol `{}` defined in {}", protocol, kKey), std::string(kKey));
    }
    protocols[in_capitals(name)] = in_capitals(protocol);
  }
  return protocols;
}

std::vector<Listener> parse_listeners(const std::string& key, std::string_view text, const ProtocolMap& protocols) {
  std::vector<Listener> listeners;
  std::set<std::string> names;
  for (const std::string& entry : split_list(text)) {
    if (entry.empty()) continue;
    const auto refuse = [&](const std::string& reason) {
      return ConfigError(fmt::format("Error creating broker listeners from '{}': {}", text, reason),
                         std::vector<std::string>{key}, "NAME://host:port, ... with names of listener.security.protocol.map");
    };
    Listener listener;
    if (!split_endpoint(entry, listener)) throw refuse(fmt::format("Unable to parse {} to a broker endpoint", entry));
    const auto protocol = protocols.find(listener.name);
    if (protocol == protocols.end()) {
      throw refuse(fmt::format("No security protocol defined for listener {}", listener.name));
    }
    listener.security_protocol = protocol->second;
    if (!names.insert(listener.name).second) {
      throw ConfigError(
          fmt::format("requirement failed: Each listener must have a different name, listeners: {}", text), key);
    }
    listeners.push_back(std::move(listener));
  }
  if (key == "listeners") require_distinct_ports(listeners, text);
  return listeners;
}

}  // namespace broker::config
