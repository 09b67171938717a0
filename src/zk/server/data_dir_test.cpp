// Opens a dataDir that ZooKeeper 3.9.4 left when it was killed, and compares with what it served afterwards.
#include "zk/server/data_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/crc.h"
#include "base/testing/temp_dir.h"
#include "zk/server/snapshot.h"
#include "zk/server/txn_codec.h"
#include "zk/server/txn_log.h"

namespace zk::server {
namespace {

std::string testdata(const std::string& name) { return MILENA_SOURCE_DIR "/src/zk/server/testdata/" + name; }

std::vector<std::vector<std::string>> rows_of(const std::string& name) {
  std::ifstream file(testdata(name));
  std::vector<std::vector<std::string>> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string>& row = rows.emplace_back();
    std::size_t start = 0;
    for (std::size_t tab; (tab = line.find('\t', start)) != std::string::npos; start = tab + 1) {
      row.push_back(line.substr(start, tab - start));
    }
    row.push_back(line.substr(start));
  }
  return rows;
}

std::string hex(std::int64_t value) {
  std::ostringstream out;
  out << "0x" << std::hex << static_cast<std::uint64_t>(value);
  return out.str();
}

std::string acl_text(const tree::AclList& acl) {
  std::string text = "[";
  for (const tree::AclEntry& entry : acl) {
    if (text.size() > 1) text += ",";
    text +=
        "[" + std::to_string(entry.permissions) + ",\"" + entry.identity.scheme + "\",\"" + entry.identity.id + "\"]";
  }
  return text + "]";
}

class SampleDataDir : public ::testing::Test {
 protected:
  SampleDataDir() {
    std::string command = "tar xzf " + testdata("sample-datadir.tgz") + " -C " + directory_.path();
    if (std::system(command.c_str()) != 0) throw std::runtime_error("cannot unpack the sample");
  }
  std::string file(const std::string& name) const { return directory_ / ("version-2/" + name); }
  void patch(const std::string& name, std::uint64_t offset, std::uint8_t byte) {
    auto opened = files_.open(file(name), base::OpenMode::read_write);
    opened->write_at(offset, base::ByteView(&byte, 1));
  }
  LoadResult load(const DataDir::Observer& observer = nullptr) {
    return data_dir_.load(state_, LoadOptions{}, observer);
  }
  std::string failure() {
    try {
      load();
      return "loaded";
    } catch (const DataDirError& error) {
      return error.what();
    }
  }

  using AclLists = std::map<std::int64_t, tree::SharedAcl>;
  void write_snapshot(std::int64_t zxid, SnapshotOptions options, std::optional<AclLists> lists = std::nullopt) {
    SnapshotWriter writer(files_, data_dir_.snapshot_dir(), options);
    writer.append(encode_snapshot_head(state_.sessions(), lists.value_or(state_.tree().acls().lists())));
    state_.tree().begin_snapshot([&](std::string_view path, const tree::Znode& node) {
      base::Bytes bytes;
      append_snapshot_node(bytes, path, node);
      writer.append(bytes);
    });
    while (!state_.tree().step_snapshot(3)) {
    }
    writer.finish(zxid, state_.tree().digest());
  }

