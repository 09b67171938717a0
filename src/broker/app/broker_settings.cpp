#include "broker/app/broker_settings.h"

#include <fmt/format.h>
#include <netdb.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <charconv>

#include "base/host_name.h"
#include "base/listen.h"
#include "base/logging.h"
#include "broker/app/zookeeper_tls.h"

namespace broker::app {
namespace {

constexpr std::int32_t kFrameBytesMaxLeast = 1024;

// A listener without a host is advertised under it: as by Kafka the name that this host's address leads back to, else the one it
// has itself.
std::string own_host_name() {
  std::array<char, NI_MAXHOST> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return base::canonical_host_name(name.data()).value_or(name.data());
}

// As ZooKeeper's client reads the option -Djute.maxbuffer of KAFKA_OPTS.
std::size_t frame_bytes_max(std::string_view text) {
  const int radix = text.starts_with("0x") || text.starts_with("0X") ? 16 : 10;
  const std::string_view digits = text.substr(radix == 16 ? 2 : 0);
  std::int32_t bytes = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bytes, radix);
  if (error == std::errc() && end == digits.data() + digits.size() && bytes >= kFrameBytesMaxLeast) {
    return static_cast<std::size_t>(bytes);
  }
  throw config::ConfigError(fmt::format("-Djute.maxbuffer={} in KAFKA_OPTS is not a number of bytes from {} to {}", text,
                                        kFrameBytesMaxLeast, INT32_MAX));
}

}  // namespace

storage::LogManagerConfig log_manager_config(const config::BrokerConfig& config) {
  storage::LogManagerConfig result;
  result.log_dirs = config.log_dirs();
  result.recovery_threads_per_data_dir = config.get_int("num.recovery.threads.per.data.dir");
  result.producer_id_expiration_ms = config.get_int("producer.id.expiration.ms");
  return result;
}

storage::LogCleanerConfig log_cleaner_config(const config::BrokerConfig& config) {
  storage::LogCleanerConfig result;
  result.enabled = config.get_bool("log.cleaner.enable");
  result.threads = config.get_int("log.cleaner.threads");
  result.dedupe_buffer_bytes = config.get_long("log.cleaner.dedupe.buffer.size");
  result.dedupe_load_factor = config.get_double("log.cleaner.io.buffer.load.factor");
  result.io_buffer_bytes = config.get_int("log.cleaner.io.buffer.size");
  result.io_bytes_per_second_max = config.get_double("log.cleaner.io.max.bytes.per.second");
  result.backoff_ms = config.get_long("log.cleaner.backoff.ms");
  return result;
}

HousekeepingTimes housekeeping_times(const config::BrokerConfig& config) {
  HousekeepingTimes times;
  times.first_ms = config.get_long("log.initial.task.delay.ms");
  times.retention_ms = config.get_long("log.retention.check.interval.ms");
  times.recovery_points_ms = config.get_int("log.flush.offset.checkpoint.interval.ms");
  times.log_starts_ms = config.get_int("log.flush.start.offset.checkpoint.interval.ms");
  times.high_watermarks_ms = config.get_long("replica.high.watermark.checkpoint.interval.ms");
  times.producers_ms = config.get_int("producer.id.expiration.check.interval.ms");
  // Topics can have a flush.ms of their own, so the check isn't left out where the broker's default is never.
  times.flush_ms = std::min(config.get_long("log.flush.scheduler.interval.ms"), times.flush_ms);
  return times;
}

std::size_t log_mover_threads(const config::BrokerConfig& config) {
  const config::ConfigValue& threads = config.value("num.replica.alter.log.dirs.threads");
  if (const auto* number = std::get_if<std::int64_t>(&threads)) return static_cast<std::size_t>(*number);
  return config.log_dirs().size();
}

