// Producers and their transaction coordinator in simulated time, moved by the words of a script (script.h tells how a file
// of them looks). All share the transactional id "t" unless they are said to be "of" another. Identities are written p1/0:
// producer id 1, epoch 0. Steps:
//
//   set transactional.id.expiration.ms 5000        a broker's config; before anything else
//   known p0/32766                                 what the log says of "t" at first
//   a inits [v3] [timeout 5 s] [going on]          InitProducerId; going on after an error (KIP-360), it says who it is
//   a adds t-0 t-1 [v1], a verifies t-0            AddPartitionsToTxn
//   a commits [v5], a aborts [v5]                  EndTxn
//                                                  all of them: [as p0/3] if it isn't who it was told to be; without a version,
//                                                  that of the last time, which at first is the last before transactions v2
//   markers fail at t-0 with ERROR, markers succeed
//   markers wait, markers are written              what waits is lost when the coordinator moves
//   describe                                       what DescribeTransactions says of "t"
//   coordinator moves                              to another broker and back: all but the log is forgotten
//
// and those of simulation.h.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/coordinator/testing/script.h"
#include "broker/coordinator/testing/simulation.h"
#include "broker/transaction/transaction_coordinator.h"
#include "broker/transaction/transaction_records.h"

namespace broker::transaction::testing {

using coordinator::testing::BadStep;
using coordinator::testing::Words;

class CountedProducerIds final : public ProducerIdSource {
 public:
  base::Task<protocol::Result<std::int64_t>> next() override { co_return protocol::Result<std::int64_t>(next_id++); }
  std::int64_t next_id = 0;
};

inline std::string text_of(const ProducerIdentity& producer) { return fmt::format("p{}/{}", producer.id, producer.epoch); }
inline ProducerIdentity identity_from(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (text.empty() || text[0] != 'p' || slash == std::string::npos) throw BadStep(text + " isn't like p1/0");
  ProducerIdentity producer;
  producer.id = std::stoll(text.substr(1, slash - 1));
  producer.epoch = static_cast<std::int16_t>(std::stoi(text.substr(slash + 1)));
  return producer;
}
inline std::string text_of(const TopicPartition& partition) {
  return fmt::format("{}-{}", partition.topic, partition.partition);
}
inline TopicPartition partition_from(const std::string& text) {
  const std::size_t dash = text.rfind('-');
  if (dash == std::string::npos) throw BadStep(text + " isn't like t-0");
  return {text.substr(0, dash), std::stoi(text.substr(dash + 1))};
}
// "Ongoing p0/1 t-0 t-1", and of transactions v2 what goes with them.
inline std::string text_of(const TransactionImage& image) {
  std::string text = fmt::format("{} {}", name_of(image.state), text_of(image.producer()));
  for (const TopicPartition& one : image.partitions) text += " " + text_of(one);
  if (image.client_version == 0) return text;
  text += fmt::format(", v{}", image.client_version);
  if (image.previous_producer_id != image.producer_id) text += fmt::format(", before p{}", image.previous_producer_id);
  if (image.next_producer_id != kNoProducerId) text += fmt::format(", next p{}", image.next_producer_id);
  return text;
}

class TransactionWorld : public coordinator::testing::Simulation, private MarkerWriter {
 public:
  TransactionWorld() { make_coordinator(); }
  ~TransactionWorld() override {
    transactions_->stop();
    release_markers(ErrorCode::not_leader_or_follower);
    log.commit_all(ErrorCode::not_leader_or_follower);
    poll();
  }
  TransactionWorld(const TransactionWorld&) = delete;
  TransactionWorld& operator=(const TransactionWorld&) = delete;

  std::vector<std::string> step(Words& words) {
    play(words);
    settle();
    return std::exchange(events_, {});
  }

 private:
  struct Producer {
    std::string transactional_id = "t";
    ProducerIdentity identity;
    std::int32_t timeout_ms = 60'000;
    std::int16_t init_version = 4, add_version = 3, end_version = 4;
  };

