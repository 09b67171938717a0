// Every kind of write while the file system fails at every n-th call and then loses power: the tree afterwards is the one after
// some number of a client's requests, in their order, and not fewer than were answered; each znode with the data, the ACL and the
// Stat that the answer had. What wasn't synced may be lost, torn, or there page by page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "zk/server/data_dir.h"
#include "zk/server/server.h"
#include "zk/server/testing/raw_client.h"

namespace zk::server {
namespace {

using base::UnsyncedBytes;
using testing::config_in;
using testing::RawClient;
using testing::Reply;
using tree::OpCode;

constexpr std::size_t kRounds = 5, kInFlight = 5;

struct Step {
  OpCode op;
  std::string path;
  std::string data;
  bool ephemeral = false;
};

// The requests of a client: each round makes a znode, changes it in every way, and deletes that of the round before. Some are
// larger than a page of the log.
std::vector<Step> steps_of(std::size_t writer) {
  constexpr std::size_t kSizes[] = {0, 300, 13'000, 5000, 4096};
  std::vector<Step> steps;
  auto path = [&](std::size_t round) { return "/w" + std::to_string(writer) + "-" + std::to_string(round); };
  for (std::size_t round = 0; round < kRounds; ++round) {
    steps.push_back({OpCode::create2, path(round), std::string(kSizes[round], static_cast<char>('a' + round))});
    steps.push_back({OpCode::set_acl, path(round), ""});
    steps.push_back({OpCode::set_data, path(round), std::string(kSizes[(round + 2) % 5], static_cast<char>('A' + round))});
    steps.push_back({OpCode::create2, path(round) + "-e", "mine", true});
    if (round > 0) {
      steps.push_back({OpCode::remove, path(round - 1), ""});
    } else {
      steps.push_back({OpCode::set_data, path(round), "again"});
    }
  }
  return steps;
}

struct Written {
  std::vector<Step> steps;
  std::vector<std::optional<proto::Stat>> answers;  // of the first requests; one of a delete has none
  std::int64_t session = 0, last_zxid = 0;
  bool refused = false;  // the server closed the connection
};

// A znode as it should be.
struct Expected {
  std::string data;
  std::int32_t version = 0, aversion = 0;
  std::size_t acl_entries = 1;
  bool ephemeral = false;
  std::optional<proto::Stat> stat;  // if the last request about it was answered
};

std::map<std::string, Expected> after(const Written& written, std::size_t requests) {
  std::map<std::string, Expected> nodes;
  for (std::size_t i = 0; i < requests; ++i) {
    const Step& step = written.steps[i];
    if (step.op == OpCode::remove) {
      nodes.erase(step.path);
      continue;
    }
    Expected& node = nodes[step.path];
    if (step.op == OpCode::create2) node.ephemeral = step.ephemeral;
    if (step.op == OpCode::set_data) ++node.version;
    if (step.op == OpCode::set_acl) {
      ++node.aversion;
      node.acl_entries = 2;
    } else {
      node.data = step.data;
    }
    node.stat = i < written.answers.size() ? written.answers[i] : std::nullopt;
  }
  return nodes;
}

bool equal(const proto::Stat& a, const tree::Stat& b) {
  return a.czxid == b.czxid && a.mzxid == b.mzxid && a.pzxid == b.pzxid && a.ctime == b.ctime && a.mtime == b.mtime &&
         a.version == b.version && a.cversion == b.cversion && a.aversion == b.aversion &&
         a.ephemeral_owner == b.ephemeral_owner && a.data_length == b.data_length && a.num_children == b.num_children;
}

// What is wrong about one of the client's paths; empty if nothing is.
std::string difference(const tree::Tree& tree, const Written& written, std::size_t requests) {
  const std::map<std::string, Expected> nodes = after(written, requests);
  for (const Step& step : written.steps) {
    const auto expected = nodes.find(step.path);
    const tree::Znode* node = tree.find(step.path);
    if ((node != nullptr) != (expected != nodes.end())) return step.path + (node == nullptr ? " is missing" : " is there");
    if (node == nullptr) continue;
    const tree::Stat stat = tree.stat_of(*node);
    const Expected& wanted = expected->second;
    if (node->data.view() != wanted.data) return step.path + ": data";
    if (stat.version != wanted.version || stat.aversion != wanted.aversion) return step.path + ": versions";
    if (tree.acl_of(*node)->size() != wanted.acl_entries) return step.path + ": ACL";
    if (stat.ephemeral_owner != (wanted.ephemeral ? written.session : 0)) return step.path + ": owner";
    if (wanted.stat && !equal(*wanted.stat, stat)) return step.path + ": Stat";
  }
  return "";
}

void check(const tree::State& state, const Written& written) {
  std::string why;
  for (std::size_t requests = written.answers.size(); requests <= written.steps.size(); ++requests) {
    why = difference(state.tree(), written, requests);
    if (why.empty()) return;
  }
  ADD_FAILURE() << written.answers.size() << " answered; the tree is that after none of the numbers: " << why;
}

void send(RawClient& client, std::int32_t xid, const Step& step) {
  if (step.op == OpCode::create2) {
    client.send(xid, step.op, RawClient::creation(step.path, step.ephemeral ? 1 : 0, step.data));
  } else if (step.op == OpCode::set_data) {
    proto::SetDataRequest request;
    request.path = step.path;
    request.data = step.data;
    request.version = -1;
    client.send(xid, step.op, request);
  } else if (step.op == OpCode::set_acl) {
    proto::SetACLRequest request;
    request.path = step.path;
    request.acl = RawClient::creation("").acl;
    proto::ACL& more = request.acl.emplace_back();
    more.perms = 1;
    more.id.scheme = "ip";
    more.id.id = "127.0.0.1";
    request.version = -1;
    client.send(xid, step.op, request);
  } else {
    proto::DeleteRequest request;
    request.path = step.path;
    request.version = -1;
    client.send(xid, step.op, request);
  }
}

std::optional<proto::Stat> stat_of(const Step& step, const Reply& reply) {
  if (step.op == OpCode::create2) return reply.as<proto::Create2Response>().stat;
  if (step.op == OpCode::set_data) return reply.as<proto::SetDataResponse>().stat;
  if (step.op == OpCode::set_acl) return reply.as<proto::SetACLResponse>().stat;
  return std::nullopt;
}

// Until all is answered or the server ends the connection.
Written write_on(std::uint16_t port, std::size_t writer) {
  Written written;
  const std::vector<Step> steps = steps_of(writer);
  try {
    RawClient client(port);
    if (!client.connect()) throw std::runtime_error("no session");
    written.session = client.session;
    for (std::size_t next = 0; next < steps.size(); next += kInFlight) {
      for (std::size_t i = next; i < next + kInFlight; ++i) {
        written.steps.push_back(steps[i]);
        send(client, static_cast<std::int32_t>(i), steps[i]);
      }
      for (std::size_t i = next; i < next + kInFlight; ++i) {
        const Reply reply = client.receive();
        EXPECT_EQ(reply.error, 0) << steps[i].path;
        EXPECT_GT(reply.zxid, written.last_zxid);
        written.last_zxid = reply.zxid;
        written.answers.push_back(stat_of(steps[i], reply));
      }
    }
  } catch (const std::runtime_error&) {
    written.refused = true;
  }
  return written;
}

std::vector<Written> write_all(std::uint16_t port, std::size_t writers) {
  std::vector<Written> written(writers);
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < writers; ++i) threads.emplace_back([&, i] { written[i] = write_on(port, i); });
  written[0] = write_on(port, 0);
  for (std::thread& thread : threads) thread.join();
  return written;
}

struct Case {
  int error;
  bool persistent;
  bool half_written;
  UnsyncedBytes unsynced;
  std::size_t writers;
};

class FaultsModel : public ::testing::TestWithParam<Case> {
 protected:
  static ZooKeeperServerConfig config() {
    ZooKeeperServerConfig made = config_in("/data");
    made.snapshot_every = 16;  // so that snapshots and new log files are among what fails
    return made;
  }
};

TEST_P(FaultsModel, AtEveryCall) {
  const Case& param = GetParam();
  bool met = true;
  for (std::uint64_t call = 1; met; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    base::MemoryFileSystem memory;
    base::FaultyFileSystem files(memory);
    std::vector<Written> written;
    {
      Server server(config(), files);
      server.start();
      base::Fault fault;
      fault.call = call;
      fault.error = param.error;
      fault.persistent = param.persistent;
      fault.half_written = param.half_written;
      fault.changes_only = true;
      files.set_fault(fault);
      written = write_all(server.port(), param.writers);
      server.stop();
      met = files.fault_met();
    }
    memory.lose_power(param.unsynced, base::UnsyncedNames::lost, call);
    tree::State state;
    DataDir(memory, "/data", "/data").load(state, LoadOptions{});
    for (const Written& one : written) check(state, one);
    if (::testing::Test::HasFailure()) return;
    // It goes on from there, and once more after the next loss of power.
    std::int64_t last = 0;
    for (const Written& one : written) last = std::max(last, one.last_zxid);
    for (const char* path : {"/after", "/later"}) {
      {
        Server again(config(), memory);
        again.start();
        RawClient client(again.port());
        ASSERT_TRUE(client.connect().has_value());
        const Reply reply = client.create(path);
        ASSERT_EQ(reply.error, 0);
        EXPECT_GT(reply.zxid, last);
        last = reply.zxid;
        again.stop();
      }
      memory.lose_power(param.unsynced, base::UnsyncedNames::lost, call);
    }
    tree::State later;
    DataDir(memory, "/data", "/data").load(later, LoadOptions{});
    for (const Written& one : written) check(later, one);
    EXPECT_NE(later.tree().find("/after"), nullptr);
    EXPECT_NE(later.tree().find("/later"), nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultsModel,
                         ::testing::Values(Case{EIO, false, false, UnsyncedBytes::lost, 1},
                                           Case{EIO, true, false, UnsyncedBytes::scattered, 1},
                                           Case{ENOSPC, true, true, UnsyncedBytes::scattered, 1},
                                           Case{ENOSPC, false, true, UnsyncedBytes::torn, 1},
                                           Case{EIO, true, false, UnsyncedBytes::scattered, 4},
                                           Case{ENOSPC, true, true, UnsyncedBytes::kept, 4}));

}  // namespace
}  // namespace zk::server
