#include "zk/server/config_member.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <charconv>

namespace zk::server {

namespace {

constexpr const char* kForm = "it must be host:port:port, with :participant behind it or not, and ;port or ;host:port for the clients";

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// An address of IPv6 stands in brackets.
std::vector<std::string> host_and_ports(std::string_view text) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  if (bracket == std::string_view::npos) return split(text, ':');
  std::vector<std::string> parts{std::string(text.substr(1, bracket - 1))};
  text.remove_prefix(bracket + 1);
  if (!text.starts_with(':')) return parts;
  text.remove_prefix(1);
  for (std::string& part : split(text, ':')) parts.push_back(std::move(part));
  return parts;
}

bool is_any(const std::string& host) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return host.empty() || (!error && address.is_unspecified());
}

bool are_same(const std::string& a, const std::string& b) {
  auto addresses = [](const std::string& host) {
    boost::asio::io_context io;
    boost::asio::ip::tcp::resolver resolver(io);
    boost::system::error_code error;
    std::set<boost::asio::ip::address> found;
    for (const auto& entry : resolver.resolve(host, "", error)) found.insert(entry.endpoint().address());
    return found;
  };
  if (a == b || (is_any(a) && is_any(b))) return true;
  if (is_any(a) || is_any(b)) return false;
  const auto of_a = addresses(a), of_b = addresses(b);
  return std::any_of(of_a.begin(), of_a.end(), [&](const auto& address) { return of_b.contains(address); });
}

std::string text_of(const std::string& host, std::uint16_t port) {
  return (host.empty() ? "*" : host) + ":" + std::to_string(port);
}

}  // namespace

MemberLine parse_member_line(const std::string& key, const ConfigEntry& entry, bool several_addresses) {
  MemberLine line;
  const auto id = number_of<std::int64_t>(std::string_view(key).substr(key.find('.') + 1));
  if (!id) throw ConfigError(entry.line, key + " is not valid: behind server. there must be a number");
  line.id = *id;
  const std::vector<std::string> halves = split(trimmed(entry.value), ';');
  if (halves.size() > 2) refuse_value(key, entry, kForm);
  const std::vector<std::string> addresses = split(halves[0], '|');
  if (addresses.size() > 1 && !several_addresses) {
    refuse_value(key, entry, "several addresses need multiAddress.enabled=true");
  }
  for (const std::string& address : addresses) {
    const std::vector<std::string> parts = host_and_ports(address);
    if (parts.size() < 3 || parts.size() > 4) refuse_value(key, entry, kForm);
    const auto quorum = number_of<std::uint16_t>(parts[1]), election = number_of<std::uint16_t>(parts[2]);
    if (!quorum || !election) refuse_value(key, entry, kForm);
    if (*quorum == *election) refuse_value(key, entry, "its two ports must be different");
    if (parts.size() < 4) continue;
    ConfigEntry type = entry;
    type.value = parts[3];
    line.is_observer = choice_value(key, type, {"participant", "observer"}) == "observer";
  }
  if (halves.size() == 1) return line;
  const std::vector<std::string> parts = host_and_ports(halves[1]);
  const auto port = number_of<std::uint16_t>(parts.back());
  if (parts.size() > 2 || !port) refuse_value(key, entry, kForm);
  line.client.emplace().port = *port;
  if (parts.size() == 2) line.client->host = parts[0];
  return line;
}

void take_member(ZooKeeperServerConfig& config, const std::string& key, const ConfigEntry& entry, const MemberLine& member,
                 const std::optional<std::string>& myid) {
  std::optional<std::int64_t> id;
  if (myid) {
    id = number_of<std::int64_t>(*myid);
    if (!id) throw ConfigError(0, config.data_dir + "/myid is not valid: it must have this server's number and no more");
  }
  std::string note = key + " is ignored: only one server is named, which runs standalone";
  if (!member.client) {
    config.warnings.push_back(note);
  } else if (id != member.id) {
    config.warnings.push_back(note + ", and " + config.data_dir + "/myid doesn't say " + std::to_string(member.id) +
                              ", so that the clients' port isn't taken from here either");
  } else {
    const ClientAddress& client = *member.client;
    const bool fits = is_any(config.client_address) ? config.client_port == client.port
                                                    : config.client_port == client.port &&
                                                          are_same(config.client_address, client.host);
    if (config.serves_client_port && !fits) {
      throw ConfigError(entry.line, key + " says that clients come to " + text_of(client.host, client.port) +
                                        ", clientPort and clientPortAddress say " +
                                        text_of(config.client_address, config.client_port));
    }
    config.serves_client_port = true;
    config.client_address = client.host;
    config.client_port = client.port;
    config.warnings.push_back(key + " names one server alone, which runs standalone; clients come to " +
                              text_of(client.host, client.port));
  }
}

}  // namespace zk::server
