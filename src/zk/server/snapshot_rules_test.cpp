// When snapshots are written, what begins with them, what their sections say, and what a failure of one ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <system_error>
#include <thread>

#include "base/crc.h"
#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "zk/server/data_dir.h"
#include "zk/server/digest_check.h"
#include "zk/server/exit_code.h"
#include "zk/server/snapshot.h"
#include "zk/server/testing/server_fixture.h"
#include "zk/server/txn_log.h"

namespace zk::server {
namespace {

using ::testing::HasSubstr;

class SnapshotRules : public testing::ServerFixture {
 protected:
  std::size_t count(const std::string& prefix) {
    const auto names = base::real_file_system().list(directory_ / "version-2");
    return static_cast<std::size_t>(
        std::count_if(names.begin(), names.end(), [&](const auto& name) { return name.starts_with(prefix); }));
  }
  // So many transactions; a new connection costs one more.
  void write(int transactions, std::size_t bytes = 0) {
    auto made = client();
    for (int i = 1; i < transactions; ++i) {
      ASSERT_EQ(made->create("/n" + std::to_string(made_++), 0, std::string(bytes, 'd')).error, 0);
    }
  }
  void wait_for_snapshots(std::size_t snapshots) {
    while (count("snapshot.") < snapshots) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  int made_ = 0;
};

// ZooKeeper's rule: after more than half of snapCount, and a random part of the other half.
TEST_F(SnapshotRules, TransactionsAreCountedSinceTheLastOneAlsoThoseBeforeAStart) {
  config_.snapshot_every = 200;
  start();
  write(95);
  EXPECT_EQ(count("snapshot."), 1u);
  restart();
  EXPECT_EQ(count("snapshot."), 1u);
  write(105);
  wait_for_snapshots(2);
}

// The same with snapSizeLimitInKb.
TEST_F(SnapshotRules, BytesAreCountedSinceTheLastOneAlsoThoseBeforeAStart) {
  config_.snapshot_every_bytes = 50'000;
  start();
  write(3, 10'000);
  EXPECT_EQ(count("snapshot."), 1u);
  restart();
  EXPECT_EQ(count("snapshot."), 1u);
  write(4, 10'000);
  wait_for_snapshots(2);
}

// Or a purge could never take away what the snapshot has made superfluous.
TEST_F(SnapshotRules, ANewLogFileBeginsWithThem) {
  start();
  write(5);
  std::promise<std::string> taken;
  server_->take_snapshot([&](const SnapshotResult& result) { taken.set_value(result.failure); });
  ASSERT_EQ(taken.get_future().get(), "");
  EXPECT_EQ(count("log."), 1u);
  write(2);
  EXPECT_EQ(count("log."), 2u);
}

// ZooKeeper ends with its own code then: the log would grow without end.
TEST_F(SnapshotRules, WhatCannotBeWrittenEndsTheService) {
  base::FaultyFileSystem files(base::real_file_system());
  config_.snapshot_every = 2;  // the second session is enough
  server_ = std::make_unique<Server>(config_, files);
  std::promise<std::pair<std::string, ExitCode>> failure;
  server_->set_on_failure([&](const std::string& reason, ExitCode code) { failure.set_value({reason, code}); });
  server_->start();
  files.set_before_change([](std::string_view operation, const std::string& path) {
    if (operation == "rename" && path.find("snapshot") != std::string::npos) {
      throw std::system_error(ENOSPC, std::generic_category(), "no room");
    }
  });
  testing::RawClient first(server_->port()), second(server_->port());
  first.connect();
  second.connect();
  const auto [reason, code] = failure.get_future().get();
  EXPECT_THAT(reason, HasSubstr("a snapshot cannot be written"));
  EXPECT_EQ(code, ExitCode::snapshot_failed);
  server_.reset();
}

TEST(DataLogDir, IsNotServedTwice) {
  base::MemoryFileSystem files;
  const auto config = [](const std::string& data_dir) {
    ZooKeeperServerConfig made = testing::config_in(data_dir);
    made.data_log_dir = "/log";
    return made;
  };
  Server first(config("/first"), files);
  first.start();
  Server second(config("/second"), files);
  EXPECT_THROW(second.start(), DataDirError);
}

// ZooKeeper doesn't start on a log that ends within a page, so it must not be there again.
TEST(TornLogs, StayCutOff) {
  base::MemoryFileSystem files;
  DataDir data_dir(files, "/data", "/data");
  data_dir.prepare(true);
  const std::string path = data_dir.log_dir() + "/log.1";
  {
    auto file = files.open(path, base::OpenMode::create);
    file->write_at(0, base::Bytes(100, 1));
    file->sync();
  }
  files.sync_directory(data_dir.log_dir());
  data_dir.cut_torn({TornLog{path, 40, false}});
  files.lose_power();
  EXPECT_EQ(files.info(path).size, 40u);
}

class SnapshotSections : public ::testing::Test {
 protected:
  SnapshotSections() { files_.create_directories("/data"); }
  void write(SnapshotOptions options, std::uint64_t digest) {
    SnapshotWriter writer(files_, "/data", options);
    writer.append(encode_snapshot_head({}, {}));
    base::Bytes nodes;
    state_.tree().begin_snapshot([&](std::string_view path, const tree::Znode& node) { append_snapshot_node(nodes, path, node); });
    while (!state_.tree().step_snapshot(1)) {
    }
    writer.append(nodes);
    writer.finish(7, digest);
  }
  SnapshotInfo read() {
    tree::State again;
    return read_snapshot(files_, "/data/snapshot.7", again);
  }

  base::MemoryFileSystem files_;
  tree::State state_;
};

TEST_F(SnapshotSections, HaveTheLastZxidUnlessItIsLeftOut) {
  write(SnapshotOptions{}, state_.tree().digest());
  EXPECT_EQ(read().last_zxid, 7);
  EXPECT_EQ(read().digest_zxid, 7);
}

// Of another way to compute it: nothing to compare with.
TEST_F(SnapshotSections, ADigestOfAnotherVersionIsNone) {
  SnapshotOptions options;
  options.last_zxid = false;
  write(options, 1);
  EXPECT_EQ(read().digest_zxid, 7);
  base::Bytes bytes = base::read_file(files_, "/data/snapshot.7");
  constexpr std::size_t kSeal = 8 + 5, kVersionAndDigest = 4 + 8;
  base::store_big_endian(bytes.data() + bytes.size() - kSeal - kVersionAndDigest, std::int32_t{3});
  const std::uint32_t checksum = base::adler32(base::ByteView(bytes).first(bytes.size() - kSeal));
  base::store_big_endian(bytes.data() + bytes.size() - kSeal, static_cast<std::int64_t>(checksum));
  files_.open("/data/snapshot.7", base::OpenMode::read_write)->write_at(0, bytes);
  EXPECT_EQ(read().digest_zxid, -1);
}

class DigestRules : public ::testing::Test {
 protected:
  static std::optional<std::string> after(DigestCheck& check, std::int64_t zxid, std::uint64_t logged, std::uint64_t digest) {
    tree::Txn txn;
    txn.zxid = zxid;
    txn.digest = logged;
    txn.body = tree::SetDataTxn{};
    return check.after(txn, digest);
  }
  SnapshotInfo info_;
};

// Within a snapshot that was written while the tree changed, no digest fits; behind it, each must.
TEST_F(DigestRules, TheLastTransactionThatASnapshotHoldsIsWithinIt) {
  info_.last_zxid = 10;
  DigestCheck check(5, info_, 1);
  EXPECT_FALSE(after(check, 9, 2, 3));
  EXPECT_FALSE(after(check, 10, 2, 3));
  EXPECT_EQ(after(check, 11, 2, 3), "after transaction 0xb the tree's digest is 3, the log says 2");
}

// An older server's snapshot doesn't tell where it ends; at the log's end at the latest.
TEST_F(DigestRules, WhatDoesNotFitAtTheLogsEndIsRefused) {
  info_.digest_zxid = info_.last_zxid = -1;
  DigestCheck check(5, info_, 1);
  EXPECT_FALSE(after(check, 6, 2, 3));
  EXPECT_TRUE(check.log_refusal());
  EXPECT_FALSE(after(check, 7, 4, 4));
  EXPECT_FALSE(check.log_refusal());
  EXPECT_TRUE(after(check, 8, 5, 6));
}

}  // namespace
}  // namespace zk::server
