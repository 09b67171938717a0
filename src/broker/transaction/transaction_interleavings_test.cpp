// Random producers that share transactional ids, a coordinator that moves and crashes, a log and markers that fail or take their
// time, and what must hold whatever they do. Each seed is one course of events, which is the same each time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/coordinator/testing/simulation.h"
#include "broker/transaction/testing/partition_model.h"
#include "broker/transaction/testing/transaction_world.h"

namespace broker::transaction {
namespace {

using testing::CountedProducerIds;
using testing::PartitionModel;
using testing::text_of;

// What a producer does, one request at a time, as the clients do: it asks again after errors that say so, and begins no
// transaction before it knows how the last one ended.
struct Producer {
  enum class State { new_here, ready, in_transaction, ending };
  std::string id;  // transactional
  std::int16_t version = 0;
  State state = State::new_here;
  ProducerIdentity identity;
  bool has_identity = false;
  int transaction = 0;
  bool commits = false;
  int request = 0;  // the one whose answer it waits for; 0: none
};

bool may_be_asked_again(ErrorCode error) {
  return error == ErrorCode::concurrent_transactions || error == ErrorCode::coordinator_not_available ||
         error == ErrorCode::not_coordinator || error == ErrorCode::coordinator_load_in_progress;
}

class RandomProducers : public coordinator::testing::Simulation {
 public:
  // What isn't committed in time may still be in the log, as long as the leader stays: of some seeds. Of every other one records
  // are joined at the end of a turn.
  explicit RandomProducers(unsigned seed)
      : random_(seed),
        joining_(seed % 2 == 0 ? TransactionCoordinator::Joining::always : TransactionCoordinator::Joining::adaptive),
        commits_may_time_out_(seed % 3 == 0) {
    if (seed % 4 == 1) use_up_epochs();
    log.commits_by_itself = false;
    make_coordinator();
    for (int i = 0; i < 6; ++i) producers_.emplace_back().id = i % 2 == 0 ? "t" : "u";
  }
  ~RandomProducers() {
    coordinator_->stop();
    finish_everything();
  }
  RandomProducers(const RandomProducers&) = delete;
  RandomProducers& operator=(const RandomProducers&) = delete;

  void step() {
    switch (random_() % 24) {
      case 0:
        return pass(random_() % 8 == 0 ? 11'000 : static_cast<std::int64_t>(random_() % 3000));
      case 1:
        if (random_() % 6 == 0) move(random_() % 2 == 0);
        return;
      case 2:
        log.append_error = random_() % 4 == 0 ? ErrorCode::not_enough_replicas : ErrorCode::none;
        return;
      case 3:
        return speak_as_before();
      case 4:
        if (!late_.empty()) write_late();
        return;
      case 5:
      case 6:
      case 7:
        return commit_log();
      case 8:
      case 9:
      case 10:
      case 11:
        return deliver_marker();
      default:
        return act(producers_[random_() % producers_.size()]);
    }
  }

  // From now on all goes well, and everything that was begun must come to its end.
  void calm_down() {
    log.append_error = ErrorCode::none;
    for (int round = 0; round < 30; ++round) {
      finish_everything();
      pass(1000);
    }
    pass(1'000'000);  // whatever is open is too old by now
    for (int round = 0; round < 5; ++round) {
      finish_everything();
      pass(1000);
    }
  }
  void check_end() {
    pass(1000);
    EXPECT_EQ(partitions_.waiting_count(), 0u) << "markers that nobody needs";
    for (const auto& [number, outcome] : partitions_.outcomes()) {
      EXPECT_TRUE(outcome.open.empty()) << "transaction " << number << " hangs";
      const auto told = told_.find(number);
      if (told == told_.end()) continue;
      EXPECT_TRUE(told->second ? outcome.aborted.empty() : outcome.committed.empty())
          << "transaction " << number << " didn't end as its producer was told";
    }
    for (const std::string id : {"t", "u"}) {
      for (const std::int16_t version : {std::int16_t{0}, kVersionWithEpochBump}) expect_usable(id, version);
    }
    check_epochs();
  }
  std::size_t transaction_count() const { return partitions_.outcomes().size(); }
  std::size_t committed_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(partitions_.outcomes(), [](const auto& one) { return !one.second.committed.empty(); }));
  }