  void play(Words& words) {
    const std::string subject = words.next();
    if (subject == "set") return configure(words);
    if (subject == "known") return know(words);
    if (subject == "after") return Simulation::pass(words.next_milliseconds(), events_, [this](std::int64_t) { settle(); });
    if (subject == "records") return rule_records(words);
    if (subject == "markers") return rule_markers(words);
    if (subject == "describe") return describe();
    const std::string verb = words.next();
    if (subject == "coordinator" && verb == "moves") return move();
    if (const auto id = words.after("of")) producers_[subject].transactional_id = *id;
    if (verb == "inits") return init(subject, words);
    if (verb == "adds") return add(subject, words);
    if (verb == "verifies") return verify(subject, words);
    if (verb == "commits" || verb == "aborts") return end(subject, verb == "commits", words);
    throw BadStep("nobody knows what \"" + verb + "\" means");
  }
  // What is due, and what was written.
  void settle() {
    start(transactions_->run_due_work());
    poll();
    read_records();
    for (std::string& one : std::exchange(answers_, {})) events_.push_back(std::move(one));
  }

  void make_coordinator() {
    Environment environment{log, clock, producer_ids_, *this};
    transactions_ = std::make_unique<TransactionCoordinator>(environment, limits_, TransactionCoordinator::Threads::none);
  }
  void configure(Words& words) {
    const std::string key = words.next();
    const std::int64_t value = words.next_number();
    if (key == "transactional.id.expiration.ms") {
      limits_.id_expiration_ms = value;
    } else if (key == "transaction.remove.expired.transaction.cleanup.interval.ms") {
      limits_.expiration_check_interval_ms = value;
    } else {
      throw BadStep("nobody knows the config " + key);
    }
    transactions_->stop();
    make_coordinator();
  }
  void know(Words& words) {
    TransactionRecord record;
    record.transactional_id = "t";
    TransactionImage& image = record.image.emplace();
    const ProducerIdentity producer = identity_from(words.next());
    image.producer_id = producer.id;
    image.producer_epoch = producer.epoch;
    image.timeout_ms = 60'000;
    image.last_update_ms = clock.wall_ms();
    producer_ids_.next_id = producer.id + 1;
    coordinator::CoordinatorLog& topic = log;
    seen_ = topic.append(kPartition, coordinator::build_batch({to_record(record)}, clock.wall_ms())).value();
  }
  // Leadership goes to a broker that has the whole log and comes back with a higher epoch. Who waits for the old one is told.
  void move() {
    log.lead(kPartition, false);
    transactions_->partition_resigned(kPartition);
    log.commit_all(ErrorCode::not_leader_or_follower);
    release_markers(ErrorCode::coordinator_not_available);
    poll();
    log.lead(kPartition, true);
    ++log.epoch;
    transactions_->partition_elected(kPartition);
  }
  void read_records() {
    std::int64_t seen = seen_;
    log.for_each_batch(kPartition, [&](base::ByteView batch) {
      protocol::RecordReader reader(batch);
      protocol::Record record;
      while (reader.next(record)) {
        if (record.offset < seen_) continue;
        seen = record.offset + 1;
        const auto read = read_transaction_record(record);
        const auto* stored = std::get_if<TransactionRecord>(&read);
        std::string text = "of another kind";
        if (stored != nullptr) text = stored->image ? text_of(*stored->image) : "gone";
        events_.push_back("record: " + text);
      }
    });
    seen_ = seen;
  }

  // MarkerWriter
  base::Task<std::vector<ErrorCode>> write(TransactionMarker marker, std::vector<TopicPartition> partitions) override {
    ErrorCode outcome = ErrorCode::none;
    if (markers_wait_) {
      base::OneShot<ErrorCode> waiter;
      waiting_markers_.push_back(waiter);
      outcome = co_await waiter.wait();
    }
    std::vector<ErrorCode> outcomes;
    read_records();
    for (const TopicPartition& one : partitions) {
      const ErrorCode error = outcome != ErrorCode::none          ? outcome
                              : marker_errors_.contains(one) ? marker_errors_[one]
                                                             : ErrorCode::none;
      outcomes.push_back(error);
      if (error != ErrorCode::none) continue;
      events_.push_back(fmt::format("marker: {} {} in {}", marker.committed ? "COMMIT" : "ABORT", text_of(marker.producer),
                                    text_of(one)));
    }
    co_return outcomes;
  }
  void release_markers(ErrorCode outcome) {
    for (const auto& waiter : std::exchange(waiting_markers_, {})) waiter.set(outcome);
  }
  void rule_markers(Words& words) {
    if (words.take("wait")) {
      markers_wait_ = true;
    } else if (words.take("are") && words.take("written")) {
      markers_wait_ = false;
      release_markers(ErrorCode::none);
    } else if (words.take("succeed")) {
      marker_errors_.clear();
    } else if (words.take("fail")) {
      const TopicPartition partition = partition_from(words.after("at").value());
      marker_errors_[partition] = coordinator::testing::error_named(words.after("with").value());
    }
  }