std::int64_t log_mover_rate(const config::BrokerConfig& config) {
  constexpr std::string_view kKey = "replica.alter.log.dirs.io.max.bytes.per.second";
  for (const config::StringMap* layer : {&config.dynamic_broker(), &config.dynamic_default()}) {
    if (const auto found = layer->find(kKey); found != layer->end()) return std::stoll(found->second);
  }
  return std::numeric_limits<std::int64_t>::max();
}

namespace {

// Of one listener: "listener.name.<listener in small letters>.<key>", the strongest layer first.
std::optional<std::int32_t> listener_value(const config::BrokerConfig& config, const std::string& listener,
                                           std::string_view key) {
  std::string name = "listener.name.";
  for (const char c : listener) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  name.append(".").append(key);
  std::optional<std::string> text = config.file().get(name);
  for (const config::StringMap* layer : {&config.dynamic_default(), &config.dynamic_broker()}) {
    if (const auto found = layer->find(name); found != layer->end()) text = found->second;
  }
  if (!text) return std::nullopt;
  const config::ConfigValue value = config::parse_value(*config::find_broker_key(key), *text);
  return static_cast<std::int32_t>(std::get<std::int64_t>(value));
}

// In the form that those of connections have; all of a name. Empty if it isn't known.
std::vector<std::string> addresses_of(std::string host) {
  namespace ip = boost::asio::ip;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  std::vector<ip::tcp::endpoint> found;
  if (const ip::address address = ip::make_address(host, error); !error) {
    found.emplace_back(address, 0);
  } else {
    boost::asio::io_context context;
    ip::tcp::resolver resolver(context);
    for (const auto& entry : resolver.resolve(host, "", error)) found.push_back(entry.endpoint());
  }
  std::vector<std::string> addresses;
  for (const ip::tcp::endpoint& each : found) addresses.push_back(base::unmapped(each).address().to_string());
  return addresses;
}

constexpr const char* kHostLimits = "max.connections.per.ip.overrides";

HostLimits host_limits(std::string text) {
  HostLimits hosts;
  for (const auto& [host, limit] : config::parse_map(kHostLimits, text)) {
    const std::vector<std::string> addresses = addresses_of(host);
    if (addresses.empty()) {
      base::log_error("kafka.network.ConnectionQuotas", "{}: the host {} isn't known; it is left out", kHostLimits, host);
    }
    for (const std::string& address : addresses) hosts.by_address[address] = std::stoi(limit);
  }
  hosts.text = std::move(text);
  return hosts;
}

}  // namespace

void check_hosts(const config::BrokerConfig& config) {
  for (const auto& [host, limit] : config::parse_map(kHostLimits, config.get_string(kHostLimits))) {
    if (!addresses_of(host).empty()) continue;
    throw config::ConfigError(fmt::format("The host {} of {} isn't known", host, kHostLimits),
                              std::vector<std::string>{kHostLimits},
                              "host:count, ... with addresses or names that this machine knows");
  }
}

net::ConnectionLimitOptions connection_limits(const config::BrokerConfig& config, HostLimits& hosts) {
  net::ConnectionLimitOptions limits;
  limits.connections_max = config.get_int("max.connections");
  limits.connections_per_ip_max = config.get_int("max.connections.per.ip");
  if (std::string text = config.get_string(kHostLimits); text != hosts.text) hosts = host_limits(std::move(text));
  limits.per_ip_overrides = hosts.by_address;
  limits.rate.per_second_max = config.get_int("max.connection.creation.rate");
  limits.rate.samples = config.get_int("quota.window.num");
  limits.rate.sample_ms = config.get_long("quota.window.size.seconds") * 1000;
  for (const config::Listener& listener : config.listeners()) {
    net::ListenerLimitOptions& own = limits.listeners[listener.name];
    own.connections_max = listener_value(config, listener.name, "max.connections").value_or(own.connections_max);
    own.per_second_max =
        listener_value(config, listener.name, "max.connection.creation.rate").value_or(own.per_second_max);
  }
  if (config.listeners().size() > 1) limits.protected_listener = config.inter_broker_listener();
  return limits;
}

