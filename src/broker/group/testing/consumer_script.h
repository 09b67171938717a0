// Scripts for one group of the newer protocol: what members do, and below it, after "=", what comes of it. A member acts on what it was
// told in its last answer: it gives up at once what it must, unless it "clings" to it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "broker/group/testing/consumer_world.h"
#include "protocol/error.h"

namespace broker::group::testing {

inline std::vector<std::string> words_of(const std::string& line) {
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

inline void expect_script(const std::string& script, std::int32_t assignment_interval_ms = 0) {
  const std::string text = script.substr(1);  // behind the first line break
  EXPECT_EQ(Script(assignment_interval_ms).run(text), text);
}

}  // namespace broker::group::testing
