// Scripts: what members do, and below it, after "=", what comes of it. A member acts on what it was told in its last
// answer: it gives up at once what it must, unless it "clings" to it.
#include "broker/group/consumer_group.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "broker/group/testing/consumer_world.h"
#include "protocol/error.h"

namespace broker::group {
namespace {

using testing::Client;
using testing::describe;
using testing::World;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

class Script {
 public:
  explicit Script(std::int32_t assignment_interval_ms = 0) {
    world.limits.assignment_interval_ms = assignment_interval_ms;
  }
  // The script again, with what really came of it.
  std::string run(const std::string& script) {
    std::istringstream in(script);
    std::string out;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("=")) continue;
      out += line + "\n";
      if (line.empty()) continue;
      const std::string came = step(words_of(line));
      if (!came.empty()) out += "= " + came + "\n";
      EXPECT_EQ(describe(world.group, world), describe(world.reloaded(), world)) << line;
    }
    return out;
  }
  World world;

 private:
  std::string step(const std::vector<std::string>& words) {
    if (words[0] == "topic") {
      world.set_topic(words[1], std::stoi(words[2]));
      return "";
    }
    if (words[0] == "pass") {
      const auto before = world.group.summary();
      world.pass(std::stoi(words[1]));
      std::string gone;
      for (const auto& member : before.members) {
        if (!world.group.has_member(member.member_id)) gone += member.member_id + " is fenced ";
      }
      if (!gone.empty()) gone.pop_back();
      return gone;
    }
    if (words[0] == "clock") {  // is set back by
      world.wall_clock_ahead_ms -= std::stoi(words[4]);
      return "";
    }
    if (words[0] == "group") return describe(world.group, world);
    Client& client = clients_[words[0]];
    client.member_id = words[0];
    if (words[1] == "joins") return join(client, words);
    if (words[1] == "beats") return beat(client, request_of(client), false);
    if (words[1] == "clings") return beat(client, request_of(client), true);
    if (words[1] == "subscribes") {
      ConsumerHeartbeat request = request_of(client);
      subscribe(request, words, 2);
      return beat(client, request, false);
    }
    if (words[1] == "leaves") return leave(client, words.size() > 2);
    if (words[1] == "commits") {  // a commits t-0 at 5
      const ErrorCode whole = world.group.check_commit({client.member_id, {}}, std::stoi(words[4]), false, 9);
      if (whole != ErrorCode::none) return std::string(protocol::name_of(whole));
      base::Uuid id;
      id.bytes.fill(static_cast<std::uint8_t>(words[2][0]));
      return std::string(protocol::name_of(
          world.group.check_commit_of(client.member_id, std::stoi(words[4]), id, std::stoi(words[2].substr(2)))));
    }
    return "what?";
  }
  static void subscribe(ConsumerHeartbeat& request, const std::vector<std::string>& words, std::size_t from) {
    for (std::size_t i = from; i < words.size(); ++i) {
      if (words[i] == "matching") {
        request.subscribed_topic_regex = i + 1 < words.size() ? words[i + 1] : "";
        ++i;
      } else if (words[i] == "with") {
        request.server_assignor = words[++i];
      } else if (words[i] == "as") {
        request.instance_id = words[++i];
      } else {
        if (!request.subscribed_topic_names) request.subscribed_topic_names.emplace();
        request.subscribed_topic_names->push_back(words[i]);
      }
    }
  }
  ConsumerHeartbeat request_of(const Client& client) const {
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = client.member_id;
    request.instance_id = client.instance_id;
    request.member_epoch = client.epoch;
    request.client_id = "c";
    request.client_host = "/127.0.0.1";
    request.owned = client.owned;
    for (const auto& [id, partitions] : client.clinging) {
      (*request.owned)[id].insert(partitions.begin(), partitions.end());
    }
    return request;
  }
  std::string join(Client& client, const std::vector<std::string>& words) {
    client.owned.clear();
    client.clinging.clear();
    client.epoch = 0;
    ConsumerHeartbeat request = request_of(client);
    request.rebalance_timeout_ms = 20'000;
    subscribe(request, words, 2);
    client.instance_id = request.instance_id;
    return beat(client, request, false);
  }
  std::string leave(Client& client, bool for_now) {
    ConsumerHeartbeat request = request_of(client);
    request.member_epoch = for_now ? kStaticLeaveEpoch : kLeaveEpoch;
    const ConsumerHeartbeatResult result = world.send(request);
    if (result.error != ErrorCode::none) return std::string(protocol::name_of(result.error));
    return fmt::format("epoch {}", result.member_epoch);
  }
  std::string beat(Client& client, const ConsumerHeartbeat& request, bool clings) {
    const ConsumerHeartbeatResult result = world.send(request);
    if (result.error != ErrorCode::none) return std::string(protocol::name_of(result.error));
    client.epoch = result.member_epoch;
    if (!result.assignment) return fmt::format("epoch {}", result.member_epoch);
    client.clinging = clings ? client.owned : Partitions();
    client.owned = *result.assignment;
    return fmt::format("epoch {}:{}", result.member_epoch, world.text_of(client.owned));
  }

