#include "broker/metrics/broker_samples.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace broker::metrics {

namespace {

using base::http::Labels;
using base::http::PrometheusText;
using partition::TopicCount;

struct TrafficFamily {
  const char* name;
  TopicCount count;
  const char* help;
};
constexpr TrafficFamily kTraffic[] = {
    {"messagesin", TopicCount::messages_in, "Records appended"},
    {"bytesin", TopicCount::bytes_in, "Bytes appended"},
    {"bytesout", TopicCount::bytes_out, "Bytes fetched by consumers"},
    {"bytesrejected", TopicCount::bytes_rejected, "Bytes refused as too large"},
    {"totalproducerequests", TopicCount::produce_requests, "Appends asked for, one for each partition of a request"},
    {"totalfetchrequests", TopicCount::fetch_requests, "Reads asked for, one for each partition of a request"},
    {"failedproducerequests", TopicCount::failed_produce_requests, "Appends that failed on this side"},
    {"failedfetchrequests", TopicCount::failed_fetch_requests, "Reads that failed on this side"},
};

const partition::TopicTraffic* traffic_of(const TopicView& topic) {
  for (const PartitionView& partition : topic.partitions) {
    if (partition.led) return &partition.led->traffic();
  }
  return nullptr;
}

bool has(const std::vector<std::int32_t>& brokers, std::int32_t id) {
  return std::ranges::find(brokers, id) != brokers.end();
}

}  // namespace

void add_idle(PrometheusText& text, std::optional<double> share) {
  if (!share) return;
  const char* help = "Share of their time since the last scrape in which the threads for connections and their requests had nothing to do";
  text.single("kafka_network_socketserver_networkprocessoravgidle_percent", "gauge", help, *share);
  text.single("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", "gauge", help, *share);
}

void add_session(PrometheusText& text, const SessionEvents& events) {
  auto counter = [&text](const char* name, const char* help, std::uint64_t count) {
    text.single("kafka_server_sessionexpirelistener_" + std::string(name) + "_total", "counter", help, count);
  };
  counter("zookeepersyncconnects", "Connections to ZooKeeper that were made", events.connects);
  counter("zookeeperdisconnects", "Connections to ZooKeeper that were lost", events.disconnects);
  counter("zookeeperexpires", "Sessions with ZooKeeper that ended", events.expires);
  counter("zookeeperauthfailures", "Refusals of this broker's identity by ZooKeeper", events.auth_failures);
}

void add_traffic(PrometheusText& text, const ClusterView& view, const partition::TopicTraffic& all) {
  for (const TrafficFamily& family : kTraffic) {
    text.family("kafka_server_brokertopicmetrics_" + std::string(family.name) + "_total", "counter", family.help);
    text.sample(Labels(), all.get(family.count));
    for (const TopicView& topic : view.topics()) {
      if (const auto* traffic = traffic_of(topic)) text.sample(topic.labels, traffic->get(family.count));
    }
  }
  text.single("kafka_server_brokertopicmetrics_replicationbytesout_total", "counter", "Bytes fetched by followers",
              all.get(TopicCount::replication_bytes_out));
}

void add_replicas(PrometheusText& text, const ClusterView& view, const partition::PartitionManager& partitions,
                  std::int32_t broker_id) {
  std::int64_t here = 0, led = 0, under_replicated = 0, under_min_isr = 0, at_min_isr = 0, offline = 0;
  for (const TopicView& topic : view.topics()) {
    for (const PartitionView& partition : topic.partitions) {
      if (!has(partition.state->replicas, broker_id)) continue;
      ++here;
      if (partitions.is_offline(topic.name, partition.number)) ++offline;
      if (!partition.led || !partition.led->leader_epoch()) continue;
      ++led;
      if (partition.under_replicated()) ++under_replicated;
      const auto in_sync = static_cast<std::int64_t>(partition.state->isr.size());
      if (in_sync < partition.min_insync_replicas) ++under_min_isr;
      if (in_sync == partition.min_insync_replicas) ++at_min_isr;
    }
  }
  auto gauge = [&text](const char* name, const char* help, std::int64_t value) {
    text.single("kafka_server_replicamanager_" + std::string(name), "gauge", help, value);
  };
  gauge("partitioncount", "Partitions with a replica here", here);
  gauge("leadercount", "Partitions led here", led);
  gauge("underreplicatedpartitions", "Partitions led here with replicas out of sync", under_replicated);
  gauge("underminisrpartitioncount", "Partitions led here with fewer replicas in sync than min.insync.replicas",
        under_min_isr);
  gauge("atminisrpartitioncount", "Partitions led here with as many replicas in sync as min.insync.replicas",
        at_min_isr);
  gauge("offlinereplicacount", "Replicas here in a log directory that failed", offline);
}

