// What the parts of the control side share: the session, who we are, the fence, the picture of the cluster and those
// who are told of changes. Owned by the Controller, used on the control thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "broker/controller/cluster.h"
#include "broker/controller/cluster_state.h"
#include "broker/metadata/partition_sink.h"
#include "zk/client/api.h"

namespace broker::controller {

// What new topics get where the request is silent. The maps are the whole configs of the internal topics.
struct TopicDefaults {
  std::int32_t partitions = 1;
  std::int32_t replication_factor = 1;
  std::int32_t offsets_partitions = 50;
  std::int32_t offsets_replication_factor = 3;
  StringMap offsets_configs;
  std::int32_t transactions_partitions = 50;
  std::int32_t transactions_replication_factor = 3;
  StringMap transactions_configs;
};

// What the control side asks of the rest of the broker. All are called on the control thread, must not block, and may
// be left empty.
struct ControlHooks {
  // The stored overrides of an entity are these from now on. Broker default: name "<default>".
  std::function<void(ConfigEntityType, const std::string& name, const StringMap& overrides)> config_changed;
  // INVALID_CONFIG and Kafka's message if a topic can't have these.
  std::function<Outcome(const StringMap&)> check_topic_configs;
  std::function<TopicDefaults()> topic_defaults;
  std::function<bool(std::string_view topic)> unclean_election_allowed;
  std::function<bool()> topic_deletion_enabled;  // for deletions asked for by foreign tools
  // The broker can't go on (its id was taken by another while its session was away).
  std::function<void(const std::string& reason)> fatal;
};

// A start that can't succeed; the text is for the operator.
class StartError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The session is over, or another broker is controller: the job at hand ends, and an event puts things right.
class ControlLost : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// ZooKeeper refused to read something, which is not to say that it isn't there, or to let this broker be controller: the job
// ends and leaves the picture as it was, and after a pause all is read anew.
class ReadRefused : public ControlLost {
  using ControlLost::ControlLost;
};

// The session's answer to a request that is above the usual jute.maxbuffer of servers and so is sent once at most. A lost
// connection may mean that the server refuses it, or nothing of the kind: then the write may have been applied. What is above
// the client's own limit is not sent.
bool not_taken(zk::client::Error error);
// What a client is told then: `too_large` if it wasn't sent, else REQUEST_TIMED_OUT. `what` names the znode.
Outcome outcome_of_not_taken(zk::client::Error error, protocol::ErrorCode too_large, std::string_view what,
                             std::size_t bytes);

struct ControlContext {
  ControlContext(base::Clock& time, metadata::MetadataCache& published, metadata::PartitionSink& partitions)
      : clock(time), cache(published), sink(partitions), random(std::random_device{}()) {}

  base::Clock& clock;
  metadata::MetadataCache& cache;
  metadata::PartitionSink& sink;
  ControlHooks hooks;
  std::mt19937_64 random;

  metadata::Broker self;
  std::shared_ptr<zk::client::ZooKeeper> zookeeper;
  ClusterState state;
  bool active = false;  // this broker is the controller
  std::int32_t epoch = 0;
  std::int32_t epoch_version = 0;  // of /controller_epoch: the fence

  // Throws ControlLost if there is none any more: close() takes it away under a job that waits.
  std::int64_t session_id() const;
  // Throws ControlLost if the session ended, ReadRefused if a read fails with anything but NONODE.
  base::Task<std::vector<zk::client::Response>> execute(std::vector<zk::client::Request> requests);
  base::Task<zk::client::Response> execute(zk::client::Request request);
  // The same for reads of which the rules of some znodes may forbid one: that has NOAUTH, and the others their answers.
  base::Task<std::vector<zk::client::Response>> read_allowed(std::vector<zk::client::Request> reads);
  // Each as a multi with the check that we are still controller in front; answers the operations' own responses.
  // Throws ControlLost if we aren't. What was not taken (see not_taken()) has that error.
  base::Task<std::vector<zk::client::Response>> execute_fenced(std::vector<zk::client::Request> operations);
  base::Task<zk::client::Response> execute_fenced(zk::client::Request operation);
  // A multi of ours with the same check in front; nothing is taken out of its results.
  zk::client::Request fence(std::vector<zk::client::Request> operations) const;
  static void require_fence(const zk::client::Response& response);

  void publish();
  // Asked at each publish whether what they wait for is to be seen now, or nobody waits any more: then they are let go of.
  using Waiting = std::function<bool(const metadata::ClusterMetadata& seen)>;
  std::vector<Waiting> waiting;
};

}  // namespace broker::controller