  base::testing::TempDir directory_;
  base::FileSystem& files_ = base::real_file_system();
  DataDir data_dir_{files_, directory_.path(), directory_.path()};
  tree::State state_;
};

TEST_F(SampleDataDir, ServesTheTreeOfTheOriginal) {
  LoadResult result = load();
  EXPECT_EQ(result.snapshot_zxid, 0x27);
  EXPECT_EQ(state_.last_zxid(), 0x36);
  const tree::Tree& tree = state_.tree();
  auto rows = rows_of("expected-tree.tsv");
  EXPECT_EQ(rows.size(), tree.node_count());
  for (const auto& row : rows) {
    SCOPED_TRACE(row[0]);
    const tree::Znode* node = tree.find(row[0]);
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(node->data.is_null() ? "null" : base::to_hex(base::as_bytes(node->data.view())), row[1]);
    tree::Stat stat = tree.stat_of(*node);
    std::vector<std::string> found = {std::to_string(stat.version),
                                      std::to_string(node->stat.cversion),
                                      std::to_string(stat.cversion),
                                      std::to_string(stat.aversion),
                                      hex(stat.czxid),
                                      hex(stat.mzxid),
                                      hex(stat.pzxid),
                                      std::to_string(stat.ctime),
                                      std::to_string(stat.mtime),
                                      hex(node->stat.ephemeral_owner),
                                      hex(stat.ephemeral_owner),
                                      std::to_string(stat.num_children),
                                      acl_text(*tree.acl_of(*node))};
    EXPECT_EQ(found, std::vector<std::string>(row.begin() + 2, row.end()));
  }
  EXPECT_EQ(tree.path_of(*tree.find("/seq/n-0000000002")), "/seq/n-0000000002");
}

TEST_F(SampleDataDir, KeepsItsSessions) {
  load();
  auto rows = rows_of("expected-sessions.tsv");
  ASSERT_EQ(state_.sessions().size(), rows.size());
  for (const auto& row : rows) {
    auto id = static_cast<std::int64_t>(std::stoull(row[0], nullptr, 16));
    ASSERT_TRUE(state_.sessions().contains(id));
    EXPECT_EQ(std::to_string(state_.sessions().at(id)), row[1]);
    std::string paths;
    for (const std::string& path : state_.tree().ephemerals_of(id)) paths += (paths.empty() ? "" : ",") + path;
    EXPECT_EQ(paths, row[3]);
  }
}

TEST_F(SampleDataDir, EveryTransactionLeavesTheOriginalsDigest) {
  files_.remove(file("snapshot.27"));  // so that all of them are replayed over an exact tree
  auto rows = rows_of("expected-txns.tsv");
  std::size_t index = 0;
  load([&](const std::string&, const tree::Txn& txn, const tree::State& state) {
    ASSERT_LT(index, rows.size());
    const auto& row = rows[index++];
    EXPECT_EQ(hex(txn.zxid), row[1]);
    EXPECT_EQ(std::to_string(static_cast<int>(type_of(txn.body))), row[2]);
    EXPECT_EQ(hex(txn.session_id), row[4]);
    EXPECT_EQ(std::to_string(txn.cxid), row[5]);
    if (row[7] != "-") {
      EXPECT_EQ(std::to_string(state.tree().digest()), row[7]) << row[1];
    }
  });
  EXPECT_EQ(index, rows.size());
}

TEST_F(SampleDataDir, RecordsAreWrittenBackByteForByte) {
  for (const char* name : {"log.1", "log.29"}) {
    base::Bytes original = base::read_file(files_, file(name));
    base::Bytes written(original.begin(), original.begin() + kFileHeaderBytes);
    TxnLogReader reader(files_, file(name));
    while (auto txn = reader.next()) append_record(written, *txn);
    ASSERT_GT(written.size(), 1000u);
    EXPECT_TRUE(std::equal(written.begin(), written.end(), original.begin())) << name;
  }
}

TEST_F(SampleDataDir, OwnSnapshotHoldsTheSame) {
  load();
  write_snapshot(state_.last_zxid(), {});
  tree::State again;
  LoadResult result = data_dir_.load(again, LoadOptions{});
  EXPECT_EQ(result.snapshot_zxid, 0x36);
  EXPECT_EQ(again.tree().digest(), state_.tree().digest());
  EXPECT_EQ(again.tree().node_count(), state_.tree().node_count());
  EXPECT_EQ(again.sessions(), state_.sessions());
}

TEST_F(SampleDataDir, CompressedSnapshotsHoldTheSame) {
  load();
  for (base::Codec codec : {base::Codec::gzip, base::Codec::snappy}) {
    SCOPED_TRACE(base::name_of(codec));
    SnapshotOptions options;
    options.codec = codec;
    write_snapshot(state_.last_zxid(), options);
    std::string name = codec == base::Codec::gzip ? "snapshot.36.gz" : "snapshot.36.snappy";
    ASSERT_TRUE(files_.exists(file(name)));
    tree::State again;
    EXPECT_EQ(data_dir_.load(again, LoadOptions{}).snapshot_zxid, 0x36);
    EXPECT_EQ(again.tree().digest(), state_.tree().digest());
    EXPECT_EQ(again.sessions(), state_.sessions());
    // One that was cut off gives way to the plain one before it.
    auto opened = files_.open(file(name), base::OpenMode::read_write);
    opened->truncate(opened->size() * 2 / 3);
    tree::State older;
    EXPECT_EQ(data_dir_.load(older, LoadOptions{}).snapshot_zxid, 0x27);
    EXPECT_EQ(older.tree().digest(), state_.tree().digest());
    files_.remove(file(name));
  }
}

// A length alone must not make the reader unpack gigabytes.
TEST_F(SampleDataDir, ACompressedSnapshotIsNotABomb) {
  load();
  base::Bytes bytes = encode_snapshot_head(state_.sessions(), state_.tree().acls().lists());
  base::append_big_endian(bytes, std::int32_t{0x7fffffff});  // of a path
  bytes.resize(bytes.size() + 1'000'000);
  for (base::Codec codec : {base::Codec::gzip, base::Codec::snappy}) {
    const std::string name = file(snapshot_name(0x100, codec));
    files_.open(name, base::OpenMode::create)->write_at(0, base::compress(codec, bytes));
    tree::State again;
    try {
      read_snapshot(files_, name, again);
      ADD_FAILURE() << "it was read";
    } catch (const DataDirError& error) {
      EXPECT_NE(std::string(error.what()).find("too large for a compressed file"), std::string::npos) << error.what();
    }
    files_.remove(name);
  }
}

TEST_F(SampleDataDir, TheSectionOf39CanBeLeftOut) {
  load();
  SnapshotOptions options;
  options.last_zxid = false;
  write_snapshot(state_.last_zxid(), options);
  tree::State again;
  SnapshotInfo info = read_snapshot(files_, file("snapshot.36"), again);
  EXPECT_EQ(info.last_zxid, -1);
  EXPECT_EQ(info.digest_zxid, 0x36);
}

TEST_F(SampleDataDir, PurgeKeepsThreeSnapshotsAndTheLogsThatTheyNeed) {
  load();
  SnapshotOptions packed;
  packed.codec = base::Codec::gzip;
  write_snapshot(0x28, packed);
  write_snapshot(0x30, {});
  write_snapshot(0x31, {});
  data_dir_.purge(1);
  EXPECT_FALSE(files_.exists(file("snapshot.0")));
  EXPECT_FALSE(files_.exists(file("snapshot.27")));
  for (const char* name : {"snapshot.28.gz", "snapshot.30", "snapshot.31", "log.29"}) {
    EXPECT_TRUE(files_.exists(file(name))) << name;
  }
}

// It began before the oldest of them, and holds what came behind it.
TEST_F(SampleDataDir, PurgeKeepsTheLogThatTheOldestSnapshotIsWithin) {
  load();
  for (const std::int64_t zxid : {0x30, 0x31, 0x36}) write_snapshot(zxid, {});
  data_dir_.purge(3);
  EXPECT_FALSE(files_.exists(file("snapshot.27")));
  EXPECT_FALSE(files_.exists(file("log.1")));
  EXPECT_TRUE(files_.exists(file("log.29")));
}

// What a ZooKeeper that was killed has left of one: it counts for none that is kept, and goes with those of its age.
TEST_F(SampleDataDir, PurgeTakesUnfinishedSnapshotsThatAreOldAndCountsNone) {
  load();
  for (const char* name : {"snapshot.20", "snapshot.26", "snapshot.35"}) {
    files_.open(file(name), base::OpenMode::create)->write_at(0, base::Bytes(200, 1));
  }
  for (const std::int64_t zxid : {0x28, 0x30}) write_snapshot(zxid, {});
  data_dir_.purge(3);
  for (const char* name : {"snapshot.0", "snapshot.20", "snapshot.26"}) EXPECT_FALSE(files_.exists(file(name))) << name;
  for (const char* name : {"snapshot.27", "snapshot.28", "snapshot.30", "snapshot.35", "log.29"}) {
    EXPECT_TRUE(files_.exists(file(name))) << name;
  }
}

TEST_F(SampleDataDir, LogFilesEndAtTheirSizeLimit) {
  TxnLogOptions options;
  options.file_bytes_max = 100;
  options.preallocate_bytes = 4096;
  TxnLogWriter writer(files_, data_dir_.log_dir(), options);
  for (std::int64_t zxid = 0x100; zxid < 0x104; ++zxid) writer.append(base::Bytes(60, 1), zxid);
  EXPECT_TRUE(files_.exists(file("log.100")));
  EXPECT_FALSE(files_.exists(file("log.101")));
  EXPECT_TRUE(files_.exists(file("log.102")));
}

TEST_F(SampleDataDir, WrongChecksumInALogIsRefusedWithFileAndOffset) {
  patch("log.29", 100, 0xff);
  std::string message = failure();
  EXPECT_NE(message.find(file("log.29") + ", offset 16: the record's checksum is wrong"), std::string::npos) << message;
}

// What begins with zeros was never written; this was.
TEST_F(SampleDataDir, ARecordThatHasLostItsLengthIsRefused) {
  for (std::uint64_t offset = 24; offset < 28; ++offset) patch("log.29", offset, 0);
  EXPECT_NE(failure().find(file("log.29") + ", offset 16: "), std::string::npos) << failure();
}

// As in the directory of a server that was an ensemble's: a new leader counts from the beginning of its epoch.
TEST_F(SampleDataDir, ANewEpochBeginsAnywhereButHasNoGaps) {
  const auto append = [&](std::int64_t zxid) {
    tree::Txn txn;
    txn.zxid = zxid;
    tree::SetDataTxn set;
    set.path = "/";
    txn.body = set;
    base::Bytes record;
    append_record(record, txn);
    TxnLogWriter writer(files_, data_dir_.log_dir(), TxnLogOptions{});
    writer.append(record, zxid);
    writer.sync();
  };
  append(0x300000002);
  append(0x300000003);
  load();
  EXPECT_EQ(state_.last_zxid(), 0x300000003);
  append(0x300000005);
  EXPECT_NE(failure().find("transaction 0x300000005 follows 0x300000003"), std::string::npos);
}

// One that was written while the tree changed holds more than its name says; what it holds must not happen again.
TEST_F(SampleDataDir, ASnapshotHoldsAllUpToItsLastTransaction) {
  load();
  write_snapshot(0x36, {});
  files_.rename(file("snapshot.36"), file("snapshot.30"));
  for (const char* log : {"log.1", "log.29"}) files_.remove(file(log));
  tree::State again;
  data_dir_.load(again, LoadOptions{}, nullptr);
  EXPECT_EQ(again.last_zxid(), 0x36);
}

TEST_F(SampleDataDir, MissingLogIsRefused) {
  files_.remove(file("log.29"));
  auto txn_log = TxnLogWriter(files_, data_dir_.log_dir(), TxnLogOptions{});
  base::Bytes record;
  tree::Txn txn;
  txn.zxid = 0x40;
  append_record(record, txn);
  txn_log.append(record, 0x40);
  EXPECT_NE(failure().find("transaction 0x40 follows 0x28"), std::string::npos) << failure();
}

TEST_F(SampleDataDir, DamagedSnapshotGivesWayToAnOlderOne) {
  patch("snapshot.27", 300, 0xee);
  EXPECT_EQ(load().snapshot_zxid, 0);
  EXPECT_EQ(state_.last_zxid(), 0x36);
}

// ZooKeeper writes the ACL lists first, and then the znodes as they are by then.
TEST_F(SampleDataDir, AnAclThatCameWhileASnapshotWasWrittenIsInTheLogBehindIt) {
  load();
  const AclLists lists = state_.tree().acls().lists();
  auto txn_log = TxnLogWriter(files_, data_dir_.log_dir(), TxnLogOptions{});
  std::int64_t zxid = state_.last_zxid();
  auto apply = [&](tree::TxnBody body) {
    tree::Txn txn;
    txn.zxid = ++zxid;
    txn.body = std::move(body);
    state_.apply(txn);
    base::Bytes record;
    append_record(record, txn);
    txn_log.append(record, zxid);
  };
  const auto list_of = [](const char* user) {
    return tree::AclList{tree::AclEntry{tree::kAll, tree::Identity{"digest", std::string(user) + ":hash"}}};
  };
  tree::CreateTxn made;
  made.path = "/late";
  made.acl = list_of("a");
  apply(made);
  apply(tree::SetAclTxn{"/seq", list_of("b"), 1});
  made.path = "/gone";
  made.acl = list_of("c");
  apply(made);
  write_snapshot(0x36, {}, lists);
  apply(tree::DeleteTxn{tree::OpCode::remove, "/gone"});
  txn_log.roll();
  tree::State again;
  EXPECT_EQ(data_dir_.load(again, LoadOptions{}).snapshot_zxid, 0x36);
  EXPECT_EQ(*again.tree().acl_of(*again.tree().find("/late")), list_of("a"));
  EXPECT_EQ(*again.tree().acl_of(*again.tree().find("/seq")), list_of("b"));
  EXPECT_EQ(again.tree().find("/gone"), nullptr);
  EXPECT_EQ(again.tree().acls().lists().size(), state_.tree().acls().lists().size());
  // Without that log a znode would be served by no rules at all.
  files_.remove(file("log.37"));
  tree::State older;
  EXPECT_EQ(data_dir_.load(older, LoadOptions{}).snapshot_zxid, 0x27);
  EXPECT_EQ(older.tree().find("/late"), nullptr);
}

TEST_F(SampleDataDir, SnapshotsWithoutADigestMayNameTheLastZxid) {
  // As ZooKeeper 3.9 writes them with digest.enabled=false: the section with the digest is left out.
  base::Bytes bytes = base::read_file(files_, file("snapshot.27"));
  constexpr std::size_t kDigestSection = 8 + 4 + 8 + 8 + 5, kLastSection = 8 + 8 + 5;
  std::size_t start = bytes.size() - kLastSection - kDigestSection;
  bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(start),
              bytes.begin() + static_cast<std::ptrdiff_t>(start + kDigestSection));
  std::size_t summed = bytes.size() - 8 - 5;
  base::store_big_endian(bytes.data() + summed,
                         static_cast<std::int64_t>(base::adler32(base::ByteView(bytes).first(summed))));
  auto snapshot = files_.open(file("snapshot.27"), base::OpenMode::read_write);
  snapshot->truncate(0);
  snapshot->write_at(0, bytes);
  EXPECT_EQ(load().snapshot_zxid, 0x27);
  EXPECT_EQ(state_.last_zxid(), 0x36);
}

TEST_F(SampleDataDir, LogsWithoutASnapshotAreRefused) {
  files_.remove(file("snapshot.27"));
  files_.remove(file("snapshot.0"));
  EXPECT_NE(failure().find("has no snapshot"), std::string::npos);
}

TEST_F(SampleDataDir, TornTailEndsTheLog) {
  auto log = files_.open(file("log.29"), base::OpenMode::read_write);
  TxnLogReader reader(files_, file("log.29"));
  std::uint64_t last = 0;
  while (reader.next()) last = reader.offset();
  log->truncate(last + 20);
  load();
  EXPECT_EQ(state_.last_zxid(), 0x35);
}

}  // namespace
}  // namespace zk::server