void add_controller(PrometheusText& text, const ClusterView& view, std::int32_t broker_id) {
  const bool active = view.metadata().controller_id == broker_id;
  std::int64_t topics = 0, partitions = 0, offline = 0, not_preferred = 0;
  if (active) {
    topics = static_cast<std::int64_t>(view.topics().size());
    for (const TopicView& topic : view.topics()) {
      for (const PartitionView& partition : topic.partitions) {
        const metadata::Partition& state = *partition.state;
        ++partitions;
        if (!view.metadata().brokers.contains(state.leader)) ++offline;
        if (!state.replicas.empty() && state.leader != state.replicas.front()) ++not_preferred;
      }
    }
  }
  auto gauge = [&text](const char* name, const char* help, std::int64_t value) {
    text.single("kafka_controller_kafkacontroller_" + std::string(name), "gauge", help, value);
  };
  gauge("activecontrollercount", "1 on the controller", active ? 1 : 0);
  gauge("offlinepartitionscount", "Partitions without a leader; told by the controller", offline);
  gauge("preferredreplicaimbalancecount", "Partitions that their preferred replica doesn't lead", not_preferred);
  gauge("globaltopiccount", "Topics of the cluster; told by the controller", topics);
  gauge("globalpartitioncount", "Partitions of the cluster; told by the controller", partitions);
  gauge("activebrokercount", "Live brokers; told by the controller",
        active ? static_cast<std::int64_t>(view.metadata().brokers.size()) : 0);
}

void add_coordinator(PrometheusText& text, const std::vector<group::GroupProgress>& groups) {
  std::int64_t offsets = 0;
  for (const group::GroupProgress& each : groups) offsets += static_cast<std::int64_t>(each.offsets.size());
  auto gauge = [&text](const std::string& name, const std::string& help, std::int64_t value) {
    text.single("kafka_coordinator_group_groupmetadatamanager_" + name, "gauge", help, value);
  };
  gauge("numgroups", "Groups coordinated here", static_cast<std::int64_t>(groups.size()));
  gauge("numoffsets", "Offsets committed by groups coordinated here", offsets);
  for (const std::string state : {"PreparingRebalance", "CompletingRebalance", "Stable", "Empty"}) {
    std::string name = state;
    std::ranges::transform(name, name.begin(), [](char c) { return c < 'a' ? static_cast<char>(c + 32) : c; });
    gauge("numgroups" + name, "Groups in the state " + state,
          std::ranges::count(groups, state, &group::GroupProgress::state));
  }
}

void add_logs(PrometheusText& text, const ClusterView& view) {
  using Value = std::optional<std::int64_t>;
  auto add = [&](const char* name, const char* help, auto value_of) {
    add_partitions(text, view, name, help, [&value_of](const PartitionView& partition) -> Value {
      if (!partition.led) return std::nullopt;
      return static_cast<std::int64_t>(value_of(partition));
    });
  };
  add("kafka_log_log_size", "Bytes of all segments", [](const PartitionView& p) { return p.log->size_bytes(); });
  add("kafka_log_log_numlogsegments", "Segments", [](const PartitionView& p) { return p.log->segment_count(); });
  add("kafka_log_log_logstartoffset", "First offset",
      [](const PartitionView& p) { return p.offsets.log_start_offset; });
  add("kafka_log_log_logendoffset", "Offset of the next record",
      [](const PartitionView& p) { return p.offsets.log_end_offset; });
  add("kafka_cluster_partition_replicascount", "Replicas",
      [](const PartitionView& p) { return p.state->replicas.size(); });
  add("kafka_cluster_partition_insyncreplicascount", "Replicas in sync",
      [](const PartitionView& p) { return p.state->isr.size(); });
  add("kafka_cluster_partition_underreplicated", "1 with replicas out of sync",
      [](const PartitionView& p) { return p.under_replicated(); });
  add("kafka_cluster_partition_underminisr", "1 with fewer replicas in sync than min.insync.replicas",
      [](const PartitionView& p) { return std::cmp_less(p.state->isr.size(), p.min_insync_replicas); });
  add("kafka_cluster_partition_atminisr", "1 with as many replicas in sync as min.insync.replicas",
      [](const PartitionView& p) { return std::cmp_equal(p.state->isr.size(), p.min_insync_replicas); });
  add("kafka_cluster_partition_laststableoffsetlag", "Records behind the last stable offset: of open transactions",
      [](const PartitionView& p) { return p.offsets.high_watermark - p.offsets.last_stable_offset; });
}

}  // namespace broker::metrics
