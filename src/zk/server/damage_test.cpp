// What may have become of a dataDir: bits flipped, ends torn off, pages never written. Whatever it is, either all that
// was answered is there, or the directory is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <system_error>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "zk/server/data_dir.h"
#include "zk/server/snapshot.h"
#include "zk/server/txn_codec.h"
#include "zk/server/txn_log.h"
#include "zk/tree/proposals.h"

namespace zk::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kSession = 0x100000000000007;

class DamageTest : public ::testing::Test {
 protected:
  // A snapshot of the initial tree, and a log with a few transactions of each kind.
  void write_directory(std::size_t large_bytes = 0, char fill = 'x') {
    data_dir_.prepare();
    write_snapshot(0, state_->tree().digest());
    run(tree::CreateSessionRequest{30000});
    run(creation("/a", "some data"));
    run(tree::SetDataRequest{"/a", "other data", -1});
    run(tree::SetDataRequest{"/absent", "fails", -1});
    tree::MultiRequest multi;
    multi.requests.emplace_back(creation("/a/b", "b"));
    multi.requests.emplace_back(tree::CheckRequest{"/a", 1});
    multi.requests.emplace_back(creation("/a/c", "c"));
    run(multi);
    if (large_bytes > 0) run(creation("/large", std::string(large_bytes, fill)));
    run(tree::DeleteRequest{"/a/b", -1});
    run(creation("/a/d", "the last one"));
    write_records();
  }
  void write_records() {
    // One file, as by a server that was not stopped.
    TxnLogOptions options;
    options.preallocate_bytes = 4 * 1024;  // each test writes the file thousands of times
    TxnLogWriter log(files_, data_dir_.log_dir(), options);
    base::Bytes all;
    for (const base::Bytes& record : records_) {
      starts_.push_back(kFileHeaderBytes + all.size());
      all.insert(all.end(), record.begin(), record.end());
    }
    log.append(all, 1);
    log_end_ = kFileHeaderBytes + all.size();
  }
  // With the session in the snapshot, so that the log begins with what follows.
  void start_anew() {
    proposals_.reset();
    state_.emplace();
    proposals_.emplace(*state_, tree::ProposalRules{});
    files_.remove_all("/data");
    records_.clear();
    digests_.clear();
    starts_.clear();
    zxid_ = 0;
    data_dir_.prepare();
    run(tree::CreateSessionRequest{30000});
    records_.clear();
    write_snapshot(1, state_->tree().digest());
  }
  // Of the tree as it is, under this zxid.
  void write_snapshot(std::int64_t zxid, std::uint64_t digest) {
    SnapshotWriter snapshot(files_, data_dir_.snapshot_dir());
    snapshot.append(encode_snapshot_head(state_->sessions(), state_->tree().acls().lists()));
    state_->tree().begin_snapshot([&](std::string_view path, const tree::Znode& node) {
      base::Bytes bytes;
      append_snapshot_node(bytes, path, node);
      snapshot.append(bytes);
    });
    while (!state_->tree().step_snapshot(100)) {
    }
    snapshot.finish(zxid, digest);
  }
  void run(tree::WriteRequest request) {
    tree::Caller caller;
    caller.session_id = kSession;
    ++zxid_;
    tree::Txn txn;
    proposals_->decide(request, caller, zxid_, 1000 + zxid_, txn);
    append_record(records_.emplace_back(), txn);
    state_->apply(txn);
    proposals_->applied(txn);
    digests_.push_back(state_->tree().digest());
  }
  static tree::CreateRequest creation(const std::string& path, const std::string& data) {
    tree::CreateRequest request;
    request.path = path;
    request.data = data;
    return request;
  }
  base::Bytes log_bytes() { return base::read_file(files_, kLog); }
  void write_log(const base::Bytes& bytes) {
    auto file = files_.open(kLog, base::OpenMode::create);
    file->truncate(bytes.size());
    file->write_at(0, bytes);
  }
  // The zxid up to which everything is as it was; -1 if the directory is refused.
  std::int64_t load() {
    tree::State loaded;
    try {
      const LoadResult result = data_dir_.load(loaded, options_);
      snapshot_zxid_ = result.snapshot_zxid;
      mismatches_ = result.digest_mismatches;
    } catch (const DataDirError& error) {
      refusal_ = error.what();
      return -1;
    }
    std::int64_t last = loaded.last_zxid();
    if (last > 0) {
      EXPECT_EQ(loaded.tree().digest(), digests_[static_cast<std::size_t>(last) - 1]);
    }
    return last;
  }

  const std::string kLog = "/data/version-2/log.1";
  base::MemoryFileSystem files_;
  DataDir data_dir_{files_, "/data", "/data"};
  std::optional<tree::State> state_{std::in_place};
  std::optional<tree::Proposals> proposals_{std::in_place, *state_, tree::ProposalRules{}};
  std::vector<base::Bytes> records_;
  std::vector<std::uint64_t> digests_;
  std::vector<std::size_t> starts_;  // of records in the file
  std::size_t log_end_ = 0;
  std::int64_t zxid_ = 0;
  LoadOptions options_;
  std::int64_t snapshot_zxid_ = -1;
  std::uint64_t mismatches_ = 0;
  std::string refusal_;
};