 private:
  // Nearly, so that producers get new producer ids soon.
  void use_up_epochs() {
    coordinator::CoordinatorLog& topic = log;
    for (const std::string id : {"t", "u"}) {
      TransactionRecord record;
      record.transactional_id = id;
      record.image.emplace().producer_id = producer_ids_.next_id++;
      record.image->producer_epoch = static_cast<std::int16_t>(kLastProducerEpoch - random_() % 20);
      record.image->last_update_ms = clock.wall_ms();
      const std::int32_t partition = coordinator::partition_of(id, 50);
      EXPECT_TRUE(topic.append(partition, coordinator::build_batch({to_record(record)}, clock.wall_ms())));
    }
  }
  void make_coordinator() {
    Environment environment{log, clock, producer_ids_, partitions_};
    coordinator_ = std::make_unique<TransactionCoordinator>(environment, TransactionLimits(),
                                                            TransactionCoordinator::Threads::none, joining_);
  }
  void pass(std::int64_t ms) {
    clock.advance_ms(ms);
    start(coordinator_->run_due_work());
  }
  void commit_log() {
    const bool fails = commits_may_time_out_ && random_() % 8 == 0;
    log.commit_all(fails ? ErrorCode::not_enough_replicas_after_append : ErrorCode::none);
    poll();
  }
  void deliver_marker() {
    if (partitions_.waiting_count() == 0) return;
    partitions_.deliver(random_() % partitions_.waiting_count(),
                        random_() % 6 == 0 ? ErrorCode::not_leader_or_follower : ErrorCode::none);
    poll();
  }
  void finish_everything() {
    poll();
    while (log.waiting_count() > 0 || partitions_.waiting_count() > 0) {
      log.commit_all();
      while (partitions_.waiting_count() > 0) partitions_.deliver(0);
      poll();
    }
  }

  // The old coordinator may have markers on their way, and answers its requests when they came; what it wrote last may be lost.
  void move(bool crashes) {
    const bool quiet = log.waiting_count() == 0 && partitions_.waiting_count() == 0;
    std::map<std::string, TransactionDescription> before;
    for (const std::string id : {"t", "u"}) before[id] = run(coordinator_->describe(id));
    const std::set<std::int32_t> led = {coordinator::partition_of("t", 50), coordinator::partition_of("u", 50)};
    for (const std::int32_t partition : led) log.lead(partition, false);
    if (crashes) {
      coordinator_->stop();
    } else {
      for (const std::int32_t partition : led) coordinator_->partition_resigned(partition);
    }
    log.change_leader(random_() % 2 == 0);
    log.commit_all(ErrorCode::not_leader_or_follower);
    poll();
    log.commit_all(ErrorCode::not_leader_or_follower);
    poll();
    for (const std::int32_t partition : led) log.lead(partition, true);
    ++log.epoch;
    if (crashes) {
      former_.push_back(std::move(coordinator_));
      make_coordinator();
    }
    for (const std::int32_t partition : led) coordinator_->partition_elected(partition);
    if (!quiet || commits_may_time_out_) return;
    for (const std::string id : {"t", "u"}) expect_same(id, before[id], run(coordinator_->describe(id)));
  }
  // But for what the record doesn't hold.
  static void expect_same(const std::string& id, TransactionDescription before, const TransactionDescription& after) {
    if (before.error == ErrorCode::none && before.image.producer_epoch == kNoProducerEpoch) return;  // never written
    EXPECT_EQ(before.error, after.error) << id;
    before.image.last_producer_epoch = after.image.last_producer_epoch;
    if (before.image.client_version == 0) {
      before.image.previous_producer_id = after.image.previous_producer_id;
      // A fence that couldn't be written stays in memory, as it does in Kafka before transactions v2.
      const bool fenced = before.image.state == TransactionState::ongoing;
      if (fenced) before.image.producer_epoch = std::min(before.image.producer_epoch, after.image.producer_epoch);
    }
    EXPECT_TRUE(before.image == after.image) << id << " was " << text_of(before.image) << " and is " << text_of(after.image);
  }

  void act(Producer& one) {
    if (one.request != 0) {
      if (random_() % 12 == 0) one.request = 0;  // its answer is lost
      return;
    }
    if (random_() % 60 == 0) {  // it dies, and another takes its place
      const std::string id = one.id;
      one = Producer();
      one.id = id;
      return;
    }
    switch (one.state) {
      case Producer::State::new_here:
        return init(one);
      case Producer::State::ready:
        one.version = random_() % 2 == 0 ? kVersionWithEpochBump : std::int16_t{0};
        one.transaction = ++last_transaction_;
        one.state = Producer::State::in_transaction;
        return produce(one);
      case Producer::State::in_transaction:
        if (random_() % 3 != 0) return produce(one);
        one.commits = random_() % 3 != 0;
        one.state = Producer::State::ending;
        return end(one);
      case Producer::State::ending:
        return end(one);
    }
  }

