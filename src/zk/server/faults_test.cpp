// A server whose file system fails at every n-th call, then loses power: what was answered is there afterwards, what
// wasn't is there as a whole or not at all, and the owner is told. With one client, whose calls are the same each time, and
// with several at once, whose writes share syncs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "zk/server/data_dir.h"
#include "zk/server/server.h"
#include "zk/server/testing/raw_client.h"

namespace zk::server {
namespace {

using base::UnsyncedBytes;
using ::testing::ElementsAre;
using testing::config_in;
using testing::RawClient;
using testing::Reply;

// What one client wrote and was told.
struct Written {
  std::vector<std::pair<std::string, std::int64_t>> answered;  // path and zxid, in order
  std::vector<std::string> sent;                               // paths, in order; each comes with a twin in a multi
  bool refused = false;                                        // the server closed the connection
};

struct Case {
  int error;
  bool persistent;
  bool half_written;
  UnsyncedBytes unsynced;
  std::size_t writers = 1;
};

class FaultsTest : public ::testing::TestWithParam<Case> {
 protected:
  static ZooKeeperServerConfig config() {
    ZooKeeperServerConfig made = config_in("/data");
    made.snapshot_every = 12;  // so that snapshots and new log files are among what fails
    return made;
  }
  static base::Bytes multi(std::int32_t xid, const std::string& path) {
    proto::Writer writer;
    proto::RequestHeader header;
    header.xid = xid;
    header.type = static_cast<std::int32_t>(tree::OpCode::multi);
    writer.write(header);
    for (const char* suffix : {"", "-twin"}) {
      proto::MultiHeader part;
      part.type = static_cast<std::int32_t>(tree::OpCode::create);
      writer.write(part).write(RawClient::creation(path + suffix));
    }
    proto::MultiHeader end;
    end.type = end.err = -1;
    end.done = true;
    writer.write(end);
    return writer.take();
  }
  // Writes until all is answered or the server ends the connection: a few at a time, so that they share syncs.
  static Written write_on(std::uint16_t port, std::size_t writer) {
    constexpr int kRounds = 8, kInFlight = 5;
    Written written;
    try {
      RawClient client(port);  // which may come too late
      if (!client.connect()) {
        written.refused = true;
        return written;
      }
      for (int round = 0; round < kRounds; ++round) {
        for (int i = 0; i < kInFlight; ++i) {
          written.sent.push_back("/w" + std::to_string(writer) + "-" + std::to_string(round) + "-" + std::to_string(i));
          client.send_frame(multi(i, written.sent.back()));
        }
        for (int i = 0; i < kInFlight; ++i) {
          Reply reply = client.receive();
          EXPECT_EQ(reply.error, 0);
          written.answered.emplace_back(written.sent[written.answered.size()], reply.zxid);
        }
      }
    } catch (const std::runtime_error&) {
      written.refused = true;
    }
    return written;
  }
  static std::vector<Written> write_all(std::uint16_t port, std::size_t writers) {
    std::vector<Written> written(writers);
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < writers; ++i) threads.emplace_back([&, i] { written[i] = write_on(port, i); });
    written[0] = write_on(port, 0);
    for (std::thread& thread : threads) thread.join();
    return written;
  }
  // What one of them wrote, in what is there after a start.
  static void check(const tree::State& state, const Written& written) {
    std::size_t done = 0;
    for (const std::string& path : written.sent) {
      const tree::Znode* node = state.tree().find(path);
      EXPECT_EQ(node == nullptr, state.tree().find(path + "-twin") == nullptr) << "half of a multi: " << path;
      if (node == nullptr) break;
      if (done < written.answered.size()) {
        EXPECT_EQ(node->stat.czxid, written.answered[done].second) << path;
      }
      ++done;
    }
    EXPECT_GE(done, written.answered.size()) << "answered and lost";
    for (std::size_t i = done; i < written.sent.size(); ++i) {
      EXPECT_EQ(state.tree().find(written.sent[i]), nullptr) << "later ones are there";
    }
  }
};

TEST_P(FaultsTest, AtEveryCall) {
  const Case& param = GetParam();
  bool met = true;
  for (std::uint64_t call = 1; met; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    base::MemoryFileSystem memory;
    base::FaultyFileSystem files(memory);
    std::vector<Written> written;
    {
      Server server(config(), files);
      std::promise<std::string> failure;
      server.set_on_failure([&](const std::string& reason, ExitCode) { failure.set_value(reason); });
      server.start();
      base::Fault fault;
      fault.call = call;
      fault.error = param.error;
      fault.persistent = param.persistent;
      fault.half_written = param.half_written;
      fault.changes_only = true;
      files.set_fault(fault);
      written = write_all(server.port(), param.writers);
      const bool refused = std::any_of(written.begin(), written.end(), [](const Written& one) { return one.refused; });
      // Either all is well, or the owner is told and nothing more is answered.
      if (refused) {
        EXPECT_NE(failure.get_future().get().find("cannot be written"), std::string::npos);
        EXPECT_THROW(RawClient(server.port()).connect(), std::runtime_error);  // the port is closed
      }
      server.stop();
      met = files.fault_met();
      EXPECT_TRUE(met || !refused);
    }
    memory.lose_power(param.unsynced);
    tree::State state;
    DataDir(memory, "/data", "/data").load(state, LoadOptions{});
    for (const Written& one : written) check(state, one);
    if (::testing::Test::HasFailure()) return;
    // And it goes on from there.
    Server again(config(), memory);
    again.start();
    RawClient client(again.port());
    ASSERT_TRUE(client.connect().has_value());
    Reply reply = client.create("/after");
    EXPECT_EQ(reply.error, 0);
    for (const Written& one : written) {
      EXPECT_TRUE(one.answered.empty() || reply.zxid > one.answered.back().second);
    }
    again.stop();
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultsTest,
                         ::testing::Values(Case{EIO, false, false, UnsyncedBytes::lost},
                                           Case{EIO, true, false, UnsyncedBytes::zeroed},
                                           Case{ENOSPC, false, true, UnsyncedBytes::torn},
                                           Case{ENOSPC, true, true, UnsyncedBytes::kept},
                                           Case{EIO, true, false, UnsyncedBytes::torn, 4},
                                           Case{ENOSPC, false, true, UnsyncedBytes::lost, 4}));

// A start waits for the disk no oftener than its first answer needs: each directory with a new name, and each file, once.
TEST(Syncs, OfAStartOnANewDirectoryAndItsFirstSession) {
  base::MemoryFileSystem memory;
  base::FaultyFileSystem files(memory);
  std::mutex mutex;
  std::vector<std::string> syncs;
  files.set_before_change([&](std::string_view operation, const std::string& path) {
    const std::lock_guard lock(mutex);
    if (operation.starts_with("sync")) syncs.push_back(std::string(operation) + " " + path);
  });
  Server server(config_in("/data"), files);
  server.start();
  RawClient client(server.port());
  ASSERT_TRUE(client.connect());
  std::vector<std::string> until_answered;
  {
    const std::lock_guard lock(mutex);
    until_answered = syncs;
  }
  server.stop();
  EXPECT_THAT(until_answered,
              ElementsAre("sync directory /data", "sync directory /", "sync /data/version-2/unfinished-snapshot.tmp",
                          "sync directory /data/version-2", "sync directory /data/version-2", "sync /data/version-2/log.1"));
}

}  // namespace
}  // namespace zk::server
