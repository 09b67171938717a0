// The APIs of transactions through the dispatcher, over real partitions and a coordinator whose log is in memory.
#include <gtest/gtest.h>

#include "broker/api/testing/test_services.h"
#include "broker/coordinator/coordinator_records.h"
#include "protocol/messages/add_offsets_to_txn.h"
#include "protocol/messages/add_partitions_to_txn.h"
#include "protocol/messages/describe_producers.h"
#include "protocol/messages/describe_transactions.h"
#include "protocol/messages/end_txn.h"
#include "protocol/messages/fetch.h"
#include "protocol/messages/init_producer_id.h"
#include "protocol/messages/list_offsets.h"
#include "protocol/messages/list_transactions.h"
#include "protocol/messages/produce.h"
#include "protocol/messages/write_txn_markers.h"
#include "protocol/record_batch_builder.h"

namespace broker::api {
namespace {

using namespace protocol;
using testing::TestBroker;

class TransactionPath : public ::testing::Test {
 protected:
  TransactionPath() {
    coordinator::CoordinatorLog& log = broker.transaction_log;
    boost::asio::co_spawn(broker.loop, log.partition_count(true), [](const std::exception_ptr&, std::int32_t) {});
    broker.loop.restart();
    broker.loop.run();
    topic_id = broker.add_topic("t", 2);
  }

  template <class Response, class Request>
  Response ask(const Request& request, std::int16_t version) {
    auto response = broker.ask<Response>(request, version);
    if (!response) throw std::runtime_error("not answered");
    return std::move(*response);
  }

  InitProducerIdResponse init(std::int16_t version = 4) {
    InitProducerIdRequest request;
    request.transactional_id = "tx";
    request.transaction_timeout_ms = 60'000;
    auto response = ask<InitProducerIdResponse>(request, version);
    producer_id = response.producer_id;
    epoch = response.producer_epoch;
    sequence = 0;
    return response;
  }
  AddPartitionsToTxnRequest add_request(const std::vector<std::int32_t>& partitions, const std::string& topic = "t") {
    AddPartitionsToTxnRequest request;
    request.v3_and_below_transactional_id = "tx";
    request.v3_and_below_producer_id = producer_id;
    request.v3_and_below_producer_epoch = epoch;
    auto& one = request.v3_and_below_topics.emplace_back();
    one.name = topic;
    one.partitions = partitions;
    return request;
  }
  std::vector<ErrorCode> add(const std::vector<std::int32_t>& partitions, std::int16_t version = 3) {
    const auto response = ask<AddPartitionsToTxnResponse>(add_request(partitions), version);
    std::vector<ErrorCode> errors;
    for (const auto& one : response.results_by_topic_v3_and_below.at(0).results_by_partition) {
      errors.push_back(one.partition_error_code);
    }
    return errors;
  }
  base::Bytes transactional_batch() {
    RecordBatchBuilder builder;
    builder.header.producer_id = producer_id;
    builder.header.producer_epoch = epoch;
    builder.header.base_sequence = sequence;
    builder.header.attributes |= kAttributeTransactional;
    NewRecord record;
    record.value = base::as_bytes("v");
    record.timestamp = broker.clock.wall_ms();
    builder.append(record);
    return builder.build();
  }
  ProduceRequest produce_request(const base::Bytes& batch, const std::string& id = "tx",
                                 std::initializer_list<std::int32_t> partitions = {0}) const {
    ProduceRequest request;
    request.transactional_id = id;
    request.acks = -1;
    request.timeout_ms = 1000;
    auto& topic = request.topic_data.emplace_back();
    topic.name = "t";
    topic.topic_id = topic_id;
    for (const std::int32_t partition : partitions) {
      auto& data = topic.partition_data.emplace_back();
      data.index = partition;
      data.records = Records(batch);
    }
    return request;
  }
  ErrorCode produce(std::int16_t version = 9, const std::string& id = "tx", std::int32_t partition = 0) {
    const base::Bytes batch = transactional_batch();
    const ProduceRequest request = produce_request(batch, id, {partition});
    const auto answer = ask<ProduceResponse>(request, version).responses.at(0).partition_responses.at(0);
    if (answer.error_code == ErrorCode::none) ++sequence;
    return answer.error_code;
  }
  ErrorCode end(bool commit, std::int16_t version = 3) {
    EndTxnRequest request;
    request.transactional_id = "tx";
    request.producer_id = producer_id;
    request.producer_epoch = epoch;
    request.committed = commit;
    return ask<EndTxnResponse>(request, version).error_code;
  }
  std::int64_t latest(std::int8_t isolation, std::int32_t replica_id = -1) {
    ListOffsetsRequest request;
    request.replica_id = replica_id;
    request.isolation_level = isolation;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    auto& partition = topic.partitions.emplace_back();
    partition.timestamp = -1;
    partition.current_leader_epoch = -1;
    return ask<ListOffsetsResponse>(request, 5).topics.at(0).partitions.at(0).offset;
  }
  FetchResponse::PartitionData fetch(std::int8_t isolation) {
    FetchRequest request;
    request.replica_id = -1;
    request.isolation_level = isolation;
    request.max_bytes = 1 << 20;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    auto& partition = topic.partitions.emplace_back();
    partition.partition_max_bytes = 1 << 20;
    partition.current_leader_epoch = -1;
    auto response = ask<FetchResponse>(request, 11);
    return std::move(response.responses.at(0).partitions.at(0));
  }

