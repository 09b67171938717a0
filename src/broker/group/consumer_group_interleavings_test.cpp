// Random clients, and what must hold whatever they do.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "broker/group/testing/consumer_world.h"
#include "protocol/error.h"

namespace broker::group {
namespace {

using testing::Client;
using testing::describe;
using testing::World;

// Clients that do anything in any order.
class RandomClients {
 public:
  explicit RandomClients(unsigned seed) : random_(seed) {
    world.limits.assignment_interval_ms = seed % 2 == 0 ? 0 : 1000;
    world.set_topic("t", 5);
    world.set_topic("u", 3);
  }
  void step(int number) {
    const std::string name(1, static_cast<char>('a' + random_() % 6));
    Client& client = clients_[name];
    client.member_id = name;
    switch (random_() % 12) {
      case 0:
        beat(client, true, random_() % 8 == 0);
        break;
      case 1:
        leave(client);
        break;
      case 2:
        world.pass(static_cast<std::int64_t>(random_() % 4000));
        break;
      case 3:
        if (random_() % 4 == 0) world.set_topic("t", 5 + static_cast<std::int32_t>(random_() % 4) + number / 50);
        break;
      default:
        beat(client, client.epoch == 0, random_() % 10 == 0);
    }
    check();
  }
  void calm_down() {
    for (int round = 0; round < 20; ++round) {
      world.pass(1000);
      for (auto& [name, client] : clients_) {
        if (world.group.has_member(name)) beat(client, client.epoch == 0, false);
        check();
      }
    }
  }
  std::size_t owned() const {
    std::size_t owned = 0;
    for (const auto& [name, client] : clients_) {
      if (!world.group.has_member(name)) continue;
      for (const auto& [id, partitions] : client.owned) owned += partitions.size();
    }
    return owned;
  }
  World world;

 private:
  // Nobody ever has what another has, and epochs only grow.
  void check() {
    std::map<std::pair<base::Uuid, std::int32_t>, std::string> owners;
    for (const auto& [name, client] : clients_) {
      if (!world.group.has_member(name)) {  // it may think what it likes
        EXPECT_NE(world.group.check_commit({name, {}}, client.epoch, false, 9), ErrorCode::none);
        continue;
      }
      for (const auto& [id, partitions] : client.owned) {
        for (const std::int32_t partition : partitions) {
          EXPECT_TRUE(owners.try_emplace({id, partition}, name).second) << name << " and " << owners[{id, partition}];
        }
      }
    }
    EXPECT_GE(world.group.epoch(), group_epoch_);
    group_epoch_ = world.group.epoch();
  }
  void leave(Client& client) {
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = client.member_id;
    request.member_epoch = kLeaveEpoch;
    (void)world.send(request);
    client.owned.clear();
    client.epoch = 0;
  }
  void beat(Client& client, bool joins, bool lost) {
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = client.member_id;
    request.client_id = "c";
    if (joins) {
      client.epoch = 0;
      client.owned.clear();
      client.topics = {"t"};
      if (random_() % 2 == 0) client.topics.emplace_back("u");
      if (random_() % 3 == 0) request.server_assignor = "range";
    }
    if (joins || client.answer_lost) {
      request.rebalance_timeout_ms = 5000;
      request.subscribed_topic_names = client.topics;
    }
    request.member_epoch = client.epoch;
    request.owned = client.owned;
    const ConsumerHeartbeatResult result = world.send(request);
    client.answer_lost = lost;
    if (lost) return;
    if (result.error != ErrorCode::none) {
      client.owned.clear();
      client.epoch = 0;
      return;
    }
    EXPECT_GE(result.member_epoch, client.epoch);
    client.epoch = result.member_epoch;
    if (result.assignment) client.owned = *result.assignment;
  }

  std::mt19937 random_;
  std::map<std::string, Client> clients_;
  std::int32_t group_epoch_ = 0;
};

// Joins, leaves, beats, lost answers, silence and new partitions; once all is quiet everything is owned.
TEST(ConsumerGroup, AnyOrderKeepsOneOwner) {
  for (unsigned seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    RandomClients clients(seed);
    World& world = clients.world;
    for (int number = 0; number < 300; ++number) clients.step(number);
    EXPECT_EQ(describe(world.group, world), describe(world.reloaded(), world));
    clients.calm_down();
    if (world.group.empty()) continue;
    EXPECT_EQ(world.group.state(), "Stable");
    std::size_t wanted = world.cluster()->topic("t")->partitions.size();
    if (world.group.is_subscribed_to("u")) wanted += world.cluster()->topic("u")->partitions.size();
    EXPECT_EQ(clients.owned(), wanted);
  }
}

}  // namespace
}  // namespace broker::group
