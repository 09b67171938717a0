// A transactional producer of few lines over our own codec, one request at a time: a record of 100 bytes in each transaction, to the
// topic `bench`. What a coordinator isn't ready for yet is asked again, and counted. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "protocol/error.h"
#include "protocol/messages/add_partitions_to_txn.h"
#include "protocol/messages/end_txn.h"
#include "protocol/messages/init_producer_id.h"
#include "protocol/messages/produce.h"
#include "protocol/record_batch_builder.h"
#include "raw_kafka.h"

namespace bench {

using namespace protocol;

inline const std::string kTopic = "bench";

class TransactionalProducer {
 public:
  TransactionalProducer(int port, int number, int version)
      : connection_(port), id_("bench-" + std::to_string(number)), partition_(number % 10), version_(version) {
    wait_for_coordinator(connection_, id_, 1);
    InitProducerIdRequest request;
    request.transactional_id = id_;
    request.transaction_timeout_ms = 60'000;
    InitProducerIdResponse response;
    patiently([&] { return (response = connection_.ask<InitProducerIdResponse>(request, 4)).error_code; }, "init");
    producer_id_ = response.producer_id;
    epoch_ = response.producer_epoch;
  }

  void one() {
    if (version_ == 1) add();
    produce();
    end();
  }
  long retries() const { return retries_; }

 private:
  void patiently(const std::function<ErrorCode()>& ask, const char* what) {
    while (true) {
      const ErrorCode error = ask();
      if (error == ErrorCode::none) return;
      if (error != ErrorCode::concurrent_transactions && !asks_for_patience(error)) require(error, what);
      ++retries_;
      std::this_thread::sleep_for(kRetryPause);
    }
  }
  void add() {
    AddPartitionsToTxnRequest request;
    request.v3_and_below_transactional_id = id_;
    request.v3_and_below_producer_id = producer_id_;
    request.v3_and_below_producer_epoch = epoch_;
    request.v3_and_below_topics.emplace_back().name = kTopic;
    request.v3_and_below_topics.back().partitions = {partition_};
    patiently(
        [&] {
          const auto response = connection_.ask<AddPartitionsToTxnResponse>(request, 3);
          return response.results_by_topic_v3_and_below.at(0).results_by_partition.at(0).partition_error_code;
        },
        "add");
  }
  void produce() {
    static const base::Bytes value(100, 'v');
    RecordBatchBuilder builder;
    builder.header.producer_id = producer_id_;
    builder.header.producer_epoch = epoch_;
    builder.header.base_sequence = sequence_++;
    builder.header.attributes |= kAttributeTransactional;
    NewRecord record;
    record.value = value;
    record.timestamp =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    builder.append(record);
    ProduceRequest request;
    request.transactional_id = id_;
    request.acks = -1;
    request.timeout_ms = 30'000;
    request.topic_data.emplace_back().name = kTopic;
    auto& data = request.topic_data.back().partition_data.emplace_back();
    data.index = partition_;
    data.records = Records::own(builder.build());
    patiently(
        [&] {
          const auto response = connection_.ask<ProduceResponse>(request, version_ == 1 ? 9 : 12);
          return response.responses.at(0).partition_responses.at(0).error_code;
        },
        "produce");
  }
  void end() {
    EndTxnRequest request;
    request.transactional_id = id_;
    request.producer_id = producer_id_;
    request.producer_epoch = epoch_;
    request.committed = true;
    EndTxnResponse response;
    patiently([&] { return (response = connection_.ask<EndTxnResponse>(request, version_ == 1 ? 3 : 5)).error_code; }, "end");
    if (version_ == 1) return;
    producer_id_ = response.producer_id;
    epoch_ = response.producer_epoch;
    sequence_ = 0;
  }

  Connection connection_;
  const std::string id_;
  const std::int32_t partition_;
  const int version_;
  std::int64_t producer_id_ = -1;
  std::int16_t epoch_ = -1;
  std::int32_t sequence_ = 0;
  long retries_ = 0;
};

}  // namespace bench
