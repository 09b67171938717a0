// What the pipeline measures of itself, on a clock of the test's.
#include <gtest/gtest.h>

#include "zk/server/monitor.h"
#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using testing::creation;
using testing::TestPeer;
using tree::OpCode;

class MetricsTest : public testing::CoordinatorFixture {
 protected:
  const Metrics& metrics() const { return coordinator_->stats().metrics; }
  void create(TestPeer& peer, const std::string& path) {
    testing::send(*coordinator_, peer, ++xid_, OpCode::create, creation(path));
  }
};

TEST_F(MetricsTest, WritesThatWaitForTheLog) {
  configure("");
  TestPeer& peer = connect();
  coordinator_->reset_stats();
  create(peer, "/a");
  clock_.advance_ms(3);
  create(peer, "/b");
  create(peer, "/c");
  EXPECT_EQ(metrics().sync_processor_queue_size.count(), 3U);
  EXPECT_EQ(metrics().sync_processor_queue_size.sum(), 0 + 1 + 2);
  EXPECT_EQ(metrics().prep_process_time.count(), 3U);
  EXPECT_EQ(metrics().prep_process_time.sum(), 0);
  clock_.advance_ms(4);
  LogBatch batch = coordinator_->take_batch();
  EXPECT_EQ(clock_.monotonic_ms() - batch.first_ms, 7);
  Synced synced = testing::synced(std::move(batch));
  synced.queued_ms = 7;
  synced.took_ms = 5;
  coordinator_->on_durable(std::move(synced));
  EXPECT_EQ(metrics().sync_processor_queue_time_ms.sum(), 7);
  EXPECT_EQ(metrics().sync_processor_queue_flush_time_ms.sum(), 5);
  EXPECT_EQ(metrics().sync_processor_queue_and_flush_time_ms.sum(), 12);
  EXPECT_EQ(metrics().sync_process_time.sum(), 5);
  EXPECT_EQ(peer.take().size(), 3U);
}

TEST_F(MetricsTest, EndsOfSessions) {
  configure("");
  TestPeer& peer = connect();
  connect();
  proto::Writer writer;
  writer.write(std::int32_t{1}).write(static_cast<std::int32_t>(OpCode::close_session));
  coordinator_->on_frame(peer, writer.bytes());
  sync();
  EXPECT_EQ(metrics().close_session_prep_time.count(), 1U);
  clock_.advance_ms(60'000);
  coordinator_->on_tick();  // which ends the other one
  EXPECT_EQ(metrics().close_session_prep_time.count(), 2U);
  EXPECT_EQ(metrics().close_session_prep_time.most(), 0);
}

// Under ZooKeeper's names.
TEST_F(MetricsTest, AreInTheListOfTheMonitor) {
  configure("");
  create(connect(), "/a");
  sync();
  coordinator_->stats().tls_handshakes = 3;
  std::map<std::string, std::string> rows;
  for (const MonitorRow& row : monitor_rows(*coordinator_)) rows[row.name] = text_of(row.value);
  for (const char* name : {"sync_processor_queue_size", "prep_process_time", "sync_processor_queue_time_ms", "sync_process_time",
                           "sync_processor_queue_and_flush_time_ms"}) {
    EXPECT_EQ(rows["cnt_" + std::string(name)], "2") << name;  // of the session, and of its write
  }
  EXPECT_EQ(rows["outstanding_tls_handshake"], "3");
}

TEST_F(MetricsTest, TellQuotasByTheLimitThatCountsAndWatchesOfBothKinds) {
  configure("");
  TestPeer& peer = connect();
  for (const char* path : {"/a", "/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_stats"}) create(peer, path);
  proto::CreateRequest limits = creation("/zookeeper/quota/a/zookeeper_limits");
  limits.data = "count=5,bytes=6=;byteHardLimit=-1;countHardLimit=50";
  testing::send(*coordinator_, peer, ++xid_, OpCode::create, limits);
  sync();
  proto::GetChildrenRequest children;
  children.path = "/a";
  children.watch = true;
  ask(peer, OpCode::get_children, children);
  get(peer, "/a", true);
  std::map<std::string, std::string> rows;
  for (const MonitorRow& row : monitor_rows(*coordinator_)) rows[row.name] = text_of(row.value);
  EXPECT_EQ(rows["a_quota_count_limit_per_namespace"], "50");
  EXPECT_EQ(rows["a_quota_bytes_limit_per_namespace"], "6");
  EXPECT_EQ(rows["a_quota_count_usage_per_namespace"], "1");
  EXPECT_EQ(rows["a_quota_bytes_usage_per_namespace"], "0");
  EXPECT_EQ(rows["watch_count"], "2");
  EXPECT_EQ(rows["znode_count"], "9");  // and the root once more, as ZooKeeper counts
}

// Each stands in several rows of every answer.
TEST(Metrics, LongNamespacesAreCut) {
  Metrics metrics;
  const std::string name = "/" + std::string(900'000, 'n');
  metrics.count_write(name + "/a", 1);
  metrics.count_write(name + "/b", 1);
  metrics.count_write(name + "n", 1);
  metrics.count_read(name, 1);
  metrics.count_quota_exceeded(name);
  ASSERT_EQ(metrics.write_per_namespace.size(), 2U) << "two that begin alike stay apart";
  ASSERT_EQ(metrics.read_per_namespace.size(), 1U);
  EXPECT_EQ(metrics.read_per_namespace.begin()->first.size(), kNamespaceBytesMax);
  EXPECT_EQ(metrics.write_per_namespace[metrics.read_per_namespace.begin()->first].count(), 2U);
  EXPECT_EQ(metrics.quota_exceeded_error_per_namespace.begin()->first.size(), kNamespaceBytesMax);
}

}  // namespace
}  // namespace zk::server