  std::map<std::string, Client> clients_;
};

void expect_script(const std::string& script, std::int32_t assignment_interval_ms = 0) {
  const std::string text = script.substr(1);  // behind the first line break
  EXPECT_EQ(Script(assignment_interval_ms).run(text), text);
}

TEST(ConsumerGroup, OneAfterTheOtherJoinsAndLeaves) {
  expect_script(R"(
topic t 3
a joins t
= epoch 2: t-0 t-1 t-2
group
= Stable 2/2 uniform; a 2: t-0 t-1 t-2 -> t-0 t-1 t-2
b joins t
= epoch 3: nothing
group
= Reconciling 3/3 uniform; a 2: t-0 t-1 t-2 -> t-0 t-1; b 3: nothing -> t-2
b beats
= epoch 3
a beats
= epoch 2: t-0 t-1
b beats
= epoch 3
a beats
= epoch 3
b beats
= epoch 3: t-2
group
= Stable 3/3 uniform; a 3: t-0 t-1 -> t-0 t-1; b 3: t-2 -> t-2
a leaves
= epoch -1
group
= Assigning 4/3 uniform; b 3: t-2 -> t-2
b beats
= epoch 4: t-0 t-1 t-2
b leaves
= epoch -1
group
= Empty 5/4 uniform
)");
}

TEST(ConsumerGroup, NobodyGetsWhatAnotherClingsTo) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
b joins t
= epoch 3: nothing
a clings
= epoch 2: t-0
a clings
= epoch 2
b beats
= epoch 3
pass 10000
b beats
= epoch 3
pass 10000
= a is fenced
b beats
= epoch 4: t-0 t-1
a beats
= UNKNOWN_MEMBER_ID
)");
}

TEST(ConsumerGroup, SilentMembersAreFenced) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
pass 44999
a beats
= epoch 2
pass 45000
= a is fenced
a beats
= UNKNOWN_MEMBER_ID
a commits t-0 at 2
= UNKNOWN_MEMBER_ID
a joins t
= epoch 4: t-0 t-1
)");
}

TEST(ConsumerGroup, StaticMembersComeBackToWhatTheyHad) {
  expect_script(R"(
topic t 2
a joins t as one
= epoch 2: t-0 t-1
b joins t as one
= UNRELEASED_INSTANCE_ID
a leaves for now
= epoch -2
group
= Reconciling 2/2 uniform; a -2: t-0 t-1 -> t-0 t-1
b joins t as one
= epoch 2: t-0 t-1
a beats
= FENCED_INSTANCE_ID
a leaves
= FENCED_INSTANCE_ID
group
= Stable 2/2 uniform; b 2: t-0 t-1 -> t-0 t-1
b leaves for now
= epoch -2
pass 45000
= b is fenced
b leaves
= UNKNOWN_MEMBER_ID
)");
}

