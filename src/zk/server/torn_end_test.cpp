// A start on a log whose end lost power: what is left of the record goes, so that ZooKeeper, which stops at a wrong checksum or a
// file without its header, can open the directory again. A refused directory stays as it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc.h"
#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "zk/server/data_dir.h"
#include "zk/server/server.h"
#include "zk/server/testing/raw_client.h"
#include "zk/server/txn_log.h"

namespace zk::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::config_in;
using testing::RawClient;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLarge = 5 * kPage;

class TornEnd : public ::testing::Test {
 protected:
  // A server that made /small and /large, without another file of its log.
  TornEnd() {
    Server server(config_in("/data"), files_);
    server.start();
    RawClient client(server.port());
    EXPECT_TRUE(client.connect().has_value());
    EXPECT_EQ(client.create("/small", 0, "kept").error, 0);
    EXPECT_EQ(client.create("/large", 0, std::string(kLarge, 'x')).error, 0);
    server.stop();
    log_ = base::read_file(files_, kLog);
    TxnLogReader reader(files_, kLog);
    while (reader.next()) last_ = reader.offset();
  }
  void zero(std::size_t from, std::size_t bytes) {
    files_.open(kLog, base::OpenMode::read_write)->write_at(from, base::Bytes(bytes, 0));
  }
  // Starts, looks for what was kept, makes another znode.
  void serve(bool large_is_there) {
    Server server(config_in("/data"), files_);
    server.start();
    RawClient client(server.port());
    ASSERT_TRUE(client.connect().has_value());
    EXPECT_TRUE(client.exists("/small"));
    EXPECT_EQ(client.exists("/large"), large_is_there);
    EXPECT_EQ(client.create("/after" + std::to_string(++served_)).error, 0);
    server.stop();
  }
  // As ZooKeeper 3.9.4 reads a log: to a length of 0, to a record without its end mark, or to the file's end.
  void expect_readable(const std::string& name) {
    const base::Bytes bytes = base::read_file(files_, "/data/version-2/" + name);
    ASSERT_GE(bytes.size(), kFileHeaderBytes) << name;
    ASSERT_EQ(base::load_big_endian<std::int32_t>(bytes.data()), kLogMagic) << name;
    std::size_t at = kFileHeaderBytes;
    while (bytes.size() - at >= 12) {
      const auto size = static_cast<std::size_t>(base::load_big_endian<std::int32_t>(bytes.data() + at + 8));
      if (size == 0 || bytes.size() - at - 12 < size + 1 || bytes[at + 12 + size] != 'B') return;
      ASSERT_EQ(base::load_big_endian<std::int64_t>(bytes.data() + at), base::adler32(base::ByteView(bytes).subspan(at + 12, size)))
          << name << ", offset " << at;
      at += 12 + size + 1;
    }
  }
  void expect_all_readable() {
    for (const std::string& name : files_.list("/data/version-2")) {
      if (name.starts_with("log.")) expect_readable(name);
    }
  }

  const std::string kLog = "/data/version-2/log.1";
  base::MemoryFileSystem files_;
  base::Bytes log_;
  std::size_t last_ = 0;  // where the last record starts
  int served_ = 0;
};

TEST_F(TornEnd, ARecordThatLacksAPageIsCutOff) {
  for (std::size_t page = last_ - last_ % kPage + kPage; page < last_ + kLarge - kPage; page += kPage) {
    zero(page, kPage);
    serve(false);
    expect_all_readable();
    const base::Bytes cut = base::read_file(files_, kLog);
    EXPECT_EQ(cut, base::Bytes(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(last_)));
    serve(false);  // and once more, over both files
    for (const std::string& name : files_.list("/data/version-2")) {
      if (name != "log.1" && name != "snapshot.0") files_.remove("/data/version-2/" + name);
    }
    files_.open(kLog, base::OpenMode::read_write)->write_at(0, log_);
  }
}

TEST_F(TornEnd, FilesWithoutAHeaderAreTakenAway) {
  for (const std::size_t size : {0U, 7U, 16U, 65536U}) {
    const std::string path = "/data/version-2/log." + std::to_string(served_ > 0 ? 99 + served_ : 99);
    files_.open(path, base::OpenMode::create)->write_at(0, base::Bytes(size, 0));
    serve(true);
    EXPECT_FALSE(files_.exists(path)) << size;
    expect_all_readable();
  }
}