TEST_F(DamageTest, NoBitOfALogFlipsUnseen) {
  write_directory();
  const base::Bytes good = log_bytes();
  ASSERT_EQ(load(), zxid_);
  int refused = 0;
  for (std::size_t at = 0; at < log_end_ + 40; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      base::Bytes bytes = good;
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << bit));
      write_log(bytes);
      std::int64_t last = load();
      if (last == -1) {
        EXPECT_THAT(refusal_, StartsWith(kLog + ", offset "));
        EXPECT_THAT(refusal_, HasSubstr("Nothing was changed. Restore this file"));
        EXPECT_EQ(log_bytes(), bytes);
        ++refused;
      } else {
        EXPECT_EQ(last, zxid_) << "bit " << bit << " of byte " << at;
      }
    }
  }
  // All but the header's database id, which says nothing, and the zeros behind the end.
  EXPECT_EQ(refused, static_cast<int>(log_end_ - 8) * 8);
}

// A record's data may look like a page that was never written.
TEST_F(DamageTest, NoBitFlipsUnseenAmongZeros) {
  constexpr std::size_t kPage = 4096;
  for (const std::size_t behind : {0U, 1U, 3U}) {
    for (const std::size_t size : {kPage, 2 * kPage, 3 * kPage - 100, 3 * kPage}) {
      SCOPED_TRACE(::testing::Message() << size << " zeros, records behind: " << behind);
      start_anew();
      run(creation("/zeros", std::string(size, '\0')));
      for (std::size_t i = 0; i < behind; ++i) run(creation("/behind" + std::to_string(i), "x"));
      write_records();
      const base::Bytes good = log_bytes();
      ASSERT_EQ(load(), zxid_);
      const std::size_t large_end = starts_[0] + records_[0].size();
      for (std::size_t at = starts_[0]; at < large_end; at += at < 100 || at + 100 > large_end ? 1 : 61) {
        base::Bytes bytes = good;
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << (at % 8)));
        write_log(bytes);
        ASSERT_EQ(load(), -1) << "bit " << at % 8 << " of byte " << at;
      }
      if (behind == 0) continue;
      // And what is no single bit isn't taken for a torn end when answered records follow.
      base::Bytes bytes = good;
      bytes[large_end - 20] = 0x5a;
      bytes[starts_[0] + 50] = 0x5a;
      write_log(bytes);
      EXPECT_EQ(load(), -1);
    }
  }
}

// The checksum's first bytes are zeros, as is what a page's end has that was never written.
TEST_F(DamageTest, NoBitFlipsUnseenWhereARecordBeginsAtAPagesEnd) {
  constexpr std::size_t kPage = 4096;
  for (std::size_t before = 1; before <= 12; ++before) {
    SCOPED_TRACE(::testing::Message() << before << " bytes before the page's end");
    for (const bool is_last : {false, true}) {
      std::size_t padding = kPage - 200;
      for (int fitted = 0; fitted < 2; ++fitted) {  // the second time, the record starts there
        start_anew();
        run(creation("/padding", std::string(padding, 'x')));
        run(creation("/a", "some data"));
        if (!is_last) run(creation("/b", "answered"));
        write_records();
        padding += kPage - before - starts_[1];
      }
      ASSERT_EQ(starts_[1], kPage - before);
      const base::Bytes good = log_bytes();
      ASSERT_EQ(load(), zxid_);
      for (std::size_t at = starts_[1]; at < starts_[1] + records_[1].size(); ++at) {
        base::Bytes bytes = good;
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << (at % 8)));
        write_log(bytes);
        ASSERT_EQ(load(), -1) << "bit " << at % 8 << " of byte " << at;
      }
    }
  }
}

TEST_F(DamageTest, NoBitOfASnapshotFlipsUnseen) {
  write_directory();
  const std::string path = "/data/version-2/snapshot.0";
  const base::Bytes good = base::read_file(files_, path);
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto byte = static_cast<std::uint8_t>(good[at] ^ (1U << (at % 8)));
    files_.open(path, base::OpenMode::read_write)->write_at(at, base::ByteView(&byte, 1));
    EXPECT_EQ(load(), -1) << "byte " << at;
    EXPECT_THAT(refusal_, HasSubstr(path));
    files_.open(path, base::OpenMode::read_write)->write_at(at, base::ByteView(&good[at], 1));
  }
  EXPECT_EQ(load(), zxid_);
}

