// Load on the coordinators of a broker: a client of few lines over our own codec, one connection for each member or
// producer, one request at a time on each, as stock clients do it, and a thread for each but where it says otherwise. The codec's cost is far below a broker's.
//
//   bench_groups commits      port=N clients=N seconds=N partitions=N [one_group=1] [in_flight=N]
//                                                                              members of groups of their own commit offsets, or consumers
//                                                                              without membership those of one group; so many at a time each
//   bench_groups fill         port=N clients=N groups=N rounds=N partitions=N  as many records in __consumer_offsets
//   bench_groups transactions port=N clients=N seconds=N version=1|2           one record of 100 bytes each
//   bench_groups join         port=N clients=N protocol=classic|consumer group=NAME [hold=1]
//                                                                              until all have their part; hold: until stdin ends
//
// The topic is `bench` and exists, for `join` with as many partitions as there are clients. Prints `name=value` pairs; exits with 1 and a line on stderr when anything is not as it should be.
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "protocol/error.h"
#include "protocol/messages/consumer_group_heartbeat.h"
#include "protocol/messages/heartbeat.h"
#include "protocol/messages/join_group.h"
#include "protocol/messages/offset_commit.h"
#include "protocol/messages/sync_group.h"

#include "raw_kafka.h"
#include "transactional_producer.h"