  static void take_version(Words& words, std::int16_t& version) {
    for (std::int16_t one = 0; one <= 5; ++one) {
      if (words.take("v" + std::to_string(one))) version = one;
    }
  }
  ProducerIdentity speaker(const Producer& one, Words& words) {
    const auto other = words.after("as");
    return other ? identity_from(*other) : one.identity;
  }
  void answer(const std::string& name, const std::string& what, ErrorCode error) {
    answers_.push_back(fmt::format("{} {}: {}", name, what, protocol::name_of(error)));
  }
  void init(const std::string& name, Words& words) {
    Producer& one = producers_[name];
    take_version(words, one.init_version);
    if (const auto timeout = words.milliseconds_after("timeout")) one.timeout_ms = static_cast<std::int32_t>(*timeout);
    InitProducerIdRequest request;
    request.transactional_id = one.transactional_id;
    request.timeout_ms = one.timeout_ms;
    if (words.take("going") && words.take("on")) request.expected = speaker(one, words);
    start(transactions_->init_producer_id(request), [this, name](const ProducerResult& result) {
      Producer& told = producers_[name];
      const ErrorCode error = error_for(result.error, told.init_version, kFirstInitVersionWithFenced);
      if (error != ErrorCode::none) return answer(name, "inits", error);
      told.identity = result.producer;
      answers_.push_back(fmt::format("{} is {}", name, text_of(result.producer)));
    });
  }
  std::vector<TopicPartition> rest_as_partitions(Words& words) {
    std::vector<TopicPartition> partitions;
    for (const std::string& one : words.rest()) partitions.push_back(partition_from(one));
    return partitions;
  }
  void add(const std::string& name, Words& words) {
    Producer& one = producers_[name];
    take_version(words, one.add_version);
    const ProducerIdentity who = speaker(one, words);
    // From v4 on brokers alone ask, for producers of transactions v2.
    const std::int16_t client_version = one.add_version >= 4 ? kVersionWithEpochBump : std::int16_t{0};
    start(transactions_->add_partitions(one.transactional_id, who, rest_as_partitions(words), client_version),
          [this, name](ErrorCode error) {
            answer(name, "adds", error_for(error, producers_[name].add_version, kFirstVersionWithFenced));
          });
  }
  void verify(const std::string& name, Words& words) {
    const Producer& one = producers_[name];
    const ProducerIdentity who = speaker(one, words);
    const AddPartitionsResult result =
        run(transactions_->verify_partitions(one.transactional_id, who, rest_as_partitions(words)));
    if (result.error != ErrorCode::none) return answer(name, "verifies", result.error);
    std::vector<std::string_view> errors;
    for (const ErrorCode error : result.partitions) errors.push_back(protocol::name_of(error));
    answers_.push_back(fmt::format("{} verifies: {}", name, fmt::join(errors, " ")));
  }
  void end(const std::string& name, bool commit, Words& words) {
    Producer& one = producers_[name];
    take_version(words, one.end_version);
    EndTransactionRequest request;
    request.transactional_id = one.transactional_id;
    request.producer = speaker(one, words);
    request.commit = commit;
    if (one.end_version >= 5) request.client_version = kVersionWithEpochBump;
    const bool is_told = one.end_version >= 5;
    start(transactions_->end(request), [this, name, commit, is_told](const ProducerResult& result) {
      Producer& told = producers_[name];
      answer(name, commit ? "commits" : "aborts", error_for(result.error, told.end_version, kFirstVersionWithFenced));
      if (result.error != ErrorCode::none || !is_told) return;
      told.identity = result.producer;
      answers_.back() += ", and is " + text_of(result.producer);
    });
  }
  void describe() {
    const TransactionDescription described = run(transactions_->describe("t"));
    events_.push_back(described.error == ErrorCode::none ? text_of(described.image)
                                                         : std::string(protocol::name_of(described.error)));
  }

  static inline const std::int32_t kPartition = coordinator::partition_of("t", 50);
  TransactionLimits limits_;
  CountedProducerIds producer_ids_;
  bool markers_wait_ = false;
  std::vector<base::OneShot<ErrorCode>> waiting_markers_;
  std::map<TopicPartition, ErrorCode> marker_errors_;
  std::unique_ptr<TransactionCoordinator> transactions_;
  std::map<std::string, Producer> producers_;
  std::vector<std::string> answers_;
  std::vector<std::string> events_;
  std::int64_t seen_ = 0;
};

}  // namespace broker::transaction::testing