// Kafka 4.3.1 gives it its rebalance timeout after a load, though not before.
TEST(ConsumerGroup, OneThatIsAwayIsWaitedForAfterALoadAsBefore) {
  Script script;
  (void)script.run("topic t 4\na joins t as one\nb joins t\na clings\na leaves for now\n");
  const ConsumerGroupSummary summary = script.world.group.summary();
  ASSERT_EQ(summary.members.at(0).member_epoch, kStaticLeaveEpoch);
  EXPECT_EQ(script.world.reloaded().next_deadline(), script.world.now().monotonic_ms + 45'000);
}

TEST(ConsumerGroup, EpochsFence) {
  Script script;
  const std::string text = R"(topic t 2
a joins t
= epoch 2: t-0 t-1
b joins t
= epoch 3: nothing
a beats
= epoch 2: t-0
a beats
= epoch 3
)";
  EXPECT_EQ(script.run(text), text);
  ConsumerHeartbeat request;
  request.group_id = "g";
  request.member_id = "a";
  request.client_id = "c";
  request.client_host = "/127.0.0.1";
  request.member_epoch = 4;
  EXPECT_EQ(script.world.send(request).error, ErrorCode::fenced_member_epoch);
  // The previous epoch will do for one whose answer got lost, if it has nothing that isn't its own.
  request.member_epoch = 2;
  EXPECT_EQ(script.world.send(request).error, ErrorCode::fenced_member_epoch);
  base::Uuid t;
  t.bytes.fill('t');
  request.owned = Partitions{{t, {0, 1}}};
  EXPECT_EQ(script.world.send(request).error, ErrorCode::fenced_member_epoch);
  request.owned = Partitions{{t, {0}}};
  EXPECT_EQ(script.world.send(request).member_epoch, 3);
  request.member_epoch = 0;
  EXPECT_EQ(script.world.send(request).error, ErrorCode::invalid_request);  // joins with something in its hands
}

TEST(ConsumerGroup, CommitsOfAnOlderEpochForWhatStayed) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
b joins t
= epoch 3: nothing
a beats
= epoch 2: t-0
a commits t-1 at 2
= NONE
a beats
= epoch 3
a commits t-0 at 2
= NONE
a commits t-1 at 2
= STALE_MEMBER_EPOCH
a commits t-0 at 4
= STALE_MEMBER_EPOCH
a commits t-1 at 3
= NONE
b beats
= epoch 3: t-1
b commits t-1 at 2
= STALE_MEMBER_EPOCH
)");
}

TEST(ConsumerGroup, RangeIsWhatTheMajorityAsksFor) {
  expect_script(R"(
topic t 3
topic u 3
a joins t u with range
= epoch 2: t-0 t-1 t-2 u-0 u-1 u-2
b joins t u with range
= epoch 3: nothing
a beats
= epoch 2: t-0 t-1 u-0 u-1
a beats
= epoch 3
b beats
= epoch 3: t-2 u-2
group
= Stable 3/3 range; a 3: t-0 t-1 u-0 u-1 -> t-0 t-1 u-0 u-1; b 3: t-2 u-2 -> t-2 u-2
c joins t with sticky
= UNSUPPORTED_ASSIGNOR
)");
}

TEST(ConsumerGroup, ExpressionsMeanTheTopicsThatThereAre) {
  expect_script(R"(
topic t 1
topic u 1
a joins matching t|v.*
= epoch 2: t-0
topic v 2
a beats
= epoch 3: t-0 v-0 v-1
topic t 0
a beats
= epoch 3: v-0 v-1
a beats
= epoch 4
b joins matching (
= INVALID_REGULAR_EXPRESSION
a subscribes u matching
= epoch 4: nothing
a beats
= epoch 5: u-0
)");
}

TEST(ConsumerGroup, MorePartitionsAreFound) {
  expect_script(R"(
topic t 1
a joins t
= epoch 2: t-0
topic t 2
a beats
= epoch 3: t-0 t-1
topic w 2
a beats
= epoch 3
)");
}

TEST(ConsumerGroup, TargetsAreComputedOnceAnInterval) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
pass 500
b joins t
= epoch 2: nothing
group
= Assigning 3/2 uniform; a 2: t-0 t-1 -> t-0 t-1; b 2: nothing -> nothing
pass 500
a beats
= epoch 2: t-0
a beats
= epoch 3
b beats
= epoch 3: t-1
)",
                1000);
}

// The interval isn't over before the clock has come so far again.
TEST(ConsumerGroup, TargetsDontWaitForAWallClockThatWasSetBack) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
clock is set back 100000
b joins t
= epoch 3: nothing
a beats
= epoch 2: t-0
a beats
= epoch 3
b beats
= epoch 3: t-1
pass 500
c joins t
= epoch 3: nothing
group
= Assigning 4/3 uniform; a 3: t-0 -> t-0; b 3: t-1 -> t-1; c 3: nothing -> nothing
)",
                1000);
}

// What a damaged record may say.
TEST(ConsumerGroup, TheLastEpochStays) {
  World world;
  constexpr std::int32_t kLast = std::numeric_limits<std::int32_t>::max();
  world.group.apply(GroupEpochRecord{GroupEpoch{kLast, 0}}, world.now());
  world.group.apply(MemberMetadataRecord{"m", ConsumerMemberMetadata()}, world.now());
  world.pass(world.limits.session_timeout_ms);
  EXPECT_TRUE(world.group.empty());
  EXPECT_EQ(world.group.epoch(), kLast);
}