namespace {

using namespace protocol;
using namespace bench;
using Clock = std::chrono::steady_clock;

constexpr auto kBeatPause = std::chrono::milliseconds(100);

std::map<std::string, std::string> g_options;

std::string text_option(const std::string& name) {
  auto found = g_options.find(name);
  if (found == g_options.end()) fail("no " + name + "=");
  return found->second;
}
int option(const std::string& name) { return std::stoi(text_option(name)); }

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Runs one thread for each client; what any of them throws ends the program.
void run_clients(int count, const std::function<void(int)>& run) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([i, &run] {
      try {
        run(i);
      } catch (const std::exception& failure) {
        std::fprintf(stderr, "client %d: %s\n", i, failure.what());
        std::_Exit(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Everybody starts once everybody is ready.
class StartLine {
 public:
  explicit StartLine(int count) : missing_(count) {}
  void wait() {
    if (--missing_ == 0) start_ = Clock::now();
    while (missing_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Clock::time_point start() const { return start_; }

 private:
  std::atomic<int> missing_;
  Clock::time_point start_;
};

// What took how long, of all clients.
class Times {
 public:
  void add(const std::vector<double>& milliseconds) {
    std::lock_guard lock(mutex_);
    all_.insert(all_.end(), milliseconds.begin(), milliseconds.end());
  }
  void print(const char* what, double seconds) {
    std::sort(all_.begin(), all_.end());
    const auto at = [this](double share) { return all_[static_cast<std::size_t>(share * static_cast<double>(all_.size() - 1))]; };
    if (all_.empty()) fail("nothing was done");
    std::printf("%s=%zu per_s=%.1f p50_ms=%.3f p99_ms=%.3f\n", what, all_.size(), static_cast<double>(all_.size()) / seconds,
                at(0.5), at(0.99));
  }

 private:
  std::mutex mutex_;
  std::vector<double> all_;
};

// Of a group that no earlier run has left members in.
std::string new_name(const std::string& stem, int number) {
  return stem + "-" + std::to_string(::getpid()) + "-" + std::to_string(number);
}

struct Membership {
  std::string group, member;
  std::int32_t generation = -1;
  bool leads = false;
};

JoinGroupResponse join(Connection& connection, Membership& me) {
  JoinGroupRequest request;
  request.group_id = me.group;
  request.session_timeout_ms = 45'000;
  request.rebalance_timeout_ms = 300'000;
  request.protocol_type = "consumer";
  // Version 1: one topic, no user data, nothing owned.
  static const std::string subscription = std::string("\0\1\0\0\0\1\0\5", 8) + kTopic + std::string("\xff\xff\xff\xff\0\0\0\0", 8);
  request.protocols.emplace_back().name = "range";
  request.protocols.back().metadata = base::as_bytes(subscription);
  while (true) {
    request.member_id = me.member;
    JoinGroupResponse response = connection.ask<JoinGroupResponse>(request, 5);
    if (!asks_for_patience(response.error_code)) me.member = response.member_id;
    if (response.error_code == ErrorCode::none) {
      me.generation = response.generation_id;
      me.leads = response.leader == response.member_id;
      return response;
    }
    if (response.error_code == ErrorCode::unknown_member_id) me.member.clear();
    if (asks_for_patience(response.error_code)) {
      std::this_thread::sleep_for(kRetryPause);
    } else if (response.error_code != ErrorCode::member_id_required && response.error_code != ErrorCode::unknown_member_id &&
               response.error_code != ErrorCode::rebalance_in_progress) {
      require(response.error_code, "join");
    }
  }
}

ErrorCode sync(Connection& connection, const Membership& me, const JoinGroupResponse& joined) {
  SyncGroupRequest request;
  request.group_id = me.group;
  request.generation_id = me.generation;
  request.member_id = me.member;
  static const base::Bytes assignment(40, 1);
  for (const auto& member : joined.members) {
    request.assignments.emplace_back().member_id = member.member_id;
    request.assignments.back().assignment = assignment;
  }
  return connection.ask<SyncGroupResponse>(request, 3).error_code;
}

// A member of a group of its own.
Membership join_alone(Connection& connection, const std::string& group) {
  Membership me;
  me.group = group;
  wait_for_coordinator(connection, group, 0);
  ErrorCode error = ErrorCode::none;
  do {
    const JoinGroupResponse joined = join(connection, me);
    error = sync(connection, me, joined);
  } while (error == ErrorCode::rebalance_in_progress);
  require(error, "sync");
  return me;
}

OffsetCommitRequest commit_of(const Membership& me, int partitions, std::int64_t offset) {
  OffsetCommitRequest request;
  request.group_id = me.group;
  request.generation_id_or_member_epoch = me.generation;
  request.member_id = me.member;
  request.topics.emplace_back().name = kTopic;
  for (int i = 0; i < partitions; ++i) {
    auto& partition = request.topics.back().partitions.emplace_back();
    partition.partition_index = i;
    partition.committed_offset = offset;
    partition.committed_metadata = "";
  }
  return request;
}

void require_committed(const OffsetCommitResponse& response) {
  for (const auto& partition : response.topics.at(0).partitions) require(partition.error_code, "commit");
}

// A member that commits what it is at, again and again.
struct Committer {
  Committer(int port, const std::string& group, int partitions)
      : connection(port), request(commit_of(join_alone(connection, group), partitions, 0)) {}

  void begin(Clock::time_point now) {
    for (auto& partition : request.topics.back().partitions) ++partition.committed_offset;
    began.push_back(now);
    connection.tell(request, kVersion);
  }
  void end(Clock::time_point now, std::vector<double>& took) {
    require_committed(connection.hear<OffsetCommitResponse>(kVersion));
    took.push_back(std::chrono::duration<double, std::milli>(now - began.front()).count());
    began.pop_front();
  }

  static constexpr std::int16_t kVersion = 7;
  Connection connection;
  OffsetCommitRequest request;
  std::deque<Clock::time_point> began;  // of those in flight
};

// All members on one thread, which looks for whom there are answers: a thread for each would cost the machine as much in
// switches between them as a broker costs it, whichever of the brokers it is.
void commit_until(std::vector<std::unique_ptr<Committer>>& members, int in_flight, Clock::time_point deadline,
                  std::vector<double>& took) {
  constexpr int kAnswersAtOnce = 64;
  const int answers = ::epoll_create1(EPOLL_CLOEXEC);
  if (answers < 0) fail("epoll_create1");
  for (const auto& member : members) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = member.get()}};
    if (::epoll_ctl(answers, EPOLL_CTL_ADD, member->connection.socket(), &event) != 0) fail("epoll_ctl");
    for (int i = 0; i < in_flight; ++i) member->begin(Clock::now());
  }
  for (std::size_t left = members.size() * static_cast<std::size_t>(in_flight); left > 0;) {
    std::array<epoll_event, kAnswersAtOnce> events;
    const int count = ::epoll_wait(answers, events.data(), kAnswersAtOnce, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      auto& member = *static_cast<Committer*>(events[static_cast<std::size_t>(i)].data.ptr);
      do {
        const Clock::time_point now = Clock::now();
        member.end(now, took);
        if (now < deadline) {
          member.begin(now);
        } else {
          --left;
        }
      } while (member.connection.has_heard_more());
    }
  }
  ::close(answers);
}

void commits() {
  const int clients = option("clients"), partitions = option("partitions"), port = option("port");
  const bool one_group = g_options.contains("one_group");
  std::vector<std::unique_ptr<Committer>> members(static_cast<std::size_t>(clients));
  run_clients(clients, [&](int number) {
    members[static_cast<std::size_t>(number)] = std::make_unique<Committer>(port, new_name("commits", number), partitions);
  });
  if (one_group) {  // of consumers that assign themselves their partitions: a group needs no members for its offsets
    for (auto& member : members) {
      member->request.group_id = members.front()->request.group_id + "-offsets";
      member->request.generation_id_or_member_epoch = -1;
      member->request.member_id = "";
    }
  }
  std::vector<double> took;
  const Clock::time_point start = Clock::now();
  commit_until(members, g_options.contains("in_flight") ? option("in_flight") : 1, start + std::chrono::seconds(option("seconds")), took);
  Times times;
  times.add(took);
  times.print("commits", seconds_since(start));
}

void fill() {
  const int clients = option("clients"), groups = option("groups"), rounds = option("rounds"), partitions = option("partitions");
  const int port = option("port");
  const auto start = Clock::now();
  run_clients(clients, [&](int number) {
    Connection connection(port);
    for (int group = number; group < groups; group += clients) {
      Membership nobody;  // commits past group membership
      nobody.group = "fill-" + std::to_string(group);
      if (group == number) join_alone(connection, new_name("first", number));
      for (int round = 0; round < rounds; ++round) require_committed(connection.ask<OffsetCommitResponse>(commit_of(nobody, partitions, round), Committer::kVersion));
    }
  });
  const long records = static_cast<long>(groups) * rounds * partitions;
  std::printf("records=%ld seconds=%.3f\n", records, seconds_since(start));
}

void transactions() {
  const int clients = option("clients"), port = option("port"), version = option("version");
  const auto duration = std::chrono::seconds(option("seconds"));
  StartLine line(clients);
  Times times;
  run_clients(clients, [&](int number) {
    TransactionalProducer producer(port, number, version);
    producer.one();
    std::vector<double> took;
    line.wait();
    for (Clock::time_point now = Clock::now(); now - line.start() < duration;) {
      producer.one();
      const Clock::time_point after = Clock::now();
      took.push_back(std::chrono::duration<double, std::milli>(after - now).count());
      now = after;
    }
    times.add(took);
  });
  times.print("transactions", seconds_since(line.start()));
}

// How many members are settled in which generation or epoch; the time when the last one was.
class Settled {
 public:
  explicit Settled(int count) : count_(count) {}
  void tell(int member, std::int32_t generation) {
    std::lock_guard lock(mutex_);
    generations_[member] = generation;
    const bool all = static_cast<int>(generations_.size()) == count_ &&
                     std::all_of(generations_.begin(), generations_.end(), [&](const auto& one) { return one.second == generation; });
    if (all && !over_) at_ = Clock::now();
    over_ = over_ || all;
  }
  bool over() const { return over_; }
  Clock::time_point at() const { return at_; }

 private:
  const int count_;
  std::mutex mutex_;
  std::map<int, std::int32_t> generations_;
  std::atomic<bool> over_ = false;
  Clock::time_point at_;
};

std::atomic<bool> g_released = true;  // members needn't stay any more

void classic_member(Connection& connection, int number, Settled& settled) {
  Membership me;
  me.group = text_option("group");
  HeartbeatRequest beat;
  beat.group_id = me.group;
  while (true) {
    const JoinGroupResponse joined = join(connection, me);
    const ErrorCode synced = sync(connection, me, joined);
    if (synced == ErrorCode::unknown_member_id) me.member.clear();
    if (synced != ErrorCode::none) continue;
    settled.tell(number, me.generation);
    beat.generation_id = me.generation;
    beat.member_id = me.member;
    ErrorCode error = ErrorCode::none;
    while (error == ErrorCode::none) {
      if (settled.over() && g_released) return;
      std::this_thread::sleep_for(kBeatPause);
      error = connection.ask<HeartbeatResponse>(beat, 3).error_code;
    }
  }
}

// There are as many partitions as members: settled is who has one.
void consumer_member(Connection& connection, int number, Settled& settled) {
  ConsumerGroupHeartbeatRequest request;
  request.group_id = text_option("group");
  request.member_id = "member-" + std::to_string(number);
  request.rebalance_timeout_ms = 300'000;
  request.subscribed_topic_names = std::vector<std::string>{kTopic};
  request.topic_partitions.emplace();
  std::size_t owned = 0;
  while (true) {
    const auto response = connection.ask<ConsumerGroupHeartbeatResponse>(request, 0);
    if (asks_for_patience(response.error_code)) {
      std::this_thread::sleep_for(kRetryPause);
      continue;
    }
    require(response.error_code, "heartbeat");
    request.member_epoch = response.member_epoch;
    request.rebalance_timeout_ms = -1;
    request.subscribed_topic_names.reset();
    request.topic_partitions.reset();
    if (response.assignment) {  // gives up and takes at once, and says so
      request.topic_partitions.emplace();
      owned = 0;
      for (const auto& topic : response.assignment->topic_partitions) {
        auto& told = request.topic_partitions->emplace_back();
        told.topic_id = topic.topic_id;
        told.partitions = topic.partitions;
        owned += topic.partitions.size();
      }
    }
    if (owned == 1) settled.tell(number, response.member_epoch);
    if (settled.over() && g_released) return;
    std::this_thread::sleep_for(kBeatPause);
  }
}

void join_all() {
  const int clients = option("clients"), port = option("port");
  const bool classic = text_option("protocol") == "classic";
  g_released = !g_options.contains("hold");
  {
    Connection first(port);
    wait_for_coordinator(first, text_option("group"), 0);
  }
  StartLine line(clients);
  Settled settled(clients);
  std::thread waiter([&] {
    while (!settled.over()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::printf("seconds=%.3f\n", std::chrono::duration<double>(settled.at() - line.start()).count());
    std::fflush(stdout);
    while (!g_released) {
      char byte = 0;
      if (::read(STDIN_FILENO, &byte, 1) <= 0) g_released = true;
    }
  });
  run_clients(clients, [&](int number) {
    Connection connection(port);
    line.wait();
    classic ? classic_member(connection, number, settled) : consumer_member(connection, number, settled);
  });
  waiter.join();
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)()> commands = {
      {"commits", commits}, {"fill", fill}, {"transactions", transactions}, {"join", join_all}};
  try {
    if (argc < 2 || !commands.contains(argv[1])) fail("commits, fill, transactions or join");
    for (int i = 2; i < argc; ++i) {
      const std::string pair = argv[i];
      g_options[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
    }
    commands.at(argv[1])();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
  return 0;
}
