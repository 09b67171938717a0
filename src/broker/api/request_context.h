// What a handler gets beside its request. One per request, owned by the connection, alive until the response is handed
// over. Handlers authorise, validate, make one call into the domain and fill the response; no file, socket or znode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/rare.h"
#include "broker/api/turns.h"

namespace base {
class Clock;
}
namespace broker::config {
class ConfigStore;
}
namespace broker::metadata {
class MetadataCache;
}
namespace broker::partition {
class PartitionManager;
}
namespace broker::controller {
class Cluster;
}
namespace broker::group {
class GroupCoordinator;
}
namespace broker::transaction {
class MarkerWriter;
class TransactionCoordinator;
}  // namespace broker::transaction

namespace broker::api {

class FetchSessions;
class ProducerIds;
class RequestMetrics;
struct ConnectionInfo;

// Everything that a handler may call, owned by the app and outliving all connections.
struct Services {
  base::Clock& clock;
  config::ConfigStore& configs;  // broker and topic configs, live
  metadata::MetadataCache& metadata;
  partition::PartitionManager& partitions;
  controller::Cluster& cluster;
  group::GroupCoordinator& groups;
  transaction::TransactionCoordinator& transactions;
  transaction::MarkerWriter& markers;
  FetchSessions& fetch_sessions;
  ProducerIds& producer_ids;
  std::int32_t broker_id = -1;
};

class RequestContext {
 public:
  explicit RequestContext(Services& all) : services(all) {}

  Services& services;
  std::int16_t api_key = 0;
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  std::string_view client_host;  // "/127.0.0.1", as Kafka shows it in DescribeGroups; the connection's, as the next
  std::string_view listener;     // name of the listener the connection came in on
  std::int64_t received_monotonic_ms = 0;
  ConnectionInfo* connection = nullptr;  // set by the Dispatcher; used on the event loop alone
  RequestMetrics* metrics = nullptr;  // null: nobody counts
  std::size_t metrics_row = 0;        // a handler may choose another
  // Keeps the frame alive that views in the request point into; a handler that parks records copies this.
  std::shared_ptr<const void> frame;
  // Set by a handler whose response has views into bytes of its own: keeps them until the response is encoded.
  base::Rare<std::shared_ptr<const void>> answer;
  // Among the requests of its connection, if it has to wait for anything. Set by the Dispatcher.
  Turns::Place turn;
  // Set by a handler that must not be answered (Produce with acks=0).
  bool no_response = false;
  // Set by a handler to have the connection closed after the response, if any, is out.
  bool close_connection = false;
};

}  // namespace broker::api