  // What must never be answered with success: a request of a producer that was known to be replaced when it was sent.
  bool is_fenced(const std::string& id, const ProducerIdentity& who) const {
    const auto newest = newest_session_.find(id);
    const auto session = sessions_.find({id, {who.id, who.epoch}});
    return newest != newest_session_.end() && session != sessions_.end() && session->second < newest->second;
  }
  void remember(const std::string& id, const ProducerIdentity& who, int session) {
    int& known = sessions_[{id, {who.id, who.epoch}}];
    known = std::max(known, session);
  }
  int session_of(const std::string& id, const ProducerIdentity& who) const {
    const auto found = sessions_.find({id, {who.id, who.epoch}});
    return found == sessions_.end() ? 0 : found->second;
  }

  void init(Producer& one) {
    InitProducerIdRequest request;
    request.transactional_id = one.id;
    request.timeout_ms = 5000;
    if (one.has_identity && random_() % 2 == 0) request.expected = one.identity;
    const int number = one.request = ++last_request_;
    start(coordinator_->init_producer_id(request), [this, &one, number, id = one.id](const ProducerResult& result) {
      if (one.request != number) return;  // lost: nobody knows
      one.request = 0;
      if (result.error == ErrorCode::none) {
        newest_session_[id] = ++last_session_;
        remember(id, result.producer, last_session_);
        one.identity = result.producer;
        one.has_identity = true;
        one.state = Producer::State::ready;
      } else if (!may_be_asked_again(result.error)) {
        one.has_identity = false;
      }
    });
  }
  void produce(Producer& one) {
    const TopicPartition partition{std::string(1, static_cast<char>('a' + random_() % 2)),
                                   static_cast<std::int32_t>(random_() % 2)};
    const bool fenced = is_fenced(one.id, one.identity);
    const int number = one.request = ++last_request_;
    start(coordinator_->add_partitions(one.id, one.identity, {partition}, one.version),
          [this, &one, number, fenced, partition](ErrorCode error) {
            EXPECT_FALSE(error == ErrorCode::none && fenced) << "a fenced producer added a partition";
            if (one.request != number) return;
            one.request = 0;
            if (error == ErrorCode::none) {
              write(one, partition);
            } else if (!may_be_asked_again(error)) {
              one.state = Producer::State::new_here;
            }
          });
  }
  // With transactions v2 a batch may be late. The protocol before has only the verification just before it is written.
  void write(Producer& one, const TopicPartition& partition) {
    if (one.version >= kVersionWithEpochBump && random_() % 6 == 0) {
      late_.push_back({partition, one.identity, one.transaction});
      return;
    }
    const AddPartitionsResult verified = run(coordinator_->verify_partitions(one.id, one.identity, {partition}));
    const bool known = verified.error == ErrorCode::none && verified.partitions.at(0) == ErrorCode::none;
    if (!known || !partitions_.append(partition, one.identity, one.transaction)) one.state = Producer::State::new_here;
  }
  void write_late() {
    const std::size_t at = random_() % late_.size();
    const LateBatch batch = late_[at];
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(at));
    (void)partitions_.append(batch.partition, batch.producer, batch.transaction);
  }
  void end(Producer& one) {
    EndTransactionRequest request;
    request.transactional_id = one.id;
    request.producer = one.identity;
    request.commit = one.commits;
    request.client_version = one.version;
    const bool fenced = is_fenced(one.id, one.identity);
    const int number = one.request = ++last_request_;
    start(coordinator_->end(request), [this, &one, number, fenced, request, of = one.transaction](const ProducerResult& result) {
      if (result.error == ErrorCode::none) {
        EXPECT_FALSE(fenced) << "a fenced producer ended a transaction: " << text_of(request.producer);
        const auto [told, is_new] = told_.emplace(of, request.commit);
        EXPECT_EQ(told->second, request.commit) << "transaction " << of;
        if (request.client_version >= kVersionWithEpochBump) {
          remember(request.transactional_id, result.producer, session_of(request.transactional_id, request.producer));
        }
      }
      if (one.request != number) return;
      one.request = 0;
      if (result.error == ErrorCode::none) {
        one.state = Producer::State::ready;
        if (request.client_version >= kVersionWithEpochBump) one.identity = result.producer;
      } else if (!may_be_asked_again(result.error)) {
        one.state = Producer::State::new_here;
      }
    });
  }
  // A zombie, or a packet that took its time: with an identity that isn't the newest.
  void speak_as_before() {
    if (sessions_.empty()) return;
    auto known = sessions_.begin();
    std::advance(known, static_cast<std::ptrdiff_t>(random_() % sessions_.size()));
    const std::string id = known->first.first;
    const ProducerIdentity who{known->first.second.first, known->first.second.second};
    if (!is_fenced(id, who)) return;
    EndTransactionRequest request;
    request.transactional_id = id;
    request.producer = who;
    request.commit = random_() % 2 == 0;
    if (random_() % 2 == 0) request.client_version = kVersionWithEpochBump;
    start(coordinator_->end(request), [who](const ProducerResult& result) {
      EXPECT_NE(result.error, ErrorCode::none) << "a fenced producer ended a transaction: " << text_of(who);
    });
    start(coordinator_->add_partitions(id, who, {{"a", 0}}, request.client_version), [who](ErrorCode error) {
      EXPECT_NE(error, ErrorCode::none) << "a fenced producer added a partition: " << text_of(who);
    });
  }

