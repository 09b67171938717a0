// The port for clients that a lone server.N line names: each case as ZooKeeper 3.9.4 takes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/memory_file_system.h"
#include "zk/server/config.h"

namespace zk::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ZooKeeperServerConfig parse(const std::string& text, const std::string& myid = "") {
  base::MemoryFileSystem files;
  files.create_directories("/d");
  if (!myid.empty()) files.open("/d/myid", base::OpenMode::create)->write_at(0, base::as_bytes(myid));
  return ZooKeeperServerConfig::from(base::Properties::parse("dataDir=/d\n" + text), &files);
}

// "host:port", "none", or why it is refused.
std::string clients_of(const std::string& text, const std::string& myid = "") {
  try {
    const auto config = parse(text, myid);
    return config.serves_client_port ? config.client_address + ":" + std::to_string(config.client_port) : "none";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(LoneServerLine, NamesThePortOfTheServerWhoseMyidItIs) {
  const std::string line = "server.1=127.0.0.1:2888:3888;2182\n";
  EXPECT_EQ(clients_of(line, "1\n"), ":2182");
  EXPECT_EQ(clients_of(line, "1"), ":2182");
  EXPECT_EQ(clients_of(line), "none");
  EXPECT_EQ(clients_of(line, "2\n"), "none");
  EXPECT_THAT(clients_of(line, "x\n"), HasSubstr("/d/myid is not valid"));
  EXPECT_EQ(clients_of("server.1=localhost:2888:3888:participant;127.0.0.1:2182\n", "1\n"), "127.0.0.1:2182");
  EXPECT_EQ(clients_of("server.1=[::1]:2888:3888;[::1]:2182\n", "1\n"), "::1:2182");
  EXPECT_EQ(clients_of("server.1=a:2888:3888|b:2889:3889;2182\nmultiAddress.enabled=true\n", "1\n"), ":2182");
  EXPECT_EQ(clients_of("server.1=a:2888:3888\n", "1\n"), "none");
}

TEST(LoneServerLine, AgreesWithClientPortOrIsRefused) {
  const std::string any = "server.1=a:2888:3888;2182\n", local = "server.1=a:2888:3888;127.0.0.1:2182\n";
  EXPECT_EQ(clients_of(local + "clientPort=2182\n", "1\n"), "127.0.0.1:2182");
  EXPECT_EQ(clients_of(local + "clientPort=2182\nclientPortAddress=0.0.0.0\n", "1\n"), "127.0.0.1:2182");
  EXPECT_EQ(clients_of(local + "clientPort=2182\nclientPortAddress=localhost\n", "1\n"), "127.0.0.1:2182");
  const auto differs = AllOf(HasSubstr("server.1 says that clients come to"), HasSubstr("clientPort"));
  EXPECT_THAT(clients_of(local + "clientPort=2183\n", "1\n"), differs);
  EXPECT_THAT(clients_of(any + "clientPort=2182\nclientPortAddress=127.0.0.1\n", "1\n"), differs);
  EXPECT_THAT(clients_of(any + "clientPort=0\n", "1\n"), differs);
  EXPECT_EQ(clients_of(any + "clientPort=2183\n"), ":2183");  // without myid
  EXPECT_EQ(clients_of("server.1=a:2888:3888\nclientPort=2183\n", "1\n"), ":2183");
}

TEST(LoneServerLine, IsStandaloneAndMoreAreAnEnsemble) {
  EXPECT_THAT(parse("server.1=a:2888:3888\n").warnings, ElementsAre(HasSubstr("runs standalone")));
  EXPECT_THAT(parse("server.1=a:2888:3888;2182\n").warnings, ElementsAre(HasSubstr("/d/myid doesn't say 1")));
  EXPECT_THAT(parse("server.1=a:2888:3888;2182\n", "1").warnings, ElementsAre(HasSubstr("clients come to *:2182")));
  EXPECT_THAT(clients_of("server.1=a:1:2\nserver.2=b:1:2\n"), HasSubstr("zookeeper.connect"));
  EXPECT_THAT(clients_of("server.1=a:1:2\nstandaloneEnabled=false\n"), HasSubstr("Apache ZooKeeper"));
  EXPECT_THAT(clients_of("server.1=a:1:2:observer\n"), HasSubstr("Apache ZooKeeper"));
  EXPECT_THAT(clients_of("dynamicConfigFile=/f\n"), HasSubstr("dynamicConfigFile"));
}

TEST(LoneServerLine, IsCheckedAsZooKeeperChecksIt) {
  for (const char* line : {"server.1=127.0.0.1;2182", "server.x=a:1:2", "server.1=a:1:2;b:c:3", "server.1=a:1:2;x", "server.1=a:1",
                           "server.1=a:1:1", "server.1=a:1:2:leader", "server.1=a:1:2|b:1:2", "server.1=a:1:70000"}) {
    EXPECT_THAT(clients_of(std::string(line) + "\n", "1"), HasSubstr("is not valid")) << line;
  }
}

}  // namespace
}  // namespace zk::server
