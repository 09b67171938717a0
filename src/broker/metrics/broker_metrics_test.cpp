// The text over real partitions, groups and requests, and the endpoint over a real socket.
#include "broker/metrics/broker_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "broker/api/testing/data_path.h"
#include "broker/metrics/group_samples.h"
#include "broker/metrics/metrics_endpoint.h"

namespace broker::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class BrokerMetricsTest : public api::testing::DataPath {
 protected:
  Sources sources() {
    Sources sources{broker.clock,
                    broker.metadata,
                    broker.manager,
                    broker.groups,
                    broker.dispatcher.metrics(),
                    api::testing::TestBroker::kBrokerId,
                    [] { return BrokerState::running; },
                    [] { return std::int64_t{4}; },
                    [] { return std::int64_t{0}; },
                    [] { return std::map<std::string, std::int64_t>{{"/a", 0}, {"/b", 2}}; },
                    [this] { return loop_times; },
                    [] { return SessionEvents{3, 2, 1, 0}; }};
    return sources;
  }
  std::string text() { return metrics.text(); }
  // The value of this sample; "none" without it.
  std::string value(const std::string& sample) {
    const std::string all = "\n" + text();
    const std::size_t at = all.find("\n" + sample + " ");
    if (at == std::string::npos) return "none";
    const std::size_t begin = at + sample.size() + 2;
    return all.substr(begin, all.find('\n', begin) - begin);
  }
  void commit(const std::string& group, const std::string& topic, std::int32_t partition, std::int64_t offset) {
    group::CommitRequest request;
    request.group_id = group;
    group::OffsetCommit& commit = request.commits.emplace_back();
    commit.partition = {topic, partition};
    commit.value.offset = offset;
    (void)run(broker.groups.partition_count_or_create());
    auto codes = run(broker.groups.commit_offsets(request));
    while (codes == std::vector{protocol::ErrorCode::coordinator_load_in_progress}) {
      codes = run(broker.groups.commit_offsets(request));
    }
    ASSERT_EQ(codes, std::vector{protocol::ErrorCode::none});
  }
  template <class T>
  T run(base::Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(broker.loop, std::move(task), [&result](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      result = std::move(value);
    });
    broker.loop.restart();
    while (!result && broker.loop.run_one() > 0) {
    }
    return std::move(*result);
  }

  IdleShare::CpuTimes loop_times;
  BrokerMetrics metrics{sources()};
};

TEST_F(BrokerMetricsTest, FlushesAreTimed) {
  broker.add_topic("t");
  const std::string count = "kafka_log_logflushstats_logflushrateandtimems_count";
  const int before = std::stoi(value(count));  // of the process, whatever ran in it
  produce(api::testing::produce_request("t", api::testing::batch_of({"a"})));
  broker.logs.find({"t", 0})->flush();
  EXPECT_EQ(std::stoi(value(count)), before + 1);
  EXPECT_NE(value("kafka_log_logflushstats_logflushrateandtimems{quantile=\"0.99\"}"), "none");
}

TEST_F(BrokerMetricsTest, TheSessionWithZooKeeper) {
  EXPECT_EQ(value("kafka_server_sessionexpirelistener_zookeepersyncconnects_total"), "3");
  EXPECT_EQ(value("kafka_server_sessionexpirelistener_zookeeperdisconnects_total"), "2");
  EXPECT_EQ(value("kafka_server_sessionexpirelistener_zookeeperexpires_total"), "1");
  EXPECT_EQ(value("kafka_server_sessionexpirelistener_zookeeperauthfailures_total"), "0");
}