// As a server that is killed with nothing behind its newest snapshot leaves it.
TEST_F(DamageTest, ASnapshotWhoseTreeIsAnotherGivesWayToAnOlderOneOrIsRefused) {
  write_directory();
  write_snapshot(zxid_, digests_.back() + 1);
  EXPECT_EQ(load(), zxid_);
  EXPECT_EQ(snapshot_zxid_, 0);
  files_.remove("/data/version-2/snapshot.0");
  EXPECT_EQ(load(), -1);
  EXPECT_THAT(refusal_, HasSubstr("/data/version-2/snapshot.7, offset "));
  EXPECT_THAT(refusal_, HasSubstr("after transaction 0x7 the tree's digest is "));
  EXPECT_THAT(refusal_, HasSubstr("digest.enabled=false for one start"));
  EXPECT_THAT(refusal_, HasSubstr("Nothing was changed"));
  options_.check_digests = false;
  EXPECT_EQ(load(), zxid_);
}

// ZooKeeper may be applying the next transaction while it writes the znodes, and not have said so yet when it writes
// the zxids behind them.
TEST_F(DamageTest, ASnapshotMayHoldTheTransactionBehindItsDigest) {
  write_directory();
  write_snapshot(zxid_ - 1, digests_[digests_.size() - 2]);
  EXPECT_EQ(load(), zxid_);
  EXPECT_EQ(snapshot_zxid_, zxid_ - 1);
  EXPECT_EQ(mismatches_, 1U);
  // But whatever is wrong with it is seen in the digest of that one.
  run(tree::SetDataRequest{"/a", "nobody wrote this", -1});
  write_snapshot(zxid_ - 2, digests_[digests_.size() - 3]);
  EXPECT_EQ(load(), -1);
  EXPECT_THAT(refusal_, HasSubstr("after transaction 0x7 the tree's digest is "));
}

TEST_F(DamageTest, ATornEndKeepsWhatIsWhole) {
  write_directory();
  const base::Bytes good = log_bytes();
  for (std::size_t cut = kFileHeaderBytes; cut <= log_end_; ++cut) {
    std::int64_t whole = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) whole += starts_[i] + records_[i].size() <= cut;
    base::Bytes bytes = good;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(cut), bytes.end(), std::uint8_t{0});
    write_log(bytes);
    EXPECT_EQ(load(), whole) << "zeros from " << cut << " on";
    bytes.resize(cut);
    write_log(bytes);
    EXPECT_EQ(load(), whole) << "ends at " << cut << ": " << refusal_;
  }
}

TEST_F(DamageTest, PagesThatWereNeverWrittenAreATornEnd) {
  constexpr std::size_t kPage = 4096;
  write_directory(5 * kPage);
  const base::Bytes good = log_bytes();
  for (std::size_t page = kPage; page < log_end_; page += kPage) {
    base::Bytes bytes = good;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(page), kPage, std::uint8_t{0});
    write_log(bytes);
    // Those before the large one are there; if the last page is missing, so may be the large one.
    EXPECT_GE(load(), 5) << "page at " << page << ": " << refusal_;
  }
}

// What was written with it may be whole behind it, wherever in the record a page begins: among its fields there are zeros, too.
TEST_F(DamageTest, AMissingPageOfManyRecordsIsATornEndWhereverItBegins) {
  constexpr std::size_t kPage = 4096;
  for (std::size_t padding = 0; padding < kPage; ++padding) {
    start_anew();
    run(creation("/padding", std::string(padding, 'x')));
    run(creation("/large", std::string(3 * kPage + 100, 'x')));
    run(creation("/behind", "x"));
    write_records();
    const base::Bytes good = log_bytes();
    for (std::size_t page = starts_[1] - starts_[1] % kPage; page < log_end_; page += kPage) {
      base::Bytes bytes = good;
      const std::size_t from = std::max(page, starts_[1]);  // the record before was synced
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), page + kPage - from, std::uint8_t{0});
      write_log(bytes);
      ASSERT_GE(load(), 2) << "page at " << page << " of a record at " << starts_[1] << ": " << refusal_;
    }
  }
}

TEST_F(DamageTest, AReadThatFailsIsNoEnd) {
  write_directory();
  base::FaultyFileSystem files(files_);
  bool met = true;
  for (std::uint64_t call = 1; met; ++call) {
    base::Fault fault;
    fault.call = call;
    files.set_fault(fault);
    tree::State loaded;
    try {
      DataDir(files, "/data", "/data").load(loaded, LoadOptions{});
      EXPECT_EQ(loaded.last_zxid(), zxid_) << "call " << call;
    } catch (const std::system_error&) {
    }
    met = files.fault_met();
  }
}

TEST_F(DamageTest, GarbageBehindTheEndIsRefusedOrSkipped) {
  write_directory();
  const base::Bytes good = log_bytes();
  std::uint32_t random = 1;
  for (int round = 0; round < 200; ++round) {
    base::Bytes bytes = good;
    for (std::size_t at = log_end_; at < log_end_ + 300; ++at) {
      random = random * 1664525U + 1013904223U;
      bytes[at] = static_cast<std::uint8_t>(random >> 24);
    }
    write_log(bytes);
    std::int64_t last = load();
    EXPECT_TRUE(last == zxid_ || last == -1) << last;
  }
}

}  // namespace
}  // namespace zk::server
