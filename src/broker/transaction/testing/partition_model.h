// Partitions of topics as far as transactions go: what producers wrote into them, and markers, which come in any order, late, or
// never. A stand-in for brokers that lead them, with the rules of KIP-98 and 890. Markers wait until they are delivered by the
// test. For one thread.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "broker/transaction/transaction_ports.h"

namespace broker::transaction::testing {

class PartitionModel final : public MarkerWriter {
 public:
  // How a transaction's records ended, by the number that its producer gave it. One that is in both lists is torn.
  struct Outcome {
    std::set<TopicPartition> open, committed, aborted;
  };

  base::Task<std::vector<ErrorCode>> write(TransactionMarker marker, std::vector<TopicPartition> partitions) override {
    std::vector<base::OneShot<ErrorCode>> answers(partitions.size());
    for (std::size_t i = 0; i < partitions.size(); ++i) waiting_.push_back({marker, partitions[i], answers[i]});
    std::vector<ErrorCode> outcomes;
    for (const auto& answer : answers) {
      const ErrorCode outcome = co_await answer.wait();
      outcomes.push_back(outcome);
    }
    co_return outcomes;
  }

  // A transactional batch of the transaction `number`. False: the producer is fenced.
  bool append(const TopicPartition& partition, const ProducerIdentity& producer, int number) {
    State& state = states_[{partition, producer.id}];
    if (producer.epoch < state.epoch) return false;
    if (producer.epoch > state.epoch && !state.open.empty()) {
      ADD_FAILURE() << "a batch of epoch " << producer.epoch << " in a transaction of epoch " << state.epoch;
    }
    state.epoch = producer.epoch;
    state.open.insert(number);
    outcomes_[number].open.insert(partition);
    return true;
  }

  std::size_t waiting_count() const { return waiting_.size(); }
  // Any of those that wait, by its index; with an error it doesn't get there.
  void deliver(std::size_t at, ErrorCode error = ErrorCode::none) {
    const Waiting one = waiting_[at];
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    one.answer.set(error == ErrorCode::none ? take(one.marker, one.partition) : error);
  }
  const std::map<int, Outcome>& outcomes() const { return outcomes_; }

 private:
  struct State {  // of one producer in one partition
    std::int16_t epoch = kNoProducerEpoch;
    std::int32_t coordinator_epoch = -1;
    std::set<int> open;
  };
  struct Waiting {
    TransactionMarker marker;
    TopicPartition partition;
    base::OneShot<ErrorCode> answer;
  };

  ErrorCode take(const TransactionMarker& marker, const TopicPartition& partition) {
    State& state = states_[{partition, marker.producer.id}];
    if (marker.coordinator_epoch < state.coordinator_epoch) return ErrorCode::transaction_coordinator_fenced;
    // Of transactions v2 the marker has a higher epoch than anything that it ends.
    const bool must_be_higher = marker.client_version >= kVersionWithEpochBump && !state.open.empty();
    if (marker.producer.epoch < state.epoch || (must_be_higher && marker.producer.epoch == state.epoch)) {
      ADD_FAILURE() << fmt::format("a marker of epoch {} where a producer had epoch {}", marker.producer.epoch, state.epoch);
      return ErrorCode::invalid_producer_epoch;
    }
    state.epoch = marker.producer.epoch;
    state.coordinator_epoch = marker.coordinator_epoch;
    for (const int number : std::exchange(state.open, {})) {
      Outcome& outcome = outcomes_[number];
      outcome.open.erase(partition);
      (marker.committed ? outcome.committed : outcome.aborted).insert(partition);
      EXPECT_TRUE(outcome.committed.empty() || outcome.aborted.empty()) << "transaction " << number << " is torn";
    }
    return ErrorCode::none;
  }

  std::map<std::pair<TopicPartition, std::int64_t>, State> states_;
  std::vector<Waiting> waiting_;
  std::map<int, Outcome> outcomes_;
};

}  // namespace broker::transaction::testing
