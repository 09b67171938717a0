#include "broker/metadata/znodes.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cctype>
#include <charconv>

#include "base/bytes.h"
#include "base/utf8.h"

namespace broker::metadata::znodes {
namespace {

namespace json = boost::json;

std::optional<json::object> parse_object(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

// Kafka writes some numbers as text and reads both.
std::optional<std::int64_t> find_number(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (const std::int64_t* number = value->if_int64()) return *number;
  if (const json::string* text = value->if_string()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size()) return number;
  }
  return std::nullopt;
}

std::optional<std::int32_t> find_int(const json::object& object, const char* key) {
  const std::optional<std::int64_t> number = find_number(object, key);
  if (!number || *number < INT32_MIN || *number > INT32_MAX) return std::nullopt;
  return static_cast<std::int32_t>(*number);
}

std::optional<std::string> find_text(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

const json::object* find_object(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::optional<std::vector<std::int32_t>> to_ids(const json::value& value) {
  const json::array* array = value.if_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::int32_t> ids;
  for (const json::value& element : *array) {
    const std::int64_t* number = element.if_int64();
    if (number == nullptr || *number < INT32_MIN || *number > INT32_MAX) return std::nullopt;
    ids.push_back(static_cast<std::int32_t>(*number));
  }
  return ids;
}

json::array from_ids(const std::vector<std::int32_t>& ids) {
  json::array array;
  for (const std::int32_t id : ids) array.emplace_back(id);
  return array;
}

std::optional<std::int32_t> parse_int(std::string_view text) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "LISTENER://host:port", the host perhaps in brackets or empty.
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t scheme = text.find("://");
  const std::size_t colon = text.rfind(':');
  if (scheme == std::string_view::npos || colon <= scheme) return std::nullopt;
  Endpoint endpoint;
  endpoint.listener = std::string(text.substr(0, scheme));
  std::string_view host = text.substr(scheme + 3, colon - scheme - 3);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  endpoint.host = std::string(host);
  const std::optional<std::int32_t> port = parse_int(text.substr(colon + 1));
  if (!port) return std::nullopt;
  endpoint.port = *port;
  return endpoint;
}

std::string endpoint_text(const Endpoint& endpoint) {
  const bool bracket = endpoint.host.find(':') != std::string::npos;
  return endpoint.listener + "://" + (bracket ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
         std::to_string(endpoint.port);
}

std::string text_of(const json::object& object) { return json::serialize(object); }

bool decode_endpoints(const json::object& object, std::int32_t version, Broker& broker) {
  if (version < 3) {
    Endpoint endpoint;
    endpoint.listener = endpoint.security_protocol = "PLAINTEXT";
    endpoint.host = find_text(object, "host").value_or("");
    endpoint.port = find_int(object, "port").value_or(-1);
    broker.endpoints.push_back(std::move(endpoint));
    return true;
  }
  const json::value* list = object.if_contains("endpoints");
  const json::array* array = list == nullptr ? nullptr : list->if_array();
  if (array == nullptr) return false;
  const json::object* protocols = find_object(object, "listener_security_protocol_map");
  for (const json::value& element : *array) {
    if (!element.is_string()) return false;
    const json::string& text = element.get_string();
    std::optional<Endpoint> endpoint = parse_endpoint(std::string_view(text.data(), text.size()));
    if (!endpoint) return false;
    endpoint->security_protocol = endpoint->listener;
    if (protocols != nullptr) {
      if (auto named = find_text(*protocols, endpoint->listener.c_str())) endpoint->security_protocol = *named;
    }
    broker.endpoints.push_back(std::move(*endpoint));
  }
  return true;
}

}  // namespace

const std::vector<std::string_view>& persistent_paths() {
  static const std::vector<std::string_view> paths = {
      "/consumers",      kBrokerIds,      kTopics,           kConfigChanges, kDeleteTopics,
      kBrokerSequence,   kIsrChanges,     kProducerIdBlock,  kLogDirEvents,  "/config/topics",
      "/config/clients", "/config/users", "/config/brokers", "/config/ips"};
  return paths;
}

std::string broker_path(std::int32_t id) { return std::string(kBrokerIds) + "/" + std::to_string(id); }
std::string topic_path(std::string_view topic) { return std::string(kTopics) + "/" + std::string(topic); }
std::string partitions_path(std::string_view topic) { return topic_path(topic) + "/partitions"; }
std::string partition_path(std::string_view topic, std::int32_t partition) {
  return partitions_path(topic) + "/" + std::to_string(partition);
}
std::string state_path(std::string_view topic, std::int32_t partition) {
  return partition_path(topic, partition) + "/state";
}
std::string delete_topic_path(std::string_view topic) { return std::string(kDeleteTopics) + "/" + std::string(topic); }
std::string node_name(std::string_view text) {
  std::string name;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool plain = std::isalnum(byte) != 0 || letter == '_' || letter == '-' || (letter == '.' && !name.empty());
    name += plain ? std::string(1, letter) : fmt::format("%{:02X}", byte);
  }
  return name;
}

std::optional<std::string> text_of_node_name(std::string_view name) {
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '%') {
      text += name[i];
      continue;
    }
    const auto byte = base::from_hex(name.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    text += static_cast<char>(byte->front());
    i += 2;
  }
  return text;
}

std::string config_path(std::string_view type, std::string_view name) {
  return "/config/" + std::string(type) + "/" + std::string(name);
}

std::string encode_broker(const Broker& broker, std::int64_t timestamp_ms) {
  json::object protocols;
  json::array endpoints;
  const Endpoint* plain = nullptr;
  for (const Endpoint& endpoint : broker.endpoints) {
    protocols[endpoint.listener] = endpoint.security_protocol;
    endpoints.emplace_back(endpoint_text(endpoint));
    if (plain == nullptr && endpoint.security_protocol == "PLAINTEXT") plain = &endpoint;
  }
  json::object object;
  object["features"] = json::object();
  object["listener_security_protocol_map"] = std::move(protocols);
  object["endpoints"] = std::move(endpoints);
  if (broker.rack) object["rack"] = *broker.rack;
  object["jmx_port"] = -1;
  object["port"] = plain == nullptr ? -1 : plain->port;
  if (plain == nullptr) {
    object["host"] = nullptr;
  } else {
    object["host"] = plain->host;
  }
  object["version"] = 5;
  object["timestamp"] = std::to_string(timestamp_ms);
  return text_of(object);
}

std::optional<Broker> decode_broker(std::int32_t id, std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  if (!object) return std::nullopt;
  const std::optional<std::int32_t> version = find_int(*object, "version");
  if (!version || *version < 1) return std::nullopt;
  Broker broker;
  broker.id = id;
  if (!decode_endpoints(*object, *version, broker)) return std::nullopt;
  broker.rack = find_text(*object, "rack");
  return broker;
}

std::string encode_topic(const TopicAssignment& topic) {
  json::object partitions;
  json::object adding;
  json::object removing;
  for (const auto& [number, partition] : topic.partitions) {
    const std::string key = std::to_string(number);
    partitions[key] = from_ids(partition.replicas);
    if (!partition.adding_replicas.empty()) adding[key] = from_ids(partition.adding_replicas);
    if (!partition.removing_replicas.empty()) removing[key] = from_ids(partition.removing_replicas);
  }
  json::object object;
  object["partitions"] = std::move(partitions);
  if (!topic.id.is_zero()) object["topic_id"] = topic.id.to_string();
  object["adding_replicas"] = std::move(adding);
  object["removing_replicas"] = std::move(removing);
  object["version"] = 3;
  return text_of(object);
}

std::optional<TopicAssignment> decode_topic(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  if (!object) return std::nullopt;
  const json::object* partitions = find_object(*object, "partitions");
  if (partitions == nullptr) return std::nullopt;
  TopicAssignment topic;
  if (const auto id = find_text(*object, "topic_id")) topic.id = base::Uuid::parse(*id).value_or(base::Uuid());
  const auto read = [&](const json::object* from, std::vector<std::int32_t> Partition::*list) {
    if (from == nullptr) return true;
    for (const json::key_value_pair& pair : *from) {
      const std::optional<std::int32_t> number = parse_int(std::string_view(pair.key().data(), pair.key().size()));
      const auto ids = to_ids(pair.value());
      if (!number || *number < 0 || !ids) return false;
      topic.partitions[*number].*list = *ids;
    }
    return true;
  };
  if (!read(partitions, &Partition::replicas)) return std::nullopt;
  if (!read(find_object(*object, "adding_replicas"), &Partition::adding_replicas)) return std::nullopt;
  if (!read(find_object(*object, "removing_replicas"), &Partition::removing_replicas)) return std::nullopt;
  return topic;
}

std::string encode_state(const PartitionState& state) {
  json::object object;
  object["controller_epoch"] = state.controller_epoch;
  object["leader"] = state.leader;
  object["version"] = 1;
  object["leader_epoch"] = state.leader_epoch;
  object["isr"] = from_ids(state.isr);
  if (state.recovering) object["leader_recovery_state"] = 1;
  return text_of(object);
}

std::optional<PartitionState> decode_state(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  if (!object) return std::nullopt;
  const json::value* isr = object->if_contains("isr");
  const auto leader = find_int(*object, "leader");
  const auto leader_epoch = find_int(*object, "leader_epoch");
  const auto controller_epoch = find_int(*object, "controller_epoch");
  auto ids = isr == nullptr ? std::nullopt : to_ids(*isr);
  if (!leader || !leader_epoch || !controller_epoch || !ids) return std::nullopt;
  PartitionState state;
  state.controller_epoch = *controller_epoch;
  state.leader = *leader;
  state.leader_epoch = *leader_epoch;
  state.isr = std::move(*ids);
  state.recovering = find_int(*object, "leader_recovery_state").value_or(0) != 0;
  return state;
}

std::string encode_controller(std::int32_t broker_id, std::int64_t timestamp_ms) {
  json::object object;
  object["version"] = 2;
  object["brokerid"] = broker_id;
  object["timestamp"] = std::to_string(timestamp_ms);
  object["kraftControllerEpoch"] = -1;
  return text_of(object);
}

std::optional<std::int32_t> decode_controller(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  return object ? find_int(*object, "brokerid") : std::nullopt;
}

std::string encode_log_dir_event(std::int32_t broker_id) {
  constexpr int kLogDirFailure = 1;
  json::object object;
  object["version"] = 1;
  object["broker"] = broker_id;
  object["event"] = kLogDirFailure;
  return text_of(object);
}

std::optional<std::int32_t> decode_log_dir_event(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  return object ? find_int(*object, "broker") : std::nullopt;
}

std::string encode_cluster_id(std::string_view id) {
  json::object object;
  object["version"] = "1";
  object["id"] = json::string_view(id.data(), id.size());
  return text_of(object);
}

std::optional<std::string> decode_cluster_id(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  return object ? find_text(*object, "id") : std::nullopt;
}

// Some names and values may be anything that a client sends; nobody could read any of them if one weren't UTF-8.
std::string encode_config(const StringMap& config) {
  json::object values;
  for (const auto& [key, value] : config) values[base::as_utf8(key)] = base::as_utf8(value);
  json::object object;
  object["version"] = 1;
  object["config"] = std::move(values);
  return text_of(object);
}

std::optional<StringMap> decode_config(std::string_view text) {
  if (text.empty()) return StringMap();
  const std::optional<json::object> object = parse_object(text);
  if (!object) return std::nullopt;
  StringMap config;
  const json::object* values = find_object(*object, "config");
  if (values == nullptr) return config;
  for (const json::key_value_pair& pair : *values) {
    const json::string* value = pair.value().if_string();
    if (value != nullptr) config.emplace(std::string(pair.key()), std::string(*value));
  }
  return config;
}

std::string encode_config_change(std::string_view entity_path) {
  json::object object;
  object["version"] = 2;
  object["entity_path"] = json::string_view(entity_path.data(), entity_path.size());
  return text_of(object);
}

std::optional<std::string> decode_config_change(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  if (!object) return std::nullopt;
  if (auto path = find_text(*object, "entity_path")) return path;
  const auto type = find_text(*object, "entity_type");
  const auto name = find_text(*object, "entity_name");
  if (!type || !name) return std::nullopt;
  return *type + "/" + *name;
}

std::string encode_producer_ids(const ProducerIds& block) {
  json::object object;
  object["version"] = 1;
  object["broker"] = block.broker;
  object["block_start"] = std::to_string(block.first);
  object["block_end"] = std::to_string(block.last);
  return text_of(object);
}

std::optional<ProducerIds> decode_producer_ids(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  if (!object) return std::nullopt;
  const auto first = find_number(*object, "block_start");
  const auto last = find_number(*object, "block_end");
  if (!first || !last) return std::nullopt;
  ProducerIds block;
  block.broker = find_int(*object, "broker").value_or(-1);
  block.first = *first;
  block.last = *last;
  return block;
}

std::string feature_text() { return R"({"features":{},"version":2,"status":1})"; }

std::optional<std::vector<std::pair<std::string, std::int32_t>>> decode_partition_list(std::string_view text) {
  const std::optional<json::object> object = parse_object(text);
  const json::value* list = object ? object->if_contains("partitions") : nullptr;
  const json::array* array = list == nullptr ? nullptr : list->if_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::pair<std::string, std::int32_t>> partitions;
  for (const json::value& element : *array) {
    const json::object* entry = element.if_object();
    if (entry == nullptr) return std::nullopt;
    const auto topic = find_text(*entry, "topic");
    const auto partition = find_int(*entry, "partition");
    if (!topic || !partition) return std::nullopt;
    partitions.emplace_back(*topic, *partition);
  }
  return partitions;
}

}  // namespace broker::metadata::znodes
