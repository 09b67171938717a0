// Snapshots that are asked for, and a restore whose file system fails at every n-th call and then loses power: either
// the old state is there or the restored one, and the restored one if it was told so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "zk/server/server.h"
#include "zk/server/snapshot.h"
#include "zk/server/testing/raw_client.h"

namespace zk::server {
namespace {

using ::testing::HasSubstr;
using testing::config_in;
using testing::RawClient;

SnapshotResult take(Server& server) {
  std::promise<SnapshotResult> taken;
  server.take_snapshot([&](const SnapshotResult& result) { taken.set_value(result); });
  return taken.get_future().get();
}

RestoreResult restore(Server& server, const SnapshotResult& snapshot) {
  std::promise<RestoreResult> restored;
  server.restore(snapshot.path, snapshot.zxid, [&](const RestoreResult& result) { restored.set_value(result); });
  return restored.get_future().get();
}

base::Fault fault_at(std::uint64_t call) {
  base::Fault fault;
  fault.call = call;
  fault.error = ENOSPC;
  fault.persistent = true;
  fault.half_written = true;
  fault.changes_only = true;
  return fault;
}

TEST(Restore, AtEveryFaultOneOfTheTwoStatesIsThere) {
  bool met = true;
  for (std::uint64_t call = 1; met; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    base::MemoryFileSystem memory;
    base::FaultyFileSystem files(memory);
    RestoreResult result;
    {
      Server server(config_in("/data"), files);
      std::promise<std::string> failure;
      server.set_on_failure([&](const std::string& reason, ExitCode) { failure.set_value(reason); });
      server.start();
      RawClient client(server.port());
      ASSERT_TRUE(client.connect().has_value());
      ASSERT_EQ(client.create("/before").error, 0);
      const SnapshotResult snapshot = take(server);
      ASSERT_EQ(snapshot.failure, "");
      ASSERT_EQ(client.create("/after").error, 0);
      files.set_fault(fault_at(call));
      result = restore(server, snapshot);
      met = files.fault_met();
      EXPECT_EQ(met, !result.failure.empty());
      if (met) {
        EXPECT_THAT(failure.get_future().get(), HasSubstr("cannot be restored"));
      }
      server.stop();
    }
    memory.lose_power(base::UnsyncedBytes::lost);
    Server again(config_in("/data"), memory);
    again.start();
    RawClient client(again.port());
    ASSERT_TRUE(client.connect().has_value());
    EXPECT_TRUE(client.exists("/before"));
    if (result.failure.empty()) {
      EXPECT_FALSE(client.exists("/after"));
    }
    EXPECT_EQ(client.create("/goes-on").error, 0);
    again.stop();
  }
}

TEST(Restore, ASnapshotThatIsAskedForMayFail) {
  base::MemoryFileSystem memory;
  base::FaultyFileSystem files(memory);
  Server server(config_in("/data"), files);
  server.start();
  RawClient client(server.port());
  ASSERT_TRUE(client.connect().has_value());
  base::Fault once = fault_at(1);
  once.persistent = false;
  files.set_fault(once);
  EXPECT_NE(take(server).failure, "");
  EXPECT_EQ(client.create("/still-served").error, 0);
  const SnapshotResult second = take(server);
  EXPECT_EQ(second.failure, "");
  EXPECT_EQ(second.path, "/data/version-2/snapshot.2");
  server.stop();
}

// What was collected of the one that failed isn't in the next one.
TEST(Restore, ASnapshotAfterOneThatFailedIsWhole) {
  base::MemoryFileSystem memory;
  base::FaultyFileSystem files(memory);
  Server server(config_in("/data"), files);
  server.start();
  RawClient client(server.port());
  ASSERT_TRUE(client.connect().has_value());
  constexpr int kZnodes = 600;  // more than are collected in one step
  for (int i = 0; i < kZnodes; ++i) ASSERT_EQ(client.create("/" + std::to_string(i), 0, std::string(1000, 'x')).error, 0);
  base::Fault once = fault_at(1);
  once.persistent = false;
  files.set_fault(once);
  EXPECT_NE(take(server).failure, "");
  const SnapshotResult second = take(server);
  ASSERT_EQ(second.failure, "");
  tree::State state;
  read_snapshot(memory, second.path, state);
  EXPECT_EQ(state.tree().find("/0")->data.view(), std::string(1000, 'x'));
  server.stop();
}

// One that was asked for fails while a restore waits for it: the restore isn't forgotten, which holds up everybody.
TEST(Restore, WaitsForASnapshotThatFails) {
  std::promise<void> asked;
  std::future<void> both_asked = asked.get_future();
  base::MemoryFileSystem memory;
  base::FaultyFileSystem files(memory);
  Server server(config_in("/data"), files);
  server.start();
  RawClient client(server.port());
  ASSERT_TRUE(client.connect().has_value());
  ASSERT_EQ(client.create("/before").error, 0);
  const SnapshotResult good = take(server);
  ASSERT_EQ(good.failure, "");
  files.set_before_change([&](std::string_view, const std::string&) {
    if (both_asked.valid()) both_asked.get();  // the first change alone, the snapshot's
  });
  base::Fault once = fault_at(1);
  once.persistent = false;
  files.set_fault(once);
  std::promise<SnapshotResult> taken;
  server.take_snapshot([&](const SnapshotResult& result) { taken.set_value(result); });
  std::promise<RestoreResult> restored;
  server.restore(good.path, good.zxid, [&](const RestoreResult& result) { restored.set_value(result); });
  server.run([&](Coordinator&) { asked.set_value(); });
  EXPECT_NE(taken.get_future().get().failure, "");
  EXPECT_EQ(restored.get_future().get().failure, "");
  RawClient next(server.port());
  ASSERT_TRUE(next.connect().has_value());
  EXPECT_TRUE(next.exists("/before"));
  server.stop();
}

}  // namespace
}  // namespace zk::server
