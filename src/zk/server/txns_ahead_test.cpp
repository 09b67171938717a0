#include "zk/server/txns_ahead.h"

#include <gtest/gtest.h>

#include <string>

#include "base/memory_file_system.h"
#include "zk/server/txn_codec.h"
#include "zk/tree/state.h"

namespace zk::server {
namespace {

tree::Txn create_of(std::int64_t zxid, const std::string& path, const std::string& data) {
  tree::Txn txn;
  txn.session_id = 7;
  txn.zxid = zxid;
  txn.time_ms = 1000 + zxid;
  tree::CreateTxn create;
  create.path = path;
  create.data = data;
  create.parent_cversion = static_cast<std::int32_t>(zxid);
  txn.body = create;
  return txn;
}

class TxnsAheadTest : public ::testing::Test {
 protected:
  // A file of so many creates; returns its path.
  std::string write_log(std::int64_t first_zxid, std::int64_t count, std::size_t data_bytes) {
    files_.create_directories("/log");
    TxnLogWriter writer(files_, "/log", TxnLogOptions{});
    base::Bytes records;
    for (std::int64_t zxid = first_zxid; zxid < first_zxid + count; ++zxid) {
      append_record(records, create_of(zxid, "/n" + std::to_string(zxid), std::string(data_bytes, 'd')));
    }
    if (count > 0) writer.append(records, first_zxid);
    writer.sync();
    return "/log/" + hex_name("log.", first_zxid);
  }