TEST_F(BrokerMetricsTest, IdleLoopsAreToldOfFromTheSecondScrapeOn) {
  using std::chrono::milliseconds;
  loop_times = {milliseconds(100), milliseconds(7)};
  EXPECT_EQ(value("kafka_network_socketserver_networkprocessoravgidle_percent"), "none");
  EXPECT_EQ(value("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent"), "none");

  IdleShare share;
  EXPECT_EQ(share.look({milliseconds(100), milliseconds(7)}, 5'000), std::nullopt);
  EXPECT_EQ(share.look({milliseconds(100), milliseconds(1'007)}, 7'000), 0.75);
  EXPECT_EQ(share.look({milliseconds(900), milliseconds(1'507)}, 7'999), 0.75) << "too soon";
  EXPECT_EQ(share.look({milliseconds(2'100), milliseconds(3'007), milliseconds(9'000)}, 9'000), 0) << "one more: not known yet";
  EXPECT_EQ(share.look({milliseconds(2'100), milliseconds(3'007), milliseconds(9'000)}, 19'000), 1);
  EXPECT_EQ(share.look({}, 29'000), std::nullopt) << "none are there any more";
}

TEST_F(BrokerMetricsTest, CountsRequestsAndTraffic) {
  broker.add_topic("t", 2);
  broker.add_topic("u");
  const base::Bytes batch = api::testing::batch_of({"a", "b", "c"});
  produce(api::testing::produce_request("t", batch));
  produce(api::testing::produce_request("t", batch, -1, 1));
  produce(api::testing::produce_request("u", batch));
  produce(api::testing::produce_request("none", batch), 7);
  fetch(api::testing::fetch_request("t", 0));
  const std::string bytes = std::to_string(batch.size());
  const std::string all_bytes = std::to_string(3 * batch.size());
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_messagesin_total"), "9");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_messagesin_total{topic=\"t\"}"), "6");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_messagesin_total{topic=\"u\"}"), "3");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_bytesin_total"), all_bytes);
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_bytesout_total{topic=\"t\"}"), bytes);
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_bytesout_total{topic=\"u\"}"), "0");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_totalproducerequests_total{topic=\"t\"}"), "2");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_totalfetchrequests_total{topic=\"t\"}"), "1");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_failedproducerequests_total"), "0");
  EXPECT_EQ(value("kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\"}"), "3");
  EXPECT_EQ(value("kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"7\"}"), "1");
  EXPECT_EQ(value("kafka_network_requestmetrics_requests_total{request=\"FetchConsumer\",version=\"12\"}"), "1");
  EXPECT_EQ(value("kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"NONE\"}"), "3");
  const std::string unknown = "error=\"UNKNOWN_TOPIC_OR_PARTITION\"}";
  EXPECT_EQ(value("kafka_network_requestmetrics_errors_total{request=\"Produce\"," + unknown), "1");
  // Of the response and of its partition.
  EXPECT_EQ(value("kafka_network_requestmetrics_errors_total{request=\"Fetch\",error=\"NONE\"}"), "2");
  EXPECT_EQ(value("kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"}"), "4");
  EXPECT_EQ(value("kafka_network_requestmetrics_totaltimems_count{request=\"FetchFollower\"}"), "0");
  EXPECT_NE(value("kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.999\"}"), "none");
  EXPECT_EQ(value("kafka_network_requestmetrics_totaltimems{request=\"Heartbeat\",quantile=\"0.999\"}"), "none");
  EXPECT_EQ(value("kafka_log_log_logendoffset{topic=\"t\",partition=\"1\"}"), "3");
  EXPECT_EQ(value("kafka_log_log_size{topic=\"u\",partition=\"0\"}"), bytes);
  EXPECT_EQ(value("kafka_log_logcleanermanager_uncleanable_partitions_count{logDirectory=\"/b\"}"), "2");
  EXPECT_EQ(value("kafka_log_log_numlogsegments{topic=\"u\",partition=\"0\"}"), "1");
}

TEST_F(BrokerMetricsTest, RefusedAppends) {
  broker.topic_settings.log.max_message_bytes = 100;
  broker.topic_settings.min_insync_replicas = 2;
  metadata::LeaderState state;
  state.topic = "t";
  state.topic_id = broker.add_topic("t");
  state.isr = {api::testing::TestBroker::kBrokerId};
  state.replicas = {api::testing::TestBroker::kBrokerId, 99};
  ASSERT_EQ(broker.manager.become_leader({state}).at(0), protocol::ErrorCode::none);
  const base::Bytes small = api::testing::batch_of({"a"}), large = api::testing::batch_of({std::string(200, 'x')});
  produce(api::testing::produce_request("t", small));     // too few in sync: this side's fault
  produce(api::testing::produce_request("t", large, 1));  // the client's
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_totalproducerequests_total{topic=\"t\"}"), "2");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_failedproducerequests_total{topic=\"t\"}"), "1");
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_bytesrejected_total{topic=\"t\"}"), std::to_string(large.size()));
  EXPECT_EQ(value("kafka_server_brokertopicmetrics_messagesin_total"), "0");
  EXPECT_EQ(value("kafka_server_replicamanager_underminisrpartitioncount"), "1");
  EXPECT_EQ(value("kafka_cluster_partition_underminisr{topic=\"t\",partition=\"0\"}"), "1");
}

TEST_F(BrokerMetricsTest, ReplicasAndController) {
  broker.add_topic("t", 3);
  EXPECT_EQ(value("kafka_server_replicamanager_partitioncount"), "3");
  EXPECT_EQ(value("kafka_server_replicamanager_leadercount"), "3");
  EXPECT_EQ(value("kafka_server_replicamanager_underreplicatedpartitions"), "0");
  EXPECT_EQ(value("kafka_server_replicamanager_atminisrpartitioncount"), "3");
  EXPECT_EQ(value("kafka_controller_kafkacontroller_activecontrollercount"), "0");
  EXPECT_EQ(value("kafka_controller_kafkacontroller_globalpartitioncount"), "0");
  auto next = std::make_shared<metadata::ClusterMetadata>(*broker.metadata.get());
  next->controller_id = api::testing::TestBroker::kBrokerId;
  broker.metadata.set(next);
  EXPECT_EQ(value("kafka_controller_kafkacontroller_activecontrollercount"), "1");
  EXPECT_EQ(value("kafka_controller_kafkacontroller_globalpartitioncount"), "3");
  EXPECT_EQ(value("kafka_controller_kafkacontroller_globaltopiccount"), "1");
  EXPECT_EQ(value("kafka_controller_kafkacontroller_offlinepartitionscount"), "0");
  EXPECT_EQ(value("kafka_server_kafkaserver_brokerstate"), "3");
  EXPECT_EQ(value("kafka_server_socket_server_metrics_connection_count"), "4");
  EXPECT_EQ(value("kafka_topic_partitions{topic=\"t\"}"), "3");
  EXPECT_EQ(value("kafka_topic_partition_leader{topic=\"t\",partition=\"2\"}"), "1");
  EXPECT_EQ(value("kafka_topic_partition_leader_is_preferred{topic=\"t\",partition=\"2\"}"), "1");
  EXPECT_EQ(value("kafka_brokers"), "1");
  EXPECT_EQ(value("kafka_broker_info{id=\"1\",address=\"broker.example:9092\"}"), "1");
}

TEST_F(BrokerMetricsTest, LagOfGroups) {
  broker.add_topic("t", 2);
  const std::int64_t written_ms = broker.clock.wall_ms() - 60'000;
  produce(api::testing::produce_request("t", api::testing::batch_of({"a", "b", "c", "d"}, written_ms)));
  commit("g", "t", 0, 1);
  commit("done", "t", 0, 4);
  commit("odd \"\\\n", "t", 0, 9);     // beyond the end: the sign says so, as with kafka_exporter
  commit("elsewhere", "gone", 0, 5);  // of a topic that isn't there
  const std::string of_g = "{consumergroup=\"g\",topic=\"t\",partition=\"0\"}";
  EXPECT_EQ(value("kafka_topic_partition_current_offset{topic=\"t\",partition=\"0\"}"), "4");
  EXPECT_EQ(value("kafka_consumergroup_current_offset" + of_g), "1");
  EXPECT_EQ(value("kafka_consumergroup_lag" + of_g), "3");
  const double seconds = std::stod(value("kafka_consumergroup_lag_seconds" + of_g));
  EXPECT_GE(seconds, 59.999);
  EXPECT_LT(seconds, 600);
  EXPECT_EQ(value("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"1\"}"), "-1");
  EXPECT_EQ(value("kafka_consumergroup_current_offset{consumergroup=\"g\",topic=\"t\",partition=\"1\"}"), "-1");
  EXPECT_EQ(value("kafka_consumergroup_lag_seconds{consumergroup=\"g\",topic=\"t\",partition=\"1\"}"), "none");
  EXPECT_EQ(value("kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"t\"}"), "3");
  EXPECT_EQ(value("kafka_consumergroup_current_offset_sum{consumergroup=\"g\",topic=\"t\"}"), "1");
  EXPECT_EQ(value("kafka_consumergroup_members{consumergroup=\"g\"}"), "0");
  EXPECT_EQ(value("kafka_consumergroup_lag{consumergroup=\"done\",topic=\"t\",partition=\"0\"}"), "0");
  EXPECT_EQ(value("kafka_consumergroup_lag_seconds{consumergroup=\"done\",topic=\"t\",partition=\"0\"}"), "0");
  EXPECT_EQ(value("kafka_consumergroup_lag{consumergroup=\"odd \\\"\\\\\\n\",topic=\"t\",partition=\"0\"}"), "-5");
  EXPECT_EQ(value("kafka_consumergroup_members{consumergroup=\"elsewhere\"}"), "0");
  EXPECT_THAT(text(), Not(HasSubstr("topic=\"gone\"")));
  EXPECT_EQ(value("kafka_coordinator_group_groupmetadatamanager_numgroups"), "4");
  EXPECT_EQ(value("kafka_coordinator_group_groupmetadatamanager_numgroupsempty"), "4");
  EXPECT_EQ(value("kafka_coordinator_group_groupmetadatamanager_numoffsets"), "4");
}

// Clients choose them, and each stands in the samples of all partitions of a topic.
TEST_F(BrokerMetricsTest, LongGroupIdsAreCut) {
  broker.add_topic("t", 50);
  const std::string before = text();
  const std::string id(30'000, 'g');
  commit(id, "t", 7, 3);
  const std::string after = text();
  EXPECT_THAT(after, HasSubstr("\nkafka_consumergroup_members{consumergroup=\"ggg"));
  EXPECT_LT(after.size() - before.size(), 100'000u);
}

TEST_F(BrokerMetricsTest, TooManyGroupsAreLeftOut) {
  broker.add_topic("t", 50);
  const ClusterView view(broker.metadata, broker.manager);
  std::vector<group::GroupProgress> groups;
  for (int i = 0; i < 1000; ++i) {
    group::GroupProgress& group = groups.emplace_back();
    group.group_id = "group " + std::to_string(i);
    group.offsets = {{{"t", 0}, 1}};
  }
  groups[3].offsets.clear();
  groups[3].group_id = "none";
  LagTimes times;
  base::http::PrometheusText text;
  add_groups(text, view, groups, times, 0, 100'000);
  EXPECT_GT(text.size(), 30'000u);
  EXPECT_LT(text.size(), 100'000u);
  const std::string all = text.take();
  EXPECT_THAT(all, HasSubstr("\nkafka_consumergroup_current_offset{consumergroup=\"group 1\",topic=\"t\",partition=\"49\"} -1\n"));
  EXPECT_THAT(all, HasSubstr("\nmilena_consumergroups_left_out 9"));
  EXPECT_THAT(all, Not(HasSubstr("group 999")));
}

TEST_F(BrokerMetricsTest, WithoutAClockThatAgrees) {
  broker.add_topic("t");
  produce(api::testing::produce_request("t", api::testing::batch_of({"a"}, broker.clock.wall_ms() + 600'000)));
  commit("g", "t", 0, 0);
  EXPECT_EQ(value("kafka_consumergroup_lag_seconds{consumergroup=\"g\",topic=\"t\",partition=\"0\"}"), "0");
}

TEST(RecentCounts, AreThoseOfTheLastMinutes) {
  RecentCounts recent;
  base::HistogramCounts counts;
  counts[1] = 10;
  EXPECT_EQ(recent.recent(counts, 1'000'000).total(), 10u);  // since the start
  std::int64_t now_ms = 1'000'000;
  for (int minute = 1; minute <= 10; ++minute) {
    now_ms += 60'000;
    counts[2] += 1;
    const std::uint64_t total = recent.recent(counts, now_ms).total();
    EXPECT_EQ(total, minute < 5 ? 10u + static_cast<unsigned>(minute) : 5u) << minute;
  }
  EXPECT_EQ(recent.recent(counts, now_ms + 3'600'000).total(), 0u);
}

std::string ask(std::uint16_t port, const std::string& method, const std::string& target) {
  boost::asio::io_context context;
  boost::asio::ip::tcp::socket socket(context);
  socket.connect({boost::asio::ip::address_v4::loopback(), port});
  const std::string request = method + " " + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  boost::asio::write(socket, boost::asio::buffer(request));
  std::string answer;
  boost::system::error_code end;
  boost::asio::read(socket, boost::asio::dynamic_buffer(answer), end);
  return answer;
}

TEST_F(BrokerMetricsTest, OverHttp) {
  broker.add_topic("t");
  MetricsEndpoint endpoint("127.0.0.1", 0, sources());
  endpoint.start();
  const std::string answer = ask(endpoint.port(), "GET", "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\n# TYPE kafka_brokers gauge\nkafka_brokers 1\n"));
  EXPECT_THAT(answer, HasSubstr("\nprocess_resident_memory_bytes "));
  EXPECT_THAT(ask(endpoint.port(), "GET", "/metrics?name=x"), HasSubstr("\nkafka_brokers 1\n"));
  EXPECT_THAT(ask(endpoint.port(), "GET", "/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask(endpoint.port(), "POST", "/metrics"), StartsWith("HTTP/1.1 405"));
  MetricsEndpoint second("127.0.0.1", endpoint.port(), sources());
  try {
    second.start();
    ADD_FAILURE() << "two on one port";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("milena.prometheus.port): Cannot listen on 127.0.0.1:"));
  }
  endpoint.stop();
}

}  // namespace
}  // namespace broker::metrics
