#include "broker/app/command_line.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/testing/temp_dir.h"
#include "broker/app/application.h"

namespace broker::app {
namespace {

TEST(CommandLine, Start) {
  const Command command = parse_command_line(
      {"start", "--server", "s", "--coordinator=c", "--override", "a=b=c", "--override=listeners=PLAINTEXT://:1"});
  EXPECT_EQ(command.kind, CommandKind::start);
  EXPECT_EQ(command.server_file, "s");
  EXPECT_EQ(command.coordinator_file, "c");
  EXPECT_EQ(command.overrides, (std::vector<std::string>{"a=b=c", "listeners=PLAINTEXT://:1"}));
}

TEST(CommandLine, OneHalf) {
  const Command broker = parse_command_line({"broker", "s", "--override", "a=b"});
  EXPECT_EQ(broker.kind, CommandKind::broker);
  EXPECT_EQ(broker.server_file, "s");
  const Command coordinator = parse_command_line({"coordinator", "c"});
  EXPECT_EQ(coordinator.kind, CommandKind::coordinator);
  EXPECT_EQ(coordinator.coordinator_file, "c");
  EXPECT_EQ(parse_command_line({"--help"}).kind, CommandKind::help);
  EXPECT_EQ(parse_command_line({"--version"}).kind, CommandKind::version);
}

TEST(CommandLine, Log) {
  const Command dump = parse_command_line({"log", "dump", "--records", "a", "b"});
  EXPECT_EQ(dump.kind, CommandKind::log);
  EXPECT_FALSE(dump.log.verify);
  EXPECT_TRUE(dump.log.records);
  EXPECT_EQ(dump.log.paths, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(parse_command_line({"log", "verify", "a"}).log.records);
  EXPECT_FALSE(parse_command_line({"log", "verify", "--batches-only", "a"}).log.records);
}

TEST(CommandLine, WrongOnesSayWhy) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{}, "a command is missing"},
      {{"log"}, "log needs to know whether to dump or to verify"},
      {{"log", "verify"}, "the log directory is missing"},
      {{"log", "dump", "--batches-only", "a"}, "unexpected argument --batches-only"},
      {{"run"}, "there is no command run"},
      {{"broker"}, "the server.properties file is missing"},
      {{"coordinator"}, "the zookeeper.properties file is missing"},
      {{"start", "--server", "s"}, "the zookeeper.properties file is missing"},
      {{"start", "--coordinator", "s"}, "the server.properties file is missing"},
      {{"start", "--server"}, "--server needs a value"},
      {{"broker", "s", "--override"}, "--override needs a value"},
      {{"broker", "s", "--override", "x"}, "--override x: must be key=value"},
      {{"broker", "s", "t"}, "unexpected argument t"},
      {{"broker", "s", "--serverless"}, "unexpected argument --serverless"},
      {{"coordinator", "c", "--override", "a=b"}, "unexpected argument --override"},
      {{"--version", "x"}, "unexpected argument x"},
  };
  for (const auto& [arguments, problem] : cases) {
    const Command command = parse_command_line(arguments);
    EXPECT_EQ(command.kind, CommandKind::wrong);
    EXPECT_EQ(command.problem, problem);
  }
}

TEST(Application, ExitCodes) {
  base::testing::TempDir directory;
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_EQ(run({}), 1);
  EXPECT_EQ(run({"broker", directory / "none"}), 1);
  std::ofstream(directory / "server.properties") << "zookeeper.connect=localhost:1\nnum.io.threads=abc\n";
  EXPECT_EQ(run({"broker", directory / "server.properties"}), 1);
  std::ofstream(directory / "zookeeper.properties") << "dataDir=" << directory.path() << "/data\nclientPort=x\n";
  EXPECT_EQ(run({"coordinator", directory / "zookeeper.properties"}), 2);
  EXPECT_EQ(run({"coordinator", directory / "none"}), 2);
}

}  // namespace
}  // namespace broker::app
