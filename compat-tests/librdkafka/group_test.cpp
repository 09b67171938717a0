// Consumer groups whose members come and go.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client.h"

namespace compat {
namespace {

constexpr int kPartitions = 8;

// What all members of a group have read, by value.
class Seen {
 public:
  void add(const std::string& value) {
    std::lock_guard lock(mutex_);
    ++counts_[value];
  }

  std::size_t distinct() const {
    std::lock_guard lock(mutex_);
    return counts_.size();
  }

  int repeated() const {
    std::lock_guard lock(mutex_);
    int repeated = 0;
    for (const auto& [value, count] : counts_) repeated += count - 1;
    return repeated;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> counts_;
};

class Member : public RdKafka::RebalanceCb {
 public:
  Member(const std::string& group, const std::string& topic, Seen& seen, const Settings& settings)
      : seen_(seen), topic_(topic) {
    // A session far longer than a busy machine may stand still: a member that is thrown out reads again.
    Settings all = {{"session.timeout.ms", "60000"}, {"heartbeat.interval.ms", "200"}};
    all.insert(all.end(), settings.begin(), settings.end());
    Callbacks callbacks;
    callbacks.rebalance = this;
    consumer_ = make_consumer(bootstrap_servers(), group, all, callbacks);
    require(consumer_->subscribe({topic}), "subscribe");
    thread_ = std::thread([this] { run(); });
  }

  ~Member() override { stop(); }

  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  std::size_t assigned() const { return assigned_; }
  int rebalances() const { return rebalances_; }

  // Commits that were refused, each with its reason.
  std::string refused_commits() const {
    std::lock_guard lock(mutex_);
    return refused_;
  }

  void rebalance_cb(RdKafka::KafkaConsumer* consumer, RdKafka::ErrorCode event,
                    std::vector<RdKafka::TopicPartition*>& partitions) override {
    const bool cooperative = consumer->rebalance_protocol() == "COOPERATIVE";
    if (event == RdKafka::ERR__ASSIGN_PARTITIONS) {
      ++rebalances_;
      assigned_ = cooperative ? assigned_ + partitions.size() : partitions.size();
      if (cooperative) {
        delete consumer->incremental_assign(partitions);
      } else {
        consumer->assign(partitions);
      }
      return;
    }
    commit(*consumer);
    positions_.clear();
    assigned_ = cooperative ? assigned_ - partitions.size() : 0;
    if (cooperative) {
      delete consumer->incremental_unassign(partitions);
    } else {
      consumer->unassign();
    }
  }

 private:
  void run() {
    int uncommitted = 0;
    while (!stopping_) {
      const std::unique_ptr<RdKafka::Message> message(consumer_->consume(50));
      if (message->err() != RdKafka::ERR_NO_ERROR) continue;
      seen_.add(std::string(static_cast<const char*>(message->payload()), message->len()));
      positions_[message->partition()] = message->offset() + 1;
      if (++uncommitted % 500 == 0) commit(*consumer_);
    }
    consumer_->close();
  }

  // By positions of our own: when a rebalance begins just as the first records arrive, librdkafka 2.0.2 knows of none that it
  // handed out, says so ("No offset stored") and sends no commit.
  void commit(RdKafka::KafkaConsumer& consumer) {
    if (positions_.empty()) return;
    std::vector<RdKafka::TopicPartition*> offsets;
    for (const auto& [partition, offset] : positions_) {
      offsets.push_back(RdKafka::TopicPartition::create(topic_, partition, offset));
    }
    const RdKafka::ErrorCode code = consumer.commitSync(offsets);
    RdKafka::TopicPartition::destroy(offsets);
    if (code == RdKafka::ERR_NO_ERROR) return;
    std::lock_guard lock(mutex_);
    refused_ += RdKafka::err2str(code) + "; ";
  }

