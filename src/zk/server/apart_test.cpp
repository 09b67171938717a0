// dataDir and dataLogDir apart: a server that has both, and directories whose files are in the wrong one of the two.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/memory_file_system.h"
#include "zk/server/data_dir.h"
#include "zk/server/exit_code.h"
#include "zk/server/server.h"
#include "zk/server/testing/raw_client.h"

namespace zk::server {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::RawClient;

class Apart : public ::testing::Test {
 protected:
  static ZooKeeperServerConfig config(const std::string& more) {
    return ZooKeeperServerConfig::from(
        base::Properties::parse("dataDir=/data\nclientPort=0\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n" + more));
  }
  // Starts, makes the znode, stops; returns why it didn't start.
  std::string serve(const std::string& more, const std::string& path) {
    Server server(config(more), files_);
    try {
      server.start();
    } catch (const StartError& error) {
      EXPECT_EQ(error.code(), ExitCode::data_dir_inaccessible);  // ZooKeeper's exit code, too
      return error.what();
    }
    RawClient client(server.port());
    EXPECT_TRUE(client.connect().has_value());
    const testing::Reply reply = client.create(path);
    EXPECT_EQ(reply.error, 0);
    EXPECT_GT(reply.zxid, last_zxid_);
    last_zxid_ = reply.zxid;
    EXPECT_TRUE(client.exists("/first"));
    server.stop();
    return "";
  }
  void put(const std::string& path) {
    files_.create_directories(base::parent_directory(path));
    files_.open(path, base::OpenMode::create);
  }

  base::MemoryFileSystem files_;
  std::int64_t last_zxid_ = 0;
};

TEST_F(Apart, EachHasItsOwnFiles) {
  EXPECT_EQ(serve("dataLogDir=/log\nsnapCount=2\n", "/first"), "");
  EXPECT_EQ(serve("dataLogDir=/log\nsnapCount=2\n", "/second"), "");
  EXPECT_THAT(files_.list("/data/version-2"), AllOf(Each(StartsWith("snapshot.")), Contains("snapshot.0")));
  EXPECT_THAT(files_.list("/log/version-2"), AllOf(Each(StartsWith("log.")), Contains("log.1")));
}

TEST_F(Apart, LogsThatStayedBehindAreRefused) {
  EXPECT_EQ(serve("", "/first"), "");
  const base::Bytes log = base::read_file(files_, "/data/version-2/log.1");
  EXPECT_THAT(serve("dataLogDir=/fast\n", "/second"),
              AllOf(HasSubstr("/data/version-2 has transaction logs (log.1), which are looked for in /fast/version-2 alone"),
                    HasSubstr("Nothing was changed"), HasSubstr("dataLogDir")));
  EXPECT_FALSE(files_.exists("/fast"));
  EXPECT_EQ(base::read_file(files_, "/data/version-2/log.1"), log);
  // With the file where it belongs, all is there.
  files_.create_directories("/fast/version-2");
  files_.rename("/data/version-2/log.1", "/fast/version-2/log.1");
  EXPECT_EQ(serve("dataLogDir=/fast\n", "/second"), "");
}

TEST_F(Apart, SnapshotsInTheLogDirectoryAreRefused) {
  EXPECT_EQ(serve("dataLogDir=/log\n", "/first"), "");
  EXPECT_THAT(serve("dataLogDir=/data\ndataDir=/log\n", "/second"), HasSubstr("/data/version-2 has snapshots (snapshot.0)"));
}

// ZooKeeper 3.9.4 looks at the start of the names alone.
TEST_F(Apart, NamesAreAllThatCounts) {
  for (const char* refused : {"/data/version-2/log.zz", "/log/version-2/snapshot.5.gz"}) {
    put(refused);
    EXPECT_THAT(serve("dataLogDir=/log\n", "/first"), HasSubstr(base::parent_directory(refused) + " has ")) << refused;
    files_.remove(refused);
  }
  for (const char* other : {"/data/version-2/logfoo", "/data/version-2/xlog.1", "/log/version-2/snapshotfoo"}) put(other);
  EXPECT_EQ(serve("dataLogDir=/log\n", "/first"), "");
}

TEST_F(Apart, OneDirectoryMayBeWrittenWithMoreSlashes) {
  EXPECT_EQ(serve("dataLogDir=/data/\n", "/first"), "");
  EXPECT_EQ(serve("dataLogDir=//data\n", "/second"), "");
  EXPECT_THAT(files_.list("/data/version-2"), ElementsAre("log.1", StartsWith("log."), "snapshot.0"));
}

}  // namespace
}  // namespace zk::server