// The first block was lost, and what was written with it wasn't. Or a disk has lost it later: nothing is destroyed.
TEST_F(TornEnd, AFileWithoutAHeaderThatHoldsSomethingIsKept) {
  const std::string path = "/data/version-2/log.99", kept = "/data/version-2/torn.log.99";
  for (const std::size_t size : {kPage + 1, std::size_t{5} << 20}) {
    base::Bytes bytes(size, 0);
    bytes.back() = 'B';
    files_.open(path, base::OpenMode::create)->write_at(0, bytes);
    serve(true);
    EXPECT_FALSE(files_.exists(path)) << size;
    EXPECT_EQ(base::read_file(files_, kept), bytes);
    serve(true);
    expect_all_readable();
  }
}

// Another server may be writing that record.
TEST_F(TornEnd, NothingIsCutOffBeforeThePortsAreOurs) {
  zero(last_ - last_ % kPage + kPage, kPage);
  files_.open("/data/version-2/log.99", base::OpenMode::create);
  const base::Bytes torn = base::read_file(files_, kLog);
  base::MemoryFileSystem elsewhere;
  Server other(config_in("/data"), elsewhere);
  other.start();
  auto config = config_in("/data");
  config.client_port = other.port();
  Server server(config, files_);
  EXPECT_THROW(server.start(), std::exception);
  EXPECT_EQ(base::read_file(files_, kLog), torn);
  EXPECT_TRUE(files_.exists("/data/version-2/log.99"));
  other.stop();
}

TEST_F(TornEnd, WhatIsCutOffIsCutOffForGood) {
  zero(last_ - last_ % kPage + kPage, kPage);
  files_.sync_everything();
  Server server(config_in("/data"), files_);
  server.start();
  files_.lose_power();
  EXPECT_EQ(base::read_file(files_, kLog).size(), last_);
  server.stop();
}

TEST_F(TornEnd, ARefusedDirectoryStaysAsItIs) {
  zero(last_ - last_ % kPage + kPage, kPage);
  const std::string later = "/data/version-2/log.99";
  files_.open(later, base::OpenMode::create)->write_at(0, base::as_bytes("this is no log, but something else"));
  const base::Bytes torn = base::read_file(files_, kLog);
  Server server(config_in("/data"), files_);
  EXPECT_THROW(server.start(), DataDirError);
  EXPECT_EQ(base::read_file(files_, kLog), torn);
}

TEST_F(TornEnd, ADirectoryThatCannotBeMendedIsNotServed) {
  zero(last_ - last_ % kPage + kPage, kPage);
  base::FaultyFileSystem faulty(files_);
  faulty.set_before_change([](std::string_view operation, const std::string& path) {
    if (operation == "truncate") throw std::system_error(EROFS, std::generic_category(), "truncate " + path);
  });
  Server server(config_in("/data"), faulty);
  try {
    server.start();
    ADD_FAILURE() << "it serves";
  } catch (const std::system_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(kLog));
  }
  EXPECT_THAT(files_.list("/data/version-2"), ElementsAre("log.1", "snapshot.0"));
}

// Its server was killed between the write and the sync: what the next one has shown is durable, or the log would have a gap.
TEST(UnsyncedEnd, IsDurableBeforeItIsServed) {
  base::MemoryFileSystem files;
  auto serve = [&files](bool sync, const std::string& path) {
    ZooKeeperServerConfig config = config_in("/data");
    config.force_sync = sync;
    Server server(config, files);
    server.start();
    RawClient client(server.port());
    ASSERT_TRUE(client.connect().has_value());
    EXPECT_EQ(client.create(path).error, 0);
    server.stop();
  };
  serve(false, "/written");
  serve(true, "/behind");
  files.lose_power();
  Server server(config_in("/data"), files);
  server.start();
  RawClient client(server.port());
  ASSERT_TRUE(client.connect().has_value());
  EXPECT_TRUE(client.exists("/written"));
  EXPECT_TRUE(client.exists("/behind"));
  server.stop();
}

}  // namespace
}  // namespace zk::server