  base::MemoryFileSystem files_;
};

TEST_F(TxnsAheadTest, BringsAllOfAllFilesInTheirOrder) {
  const std::vector<std::string> paths{write_log(1, 5000, 10), write_log(5001, 40, 100'000), write_log(5041, 3, 0)};
  std::vector<std::uint64_t> offsets;
  for (const std::string& path : paths) {
    TxnLogReader reader(files_, path);
    while (reader.next()) offsets.push_back(reader.offset());
  }
  TxnsAhead ahead(files_, paths);
  std::int64_t zxid = 0;
  std::size_t ends = 0;
  while (const TxnBatch* batch = ahead.next()) {
    ASSERT_FALSE(batch->failure);
    for (const TxnRecord& record : batch->records()) {
      ASSERT_EQ(record.txn.zxid, ++zxid);
      ASSERT_EQ(record.offset, offsets[static_cast<std::size_t>(zxid - 1)]);
      ASSERT_EQ(batch->file, zxid <= 5000 ? 0U : zxid <= 5040 ? 1U : 2U);
      const auto& create = std::get<tree::CreateTxn>(record.txn.body);
      ASSERT_EQ(create.path, "/n" + std::to_string(zxid));
      ASSERT_EQ(create.data->size(), zxid <= 5000 ? 10U : zxid <= 5040 ? 100'000U : 0U);
    }
    if (!batch->end) continue;
    ASSERT_EQ(batch->file, ends++);
  }
  EXPECT_EQ(zxid, 5043);
  EXPECT_EQ(ends, 3U);
  EXPECT_EQ(ahead.next(), nullptr);
}

TEST_F(TxnsAheadTest, ThereMayBeNoFile) {
  TxnsAhead ahead(files_, {});
  EXPECT_EQ(ahead.next(), nullptr);
}

TEST_F(TxnsAheadTest, AFailureComesBehindWhatCouldBeRead) {
  const std::vector<std::string> paths{write_log(1, 1500, 10), write_log(1501, 1500, 10), write_log(3001, 1, 10)};
  TxnLogReader reader(files_, paths[1]);
  for (int i = 0; i < 1200; ++i) reader.next();
  files_.open(paths[1], base::OpenMode::read_write)->write_at(reader.offset() + 20, base::Bytes(2, 0xff));
  TxnsAhead ahead(files_, paths);
  std::int64_t zxid = 0;
  const TxnBatch* batch = nullptr;
  while ((batch = ahead.next()) != nullptr && !batch->failure) zxid += static_cast<std::int64_t>(batch->records().size());
  ASSERT_NE(batch, nullptr);
  zxid += static_cast<std::int64_t>(batch->records().size());
  EXPECT_EQ(zxid, 1500 + 1199);
  EXPECT_FALSE(batch->end);
  EXPECT_THROW(std::rethrow_exception(batch->failure), DataDirError);
}

TEST_F(TxnsAheadTest, ATornEndIsTold) {
  const std::string path = write_log(1, 4, 10);
  std::uint64_t last = 0;
  TxnLogReader reader(files_, path);
  while (reader.next()) last = reader.offset();
  files_.open(path, base::OpenMode::read_write)->truncate(last + 20);
  TxnsAhead ahead(files_, {path});
  const TxnBatch* batch = ahead.next();
  ASSERT_TRUE(batch != nullptr && batch->end);
  EXPECT_EQ(batch->records().size(), 3U);
  EXPECT_EQ(batch->end->offset, last);
  EXPECT_EQ(batch->end->torn_at, last);
}

TEST_F(TxnsAheadTest, GoesThoughMostIsStillToBeRead) {
  const std::string path = write_log(1, 20'000, 10);
  { const TxnsAhead never_asked(files_, {path}); }
  TxnsAhead ahead(files_, {path});
  EXPECT_NE(ahead.next(), nullptr);
}

// Each into a place where another was, with digests as they are of the tree.
TEST_F(TxnsAheadTest, CreatesOfAllKindsHaveTheirFieldsAndDigests) {
  std::vector<tree::CreateTxn> creates(7);
  creates[0].type = tree::OpCode::create_ttl;
  creates[0].ttl_ms = 5000;
  creates[1].type = tree::OpCode::create_container;
  creates[2].ephemeral = true;
  creates[3].acl = tree::AclList{tree::AclEntry{1, tree::Identity{"world", "anyone"}}};
  creates[4].data = "with data";
  creates[6].type = tree::OpCode::create2;
  tree::State plain, ahead_state;
  base::Bytes records;
  for (std::size_t i = 0; i < 3 * creates.size(); ++i) {
    const auto zxid = static_cast<std::int64_t>(i + 1);
    tree::Txn txn = create_of(zxid, "", "");
    tree::CreateTxn create = creates[i % creates.size()];
    create.path = (i % creates.size() == 5 ? "/zookeeper/n" : "/n") + std::to_string(i);
    create.parent_cversion = static_cast<std::int32_t>(zxid);
    txn.body = create;
    plain.apply(txn);
    append_record(records, txn);
  }
  files_.create_directories("/log");
  TxnLogWriter writer(files_, "/log", TxnLogOptions{});
  writer.append(records, 1);
  base::Bytes again;
  tree::Txn reused;
  TxnLogReader reader(files_, "/log/log.1");
  while (reader.next(reused)) append_record(again, reused);
  EXPECT_EQ(again, records);
  TxnsAhead ahead(files_, {"/log/log.1"});
  const TxnBatch* batch = ahead.next();
  ASSERT_NE(batch, nullptr);
  for (const TxnRecord& record : batch->records()) {
    ahead_state.apply(record.txn);
    const auto& create = std::get<tree::CreateTxn>(record.txn.body);
    const tree::Znode* one = plain.tree().find(create.path);
    const tree::Znode* other = ahead_state.tree().find(create.path);
    ASSERT_TRUE(one != nullptr && other != nullptr) << create.path;
    EXPECT_EQ(one->content_crc, other->content_crc) << create.path;
    EXPECT_EQ(one->digest, other->digest) << create.path;
    EXPECT_EQ(one->stat.ephemeral_owner, other->stat.ephemeral_owner) << create.path;
  }
  EXPECT_EQ(plain.tree().digest(), ahead_state.tree().digest());
}

}  // namespace
}  // namespace zk::server