  Seen& seen_;
  const std::string topic_;
  std::map<int, std::int64_t> positions_;  // next offset of each partition; of this member's thread
  mutable std::mutex mutex_;
  std::string refused_;
  std::unique_ptr<RdKafka::KafkaConsumer> consumer_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> assigned_ = 0;
  std::atomic<int> rebalances_ = 0;
  std::thread thread_;
};

template <class Condition>
::testing::AssertionResult eventually(Condition condition) {
  for (int i = 0; i < 3000; ++i) {  // a guard against hanging, far beyond what it takes
    if (condition()) return ::testing::AssertionSuccess();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return ::testing::AssertionFailure() << "did not come about";
}

// Sends numbered records until told to stop.
class Source {
 public:
  explicit Source(const std::string& topic) : topic_(topic), thread_([this] { run(); }) {}
  ~Source() { stop(); }

  std::size_t stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return sent_;
  }

 private:
  void run() {
    const auto producer = make_producer(bootstrap_servers(), {{"enable.idempotence", "true"}, {"linger.ms", "5"}});
    while (!stopping_) {
      for (int i = 0; i < 20; ++i) {
        std::string value = std::to_string(sent_);
        const int partition = static_cast<int>(sent_ % kPartitions);
        require(producer->produce(topic_, partition, RdKafka::Producer::RK_MSG_COPY, value.data(), value.size(),
                                  nullptr, 0, 0, nullptr),
                "produce");
        ++sent_;
      }
      producer->poll(5);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    producer->flush(60'000);
  }

  std::string topic_;
  std::atomic<bool> stopping_ = false;
  std::size_t sent_ = 0;
  std::thread thread_;
};

// Where the group has committed nothing, librdkafka asks for the log's beginning by ListOffsets, which waits behind the member's own
// Fetch. If the answer comes after a rebalance, librdkafka (2.0.2 to 2.15.0, rd_kafka_toppar_handle_Offset) finds it outdated and asks
// again half a second later, and takes what it hears then for the partition's position, though it went on from a committed one
// meanwhile: all is read again, off Kafka 3.9.2 too. A group that has committed for all partitions never asks; and one whose
// commits the broker forgets still begins at "earliest", and reads twice.
void commit_beginning(const std::string& group, const std::string& topic) {
  const auto consumer = make_consumer(bootstrap_servers(), group, {});
  std::vector<RdKafka::TopicPartition*> offsets;
  for (int partition = 0; partition < kPartitions; ++partition) {
    offsets.push_back(RdKafka::TopicPartition::create(topic, partition, 0));
  }
  const RdKafka::ErrorCode code = consumer->commitSync(offsets);
  RdKafka::TopicPartition::destroy(offsets);
  require(code, "commit before there are members");
  consumer->close();
}

// An eager member gives all partitions back, committed, before others get them, so that nothing is read twice. A
// cooperative one reads on meanwhile, and its commit is refused while the group rebalances: at least once.
void members_come_and_go(const std::string& name, const Settings& settings, bool exactly_once) {
  create_topic(bootstrap_servers(), name, kPartitions);
  commit_beginning(name, name);
  Seen seen;
  Source source(name);
  std::string refused;
  Member first(name, name, seen, settings);
  ASSERT_TRUE(eventually([&] { return first.assigned() == 8; }));
  {
    Member second(name, name, seen, settings);
    ASSERT_TRUE(eventually([&] { return first.assigned() == 4 && second.assigned() == 4; }));
    Member third(name, name, seen, settings);
    Member fourth(name, name, seen, settings);
    ASSERT_TRUE(eventually([&] {
      return first.assigned() == 2 && second.assigned() == 2 && third.assigned() == 2 && fourth.assigned() == 2;
    }));
    third.stop();
    ASSERT_TRUE(eventually([&] { return first.assigned() + second.assigned() + fourth.assigned() == 8; }));
    second.stop();
    fourth.stop();
    for (const Member* each : {&second, &third, &fourth}) refused += each->refused_commits();
  }
  ASSERT_TRUE(eventually([&] { return first.assigned() == 8; }));
  const std::size_t sent = source.stop();
  ASSERT_TRUE(eventually([&] { return seen.distinct() == sent; })) << seen.distinct() << " of " << sent;
  if (exactly_once) {
    EXPECT_EQ(seen.repeated(), 0) << "of " << sent << "; refused commits: " << refused << first.refused_commits();
  }
  EXPECT_GE(first.rebalances(), 3);
}

TEST(Group, MembersComeAndGoEager) { members_come_and_go("eager", {{"partition.assignment.strategy", "range"}}, true); }

TEST(Group, MembersComeAndGoCooperative) {
  members_come_and_go("cooperative", {{"partition.assignment.strategy", "cooperative-sticky"}}, false);
}

TEST(Group, StaticMemberComesBackWithoutRebalance) {
  const std::string name = "static";
  create_topic(bootstrap_servers(), name, kPartitions);
  Seen seen;
  Member stays(name, name, seen, {{"group.instance.id", "stays"}});
  auto leaves = std::make_unique<Member>(name, name, seen, Settings{{"group.instance.id", "leaves"}});
  ASSERT_TRUE(eventually([&] { return stays.assigned() == 4 && leaves->assigned() == 4; }));
  const int before = stays.rebalances();
  leaves = std::make_unique<Member>(name, name, seen, Settings{{"group.instance.id", "leaves"}});
  ASSERT_TRUE(eventually([&] { return leaves->assigned() == 4; }));
  EXPECT_EQ(stays.rebalances(), before);
}

TEST(Group, SilentMemberIsThrownOut) {
  const std::string name = "silent";
  create_topic(bootstrap_servers(), name, kPartitions);
  Seen seen;
  Member stays(name, name, seen, {});
  ASSERT_TRUE(eventually([&] { return stays.assigned() == 8; }));
  {
    // Joins, then never polls again: max.poll.interval.ms makes librdkafka leave.
    const auto silent =
        make_consumer(bootstrap_servers(), name, {{"session.timeout.ms", "6000"}, {"max.poll.interval.ms", "6000"}});
    require(silent->subscribe({name}), "subscribe");
    ASSERT_TRUE(eventually([&] {
      if (stays.assigned() == 8) delete silent->consume(20);
      return stays.assigned() == 4;
    }));
    ASSERT_TRUE(eventually([&] { return stays.assigned() == 8; }));
    silent->close();
  }
}

}  // namespace
}  // namespace compat