  TestBroker broker;
  base::Uuid topic_id;
  std::int64_t producer_id = -1;
  std::int16_t epoch = -1;
  std::int32_t sequence = 0;
};

// As long as a change isn't committed, others are told to come again; who sends one request behind the other isn't others.
TEST_F(TransactionPath, ConnectionsAreServedInTheirOrder) {
  init();
  broker.transaction_log.commits_by_itself = false;
  InitProducerIdRequest request;
  request.transactional_id = "tx";
  request.transaction_timeout_ms = 60'000;
  std::vector<InitProducerIdResponse> answers;
  const auto begin = [&](ConnectionInfo& connection) {
    Frame frame = TestBroker::framed(TestBroker::frame_of(request, 4));
    boost::asio::co_spawn(broker.loop, broker.dispatcher.serve(connection, std::move(frame)).task(),
                          [&](const std::exception_ptr& failure, Reply reply) {
                            if (failure) std::rethrow_exception(failure);
                            answers.push_back(broker.read<InitProducerIdResponse>(reply, 4));
                          });
    broker.loop.restart();
    broker.loop.poll();
  };
  ConnectionInfo other;
  begin(broker.connection);
  begin(broker.connection);
  begin(broker.connection);
  EXPECT_TRUE(answers.empty());
  begin(other);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers.back().error_code, ErrorCode::concurrent_transactions);
  for (std::int16_t times = 1; times <= 3; ++times) {
    broker.transaction_log.commit_all();
    broker.loop.restart();
    broker.loop.poll();
    ASSERT_EQ(answers.size(), 1u + static_cast<std::size_t>(times));
    EXPECT_EQ(answers.back().error_code, ErrorCode::none);
    EXPECT_EQ(answers.back().producer_epoch, times);
  }
}

// What a Produce adds to the transaction may wait for an fsync; the next one on the connection comes behind its appends.
TEST_F(TransactionPath, ProducesOfAConnectionAreAppendedInTheirOrder) {
  constexpr std::int16_t kVersion = 12;  // adds partitions
  init();
  std::vector<ProduceResponse::TopicProduceResponse> answers;
  const auto batch_at = [&](std::int32_t at_sequence) {
    sequence = at_sequence;
    return transactional_batch();
  };
  const auto begin = [&](const ProduceRequest& request) {
    Frame frame = TestBroker::framed(TestBroker::frame_of(request, kVersion));
    boost::asio::co_spawn(broker.loop, broker.dispatcher.serve(broker.connection, std::move(frame)).task(),
                          [&](const std::exception_ptr& failure, Reply reply) {
                            if (failure) std::rethrow_exception(failure);
                            answers.push_back(broker.read<ProduceResponse>(reply, kVersion).responses.at(0));
                          });
    broker.loop.restart();
    broker.loop.poll();
  };
  const auto commit = [&] {
    broker.transaction_log.commit_all();
    broker.loop.restart();
    broker.loop.poll();
  };
  const auto expect = [&](std::size_t at, std::size_t partition, std::int64_t offset) {
    ASSERT_LT(at, answers.size());
    EXPECT_EQ(answers[at].partition_responses.at(partition).error_code, ErrorCode::none) << at;
    EXPECT_EQ(answers[at].partition_responses.at(partition).base_offset, offset) << at;
  };
  broker.transaction_log.commits_by_itself = false;
  std::vector<base::Bytes> batches;
  for (std::int32_t at = 0; at < 5; ++at) batches.push_back(batch_at(at));
  begin(produce_request(batches[0]));  // new in the transaction
  begin(produce_request(batches[1]));
  EXPECT_TRUE(answers.empty());
  commit();
  expect(0, 0, 0);
  expect(1, 0, 1);

  begin(produce_request(batches[2]));
  expect(2, 0, 2);
  ProduceRequest with_new_partition = produce_request(batches[3], "tx", {0, 1});
  with_new_partition.topic_data.at(0).partition_data.at(1).records = Records(batches[0]);
  begin(with_new_partition);
  begin(produce_request(batches[4]));
  EXPECT_EQ(answers.size(), 3u) << "one behind the other, though it adds nothing";
  commit();
  expect(3, 0, 3);
  expect(3, 1, 0);
  expect(4, 0, 4);
}

TEST_F(TransactionPath, ACommittedTransactionIsSeen) {
  EXPECT_EQ(init().error_code, ErrorCode::none);
  EXPECT_EQ(add({0, 1}), (std::vector{ErrorCode::none, ErrorCode::none}));
  EXPECT_EQ(produce(), ErrorCode::none);
  EXPECT_EQ(latest(0), 1);
  EXPECT_EQ(latest(1), 0);
  EXPECT_EQ(latest(1, -2), 1) << "who isn't a consumer sees the end of the log";
  EXPECT_EQ(fetch(0).records.size(), transactional_batch().size());
  EXPECT_EQ(fetch(1).records.size(), 0u);
  EXPECT_EQ(end(true), ErrorCode::none);
  EXPECT_EQ(latest(1), 2);
  EXPECT_TRUE(fetch(1).aborted_transactions->empty());
  EXPECT_EQ(add({0}), std::vector{ErrorCode::none});
  EXPECT_EQ(produce(), ErrorCode::none);
  EXPECT_EQ(end(false), ErrorCode::none);
  EXPECT_EQ(latest(1), 4);
  const auto data = fetch(1);
  ASSERT_EQ(data.aborted_transactions->size(), 1u);
  EXPECT_EQ(data.aborted_transactions->front().producer_id, producer_id);
  EXPECT_EQ(data.aborted_transactions->front().first_offset, 2);
}

TEST_F(TransactionPath, WhatWasNotAddedIsRefused) {
  init();
  EXPECT_EQ(produce(), ErrorCode::invalid_txn_state);
  EXPECT_EQ(produce(11), ErrorCode::transaction_abortable);
  EXPECT_EQ(produce(9, "other"), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(add({1}), std::vector{ErrorCode::none});
  EXPECT_EQ(produce(), ErrorCode::invalid_txn_state);
  EXPECT_EQ(produce(9, "tx", 1), ErrorCode::none);
  ++epoch;
  EXPECT_EQ(produce(), ErrorCode::invalid_producer_epoch);
  --epoch;
  EXPECT_EQ(end(true), ErrorCode::none);
  EXPECT_EQ(produce(9, "tx", 1), ErrorCode::invalid_txn_state) << "late";
  EXPECT_EQ(latest(1), 0);
}

// Several batches are on their way, and the coordinator can't be asked about the first for a moment.
TEST_F(TransactionPath, NothingOvertakesABatchThatIsToBeSentAgain) {
  init();
  EXPECT_EQ(add({0}), std::vector{ErrorCode::none});
  const std::int32_t partition = coordinator::partition_of("tx", 50);
  broker.transaction_log.lead(partition, false);
  broker.transactions.partition_resigned(partition);
  EXPECT_EQ(produce(), ErrorCode::not_enough_replicas);
  broker.transaction_log.lead(partition, true);
  broker.transactions.partition_elected(partition);
  sequence = 1;
  ErrorCode second = ErrorCode::not_enough_replicas;
  while (second == ErrorCode::not_enough_replicas) second = produce();  // until it is loaded
  EXPECT_EQ(second, ErrorCode::out_of_order_sequence_number);
  sequence = 0;
  EXPECT_EQ(produce(), ErrorCode::none);
  EXPECT_EQ(produce(), ErrorCode::none);
  EXPECT_EQ(end(true), ErrorCode::none);
}

// They don't count among the producers of a request, nor do batches without one.
TEST_F(TransactionPath, ProducersOfPartitionsThatDoNotExistAreNotLookedAt) {
  init();
  EXPECT_EQ(add({0}), std::vector{ErrorCode::none});
  const base::Bytes mine = transactional_batch();
  ++epoch;
  const base::Bytes other = transactional_batch();
  ProduceRequest request = produce_request(mine, "tx", {77, 0});
  request.topic_data.at(0).partition_data.at(0).records = Records(other);
  const auto response = ask<ProduceResponse>(request, 9);
  const auto& partitions = response.responses.at(0).partition_responses;
  EXPECT_EQ(partitions.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(partitions.at(1).error_code, ErrorCode::none);
}

// Nor does what was refused for another producer's sake keep anything of the first one waiting.
TEST_F(TransactionPath, ARequestOfTwoProducersLeavesNothingBehind) {
  init();
  EXPECT_EQ(add({0}), std::vector{ErrorCode::none});
  const base::Bytes first = transactional_batch();
  ++producer_id;
  const base::Bytes second = transactional_batch();
  --producer_id;
  ProduceRequest request = produce_request(first, "tx", {0, 1});
  request.topic_data.at(0).partition_data.at(1).records = Records(second);
  const auto response = ask<ProduceResponse>(request, 9);
  for (const auto& partition : response.responses.at(0).partition_responses) {
    EXPECT_EQ(partition.error_code, ErrorCode::invalid_producer_id_mapping);
  }
  sequence = 4;  // any is the first here
  EXPECT_EQ(produce(), ErrorCode::none);
}

TEST_F(TransactionPath, PartitionsThatDoNotExistSpoilTheRequest) {
  init();
  EXPECT_EQ(add({0, 9}), (std::vector{ErrorCode::operation_not_attempted, ErrorCode::unknown_topic_or_partition}));
  DescribeTransactionsRequest request;
  request.transactional_ids = {"tx", "none"};
  const auto response = ask<DescribeTransactionsResponse>(request, 0);
  EXPECT_EQ(response.transaction_states.at(0).transaction_state, "Empty");
  EXPECT_EQ(response.transaction_states.at(0).producer_id, producer_id);
  EXPECT_EQ(response.transaction_states.at(1).error_code, ErrorCode::transactional_id_not_found);
}

TEST_F(TransactionPath, OldClientsAreToldOfFencingInTheirWay) {
  init();
  const std::int16_t mine = epoch;
  init();
  epoch = mine;
  EXPECT_EQ(add({0}, 1), std::vector{ErrorCode::invalid_producer_epoch});
  EXPECT_EQ(add({0}, 2), std::vector{ErrorCode::producer_fenced});
  EXPECT_EQ(end(true, 1), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(end(true, 2), ErrorCode::producer_fenced);
  InitProducerIdRequest request;
  request.transactional_id = "tx";
  request.transaction_timeout_ms = 60'000;
  request.producer_id = producer_id;
  request.producer_epoch = mine;
  EXPECT_EQ(ask<InitProducerIdResponse>(request, 3).error_code, ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(ask<InitProducerIdResponse>(request, 4).error_code, ErrorCode::producer_fenced);
}

TEST_F(TransactionPath, OffsetsMayBeTheFirstThingThatAGroupIsHeardOf) {
  init();
  AddOffsetsToTxnRequest request;
  request.transactional_id = "tx";
  request.producer_id = producer_id;
  request.producer_epoch = epoch;
  request.group_id = "new";
  EXPECT_EQ(ask<AddOffsetsToTxnResponse>(request, 3).error_code, ErrorCode::none) << "__consumer_offsets isn't there yet";
}

TEST_F(TransactionPath, BrokersVerifyInBatches) {
  init();
  add({0});
  AddPartitionsToTxnRequest request;
  for (const bool verify_only : {true, false}) {
    auto& one = request.transactions.emplace_back();
    one.transactional_id = "tx";
    one.producer_id = producer_id;
    one.producer_epoch = epoch;
    one.verify_only = verify_only;
    auto& topic = one.topics.emplace_back();
    topic.name = "t";
    topic.partitions = {0, 1};
  }
  const auto response = ask<AddPartitionsToTxnResponse>(request, 5);
  const auto errors = [&](std::size_t at) {
    std::vector<ErrorCode> all;
    for (const auto& each : response.results_by_transaction.at(at).topic_results.at(0).results_by_partition) {
      all.push_back(each.partition_error_code);
    }
    return all;
  };
  EXPECT_EQ(errors(0), (std::vector{ErrorCode::none, ErrorCode::transaction_abortable}));
  EXPECT_EQ(errors(1), (std::vector{ErrorCode::none, ErrorCode::none}));
}

TEST_F(TransactionPath, TransactionsAndProducersAreListed) {
  init();
  add({0});
  produce();
  const auto listed = ask<ListTransactionsResponse>(ListTransactionsRequest(), 1);
  ASSERT_EQ(listed.transaction_states.size(), 1u);
  EXPECT_EQ(listed.transaction_states[0].transactional_id, "tx");
  EXPECT_EQ(listed.transaction_states[0].transaction_state, "Ongoing");
  DescribeProducersRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partition_indexes = {0, 9};
  const auto partitions = ask<DescribeProducersResponse>(request, 0).topics.at(0).partitions;
  ASSERT_EQ(partitions.at(0).active_producers.size(), 1u);
  EXPECT_EQ(partitions[0].active_producers[0].current_txn_start_offset, 0);
  EXPECT_EQ(partitions.at(1).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(partitions[1].error_message, std::nullopt);
  using Refusal = std::pair<ErrorCode, std::optional<std::string>>;
  const auto refusal = [&](const char* name) {
    topic.name = name;
    const auto refused = ask<DescribeProducersResponse>(request, 0).topics.at(0).partitions.at(1);
    return Refusal(refused.error_code, refused.error_message);
  };
  EXPECT_EQ(refusal(""), Refusal(ErrorCode::invalid_topic_exception, "Topic name is invalid: the empty string is not allowed"));
  EXPECT_EQ(refusal("u"), Refusal(ErrorCode::unknown_topic_or_partition, "This server does not host this topic-partition."));
}

TEST_F(TransactionPath, AMarkerByHandEndsAHangingTransaction) {
  init();
  add({0});
  produce();
  WriteTxnMarkersRequest request;
  auto& marker = request.markers.emplace_back();
  marker.producer_id = producer_id;
  marker.producer_epoch = epoch;
  marker.transaction_result = false;
  auto& topic = marker.topics.emplace_back();
  topic.name = "t";
  topic.partition_indexes = {0, 7};
  for (std::int16_t version = 0; version <= 2; ++version) {
    const auto response = ask<WriteTxnMarkersResponse>(request, version);
    const auto& partitions = response.markers.at(0).topics.at(0).partitions;
    EXPECT_EQ(partitions.at(0).error_code, ErrorCode::none);
    EXPECT_EQ(partitions.at(1).error_code, ErrorCode::unknown_topic_or_partition);
  }
  EXPECT_EQ(latest(1), 4);
}

// Kafka can't make such a control batch, nor read it back as a transaction's: it answers nothing but this, and writes none.
TEST_F(TransactionPath, AMarkerOfNoProducerIsRefused) {
  WriteTxnMarkersRequest request;
  request.markers.resize(2);
  for (auto& marker : request.markers) {
    marker.producer_id = 5;
    marker.coordinator_epoch = -1;  // as the tool that aborts what hangs
    auto& topic = marker.topics.emplace_back();
    topic.name = "t";
    topic.partition_indexes = {0};
  }
  for (const auto& [id_of_none, epoch_of_none] : {std::pair(-1, 0), std::pair(6, -1)}) {
    request.markers[1].producer_id = id_of_none;
    request.markers[1].producer_epoch = static_cast<std::int16_t>(epoch_of_none);
    for (const auto& marker : ask<WriteTxnMarkersResponse>(request, 1).markers) {
      EXPECT_EQ(marker.topics.at(0).partitions.at(0).error_code, ErrorCode::unknown_server_error);
    }
  }
  EXPECT_EQ(latest(0), 0);

  request.markers.resize(1);
  request.markers[0].topics[0].name = "nope";
  EXPECT_EQ(ask<WriteTxnMarkersResponse>(request, 1).markers.at(0).topics.at(0).partitions.at(0).error_code,
            ErrorCode::unknown_topic_or_partition)
      << "nothing would be written";
}

TEST_F(TransactionPath, MarkersOfAProducerAreAnsweredTogether) {
  WriteTxnMarkersRequest request;
  request.markers.resize(3);
  for (auto& marker : request.markers) marker.producer_id = 5;
  for (auto& marker : {std::ref(request.markers[0]), std::ref(request.markers[1])}) {
    auto& topic = marker.get().topics.emplace_back();
    topic.name = "t";
    topic.partition_indexes = {7, 7};
  }
  const auto markers = ask<WriteTxnMarkersResponse>(request, 1).markers;
  ASSERT_EQ(markers.size(), 1u);
  ASSERT_EQ(markers[0].topics.size(), 1u);
  EXPECT_EQ(markers[0].topics[0].partitions.size(), 1u);
}

// What isn't known of, but is there, isn't deleted: its marker is to be written later.
TEST_F(TransactionPath, AMarkerOfATopicThatIsNotReadWaits) {
  auto cluster = std::make_shared<metadata::ClusterMetadata>(*broker.metadata.get());
  cluster->unread_topics.insert("closed");
  broker.metadata.set(std::move(cluster));
  transaction::TransactionMarker marker;
  marker.producer = {1, 0};
  std::vector<ErrorCode> errors;
  std::vector<transaction::TopicPartition> partitions = {{"closed", 0}, {"deleted", 0}};
  boost::asio::co_spawn(broker.loop, broker.markers.write(marker, std::move(partitions)),
                        [&errors](const std::exception_ptr&, std::vector<ErrorCode> outcomes) { errors = std::move(outcomes); });
  broker.loop.restart();
  broker.loop.run();
  EXPECT_EQ(errors, (std::vector{ErrorCode::not_leader_or_follower, ErrorCode::unknown_topic_or_partition}));
}

}  // namespace
}  // namespace broker::api