  template <class T>
  T settled(base::Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    start(std::move(task), [result](T value) { *result = std::move(value); });
    finish_everything();
    if (!*result) throw std::runtime_error("the answer keeps waiting");
    return std::move(**result);
  }
  void expect_usable(const std::string& id, std::int16_t version) {
    InitProducerIdRequest request;
    request.transactional_id = id;
    request.timeout_ms = 5000;
    ProducerResult mine = settled(coordinator_->init_producer_id(request));
    if (mine.error == ErrorCode::concurrent_transactions) mine = settled(coordinator_->init_producer_id(request));
    EXPECT_EQ(mine.error, ErrorCode::none) << protocol::name_of(mine.error);
    EXPECT_EQ(settled(coordinator_->add_partitions(id, mine.producer, {{"a", 0}}, version)), ErrorCode::none);
    EXPECT_TRUE(partitions_.append({"a", 0}, mine.producer, ++last_transaction_));
    EndTransactionRequest end;
    end.transactional_id = id;
    end.producer = mine.producer;
    end.commit = true;
    end.client_version = version;
    EXPECT_EQ(settled(coordinator_->end(end)).error, ErrorCode::none);
    EXPECT_EQ(partitions_.outcomes().at(last_transaction_).committed.size(), 1u);
  }
  // Of a producer id the epochs only grow, and a producer id never comes back.
  void check_epochs() {
    if (commits_may_time_out_) return;  // a record that nobody was answered may be followed by another with the same epoch
    std::map<std::string, std::vector<ProducerIdentity>> courses;
    for (const std::string id : {"t", "u"}) {
      log.for_each_batch(coordinator::partition_of(id, 50), [&](base::ByteView batch) {
        protocol::RecordReader reader(batch);
        protocol::Record record;
        while (reader.next(record)) {
          const auto read = read_transaction_record(record);
          const auto& stored = std::get<TransactionRecord>(read);
          if (stored.transactional_id == id && stored.image) courses[id].push_back(stored.image->producer());
        }
      });
    }
    for (const auto& [id, course] : courses) {
      for (std::size_t i = 1; i < course.size(); ++i) {
        const bool same_id = course[i].id == course[i - 1].id;
        EXPECT_TRUE(same_id ? course[i].epoch >= course[i - 1].epoch : course[i].id > course[i - 1].id)
            << id << ": " << text_of(course[i - 1]) << " before " << text_of(course[i]);
      }
    }
  }

  struct LateBatch {
    TopicPartition partition;
    ProducerIdentity producer;
    int transaction = 0;
  };
  using OneIdentity = std::pair<std::string, std::pair<std::int64_t, std::int16_t>>;  // transactional id, producer

  std::mt19937 random_;
  const TransactionCoordinator::Joining joining_;
  const bool commits_may_time_out_;
  CountedProducerIds producer_ids_;
  PartitionModel partitions_;
  std::unique_ptr<TransactionCoordinator> coordinator_;
  std::vector<std::unique_ptr<TransactionCoordinator>> former_;  // with requests that are still on their way
  std::vector<Producer> producers_;
  std::vector<LateBatch> late_;
  std::map<OneIdentity, int> sessions_;  // from one InitProducerId to the next, of whoever asks
  std::map<std::string, int> newest_session_;
  std::map<int, bool> told_;  // how a transaction ended, as its producer was told
  int last_transaction_ = 0;
  int last_request_ = 0;
  int last_session_ = 0;
};

TEST(TransactionInterleavings, EachTransactionHasOneEnd) {
  std::size_t transactions = 0, committed = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomProducers producers(seed);
    for (int i = 0; i < 800; ++i) producers.step();
    producers.calm_down();
    producers.check_end();
    transactions += producers.transaction_count();
    committed += producers.committed_count();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(committed, 100u) << "of " << transactions << ": else nothing was tried here";
}

}  // namespace
}  // namespace broker::transaction