// Kafka 4.3.1 takes it, too, but knows the member by the old name as well until it reads its log again, and that name is lost for all
// others when the member has gone.
TEST(ConsumerGroup, AMemberThatTakesAnotherInstanceGivesUpItsOwn) {
  expect_script(R"(
topic t 2
a joins t as i
= epoch 2: t-0 t-1
a joins t as j
= epoch 2: t-0 t-1
b joins t as i
= epoch 3: nothing
a beats
= epoch 2: t-0
a leaves
= epoch -1
b leaves
= epoch -1
c joins t as i
= epoch 6: t-0 t-1
d joins t as j
= epoch 7: nothing
)");
}

// Of all that a heartbeat may say, what is new is written, and nothing else.
TEST(ConsumerGroup, ASignOfLifeIsNoMoreThanThat) {
  World world;
  world.set_topic("t", 2);
  ConsumerHeartbeat joins;
  joins.group_id = "g";
  joins.member_id = "m";
  joins.instance_id = "i";
  joins.client_id = "c";
  joins.client_host = "/127.0.0.1";
  joins.rebalance_timeout_ms = 20'000;
  joins.subscribed_topic_names = std::vector<std::string>{"t"};
  joins.subscribed_topic_regex = "u.*";
  joins.server_assignor = "range";
  joins.rack_id = "r";
  joins.owned.emplace();
  const ConsumerHeartbeatResult joined = world.send(joins);
  ASSERT_EQ(joined.error, ErrorCode::none);

  ConsumerHeartbeat all = joins;
  all.member_epoch = joined.member_epoch;
  all.owned = joined.assignment;
  ConsumerHeartbeat beat;
  beat.group_id = "g";
  beat.member_id = "m";
  beat.member_epoch = joined.member_epoch;
  beat.client_id = "c";
  beat.client_host = "/127.0.0.1";
  const auto decide = [&](const ConsumerHeartbeat& request) { return world.group.heartbeat(request, world.cluster(), world.now()); };
  for (const ConsumerHeartbeat& request : {beat, all}) {
    const ConsumerDecision decision = decide(request);
    EXPECT_TRUE(decision.records.empty());
    EXPECT_EQ(decision.result.error, ErrorCode::none);
    EXPECT_EQ(decision.result.member_epoch, joined.member_epoch);
    EXPECT_EQ(decision.result.heartbeat_interval_ms, joined.heartbeat_interval_ms);
    EXPECT_EQ(decision.result.assignment.has_value(), request.owned.has_value()) << "told again to who says everything";
    EXPECT_EQ(decision.heard_from, "m");
  }
  using Change = void (*)(ConsumerHeartbeat&);
  for (const Change change : std::initializer_list<Change>{[](ConsumerHeartbeat& one) { one.client_id = "d"; },
                                                           [](ConsumerHeartbeat& one) { one.client_host = "/::1"; },
                                                           [](ConsumerHeartbeat& one) { one.rack_id = "s"; },
                                                           [](ConsumerHeartbeat& one) { one.rebalance_timeout_ms = 1; },
                                                           [](ConsumerHeartbeat& one) { one.server_assignor = "uniform"; },
                                                           [](ConsumerHeartbeat& one) { one.subscribed_topic_names->push_back("u"); },
                                                           [](ConsumerHeartbeat& one) { one.subscribed_topic_regex = ""; }}) {
    ConsumerHeartbeat request = all;
    change(request);
    const ConsumerDecision decision = decide(request);
    ASSERT_FALSE(decision.records.empty());
    EXPECT_TRUE(std::holds_alternative<MemberMetadataRecord>(decision.records.front()));
  }
  all.subscribed_topic_names->push_back("t");
  EXPECT_TRUE(decide(all).records.empty()) << "the same twice is the same";
  beat.instance_id = "j";
  EXPECT_EQ(decide(beat).result.error, ErrorCode::unknown_member_id);
  beat.instance_id = "i";
  beat.member_epoch = joined.member_epoch + 1;
  EXPECT_EQ(decide(beat).result.error, ErrorCode::fenced_member_epoch);
  world.set_topic("t", 3);
  EXPECT_FALSE(decide(all).records.empty());
}

}  // namespace
}  // namespace broker::group