std::vector<net::ListenerOptions> listener_options(const config::BrokerConfig& config) {
  std::vector<net::ListenerOptions> options;
  for (const config::Listener& listener : config.listeners()) {
    net::ListenerOptions one;
    one.name = listener.name;
    one.host = listener.host;
    one.port = static_cast<std::uint16_t>(listener.port);
    options.push_back(std::move(one));
  }
  return options;
}

net::ServerOptions server_options(const config::BrokerConfig& config, HostLimits& hosts) {
  net::ServerOptions options;
  options.listeners = listener_options(config);
  options.network_threads = config.get_int("num.network.threads");
  options.request_bytes_max = config.hot().socket_request_max_bytes;
  options.queued_request_bytes_max = config.hot().queued_max_request_bytes;
  options.connection_idle_ms = config.hot().connections_max_idle_ms;
  options.send_buffer_bytes = config.get_int("socket.send.buffer.bytes");
  options.receive_buffer_bytes = config.get_int("socket.receive.buffer.bytes");
  options.listen_backlog = config.get_int("socket.listen.backlog.size");
  options.limits = connection_limits(config, hosts);
  return options;
}

zk::client::ConnectString connect_string(const config::BrokerConfig& config) {
  std::string reason;
  const std::string text = config.get_string("zookeeper.connect");
  auto connect = zk::client::parse_connect_string(text, &reason);
  if (connect) return *connect;
  throw config::ConfigError("Invalid value " + text + " for configuration zookeeper.connect: " + reason,
                            std::vector<std::string>{"zookeeper.connect"},
                            "host:port, ..., and a /path behind the last for a chroot");
}

zk::client::SessionOptions session_options(const config::BrokerConfig& config, const base::JavaOptions& java_options) {
  zk::client::SessionOptions options;
  options.connect = connect_string(config);
  options.session_timeout_ms = config.get_int("zookeeper.session.timeout.ms");
  if (const auto limit = java_options.get("jute.maxbuffer")) options.frame_bytes_max = frame_bytes_max(*limit);
  options.tls = zookeeper_tls(config, java_options);
  return options;
}

controller::TopicDefaults topic_defaults(const config::BrokerConfig& config) {
  controller::TopicDefaults defaults;
  defaults.partitions = config.get_int("num.partitions");
  defaults.replication_factor = config.get_int("default.replication.factor");
  defaults.offsets_partitions = config.get_int("offsets.topic.num.partitions");
  defaults.offsets_replication_factor = config.get_int("offsets.topic.replication.factor");
  defaults.offsets_configs = {
      {"cleanup.policy", "compact"},
      {"compression.type", "producer"},
      {"segment.bytes", std::to_string(config.get_int("offsets.topic.segment.bytes"))},
  };
  defaults.transactions_partitions = config.get_int("transaction.state.log.num.partitions");
  defaults.transactions_replication_factor = config.get_int("transaction.state.log.replication.factor");
  defaults.transactions_configs = {
      {"cleanup.policy", "compact"},
      {"compression.type", "uncompressed"},
      {"min.insync.replicas", std::to_string(config.get_int("transaction.state.log.min.isr"))},
      {"segment.bytes", std::to_string(config.get_int("transaction.state.log.segment.bytes"))},
      {"unclean.leader.election.enable", "false"},
  };
  return defaults;
}

std::vector<metadata::Endpoint> advertised_endpoints(
    const config::BrokerConfig& config, const std::function<std::uint16_t(const std::string& listener)>& port_of) {
  std::vector<metadata::Endpoint> endpoints;
  for (const config::Listener& listener : config.advertised_listeners()) {
    metadata::Endpoint endpoint;
    endpoint.listener = listener.name;
    endpoint.security_protocol = listener.security_protocol;
    endpoint.host = listener.host.empty() ? own_host_name() : listener.host;
    endpoint.port = listener.port != 0 ? listener.port : port_of(listener.name);
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

}  // namespace broker::app
