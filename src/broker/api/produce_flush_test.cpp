// An fsync that flush.messages asks for, on a disk that hangs: its producer waits, and nobody else on the same event loop.
#include <boost/asio/co_spawn.hpp>

#include "base/testing/gate.h"
#include "broker/api/testing/data_path.h"

namespace broker::api::testing {
namespace {

class ProduceFlush : public DataPath {
 protected:
  ProduceFlush() {
    broker.topic_settings.log.flush_messages = 1;
    broker.add_topic("flushed");
    broker.topic_settings.log.flush_messages = storage::LogConfig::kUnlimited;
    broker.add_topic("t");
    broker.files.set_before_sync([this] { disk.pass(); });
  }
  ~ProduceFlush() override {
    disk.open();
    broker.manager.shutdown();  // its threads answer to the loop, which goes first
  }

  // Begins on the loop of the broker, where serve() and the others go on with it.
  template <class Request>
  void begin(const Request& request, std::int16_t version = 9) {
    Frame frame = TestBroker::framed(TestBroker::frame_of(request, version));
    boost::asio::co_spawn(broker.loop, broker.dispatcher.serve(broker.connection, std::move(frame)).task(),
                          [this](const std::exception_ptr& failure, Reply answer) {
                            if (failure) std::rethrow_exception(failure);
                            replies.push_back(std::move(answer));
                          });
    broker.loop.restart();
    broker.loop.poll();
  }
  ProduceResponse::PartitionProduceResponse finish() {
    broker.loop.restart();
    while (replies.empty()) broker.loop.run_one();
    auto response = broker.read<ProduceResponse>(replies.at(0), 9);
    return response.responses.at(0).partition_responses.at(0);
  }

  base::testing::Gate disk;
  std::vector<Reply> replies;
};

TEST_F(ProduceFlush, HoldsUpNobodyElseOnTheLoop) {
  for (const std::int16_t acks : {std::int16_t{1}, std::int16_t{-1}}) begin(produce_request("flushed", batch_of({"a"}), acks));
  disk.wait_for_arrivals(1);
  EXPECT_EQ(produce(produce_request("t", batch_of({"b"}))).error_code, ErrorCode::none);
  broker.through = &broker.another;
  EXPECT_GT(fetch(fetch_request("t", 0)).responses.at(0).partitions.at(0).records.size(), 0u);
  const FetchResponse unflushed = fetch(fetch_request("flushed", 0));
  EXPECT_EQ(unflushed.responses.at(0).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(unflushed.responses.at(0).partitions.at(0).records.size(), 0u) << "not on disk yet";
  EXPECT_TRUE(replies.empty());

  disk.open();
  const auto answer = finish();
  EXPECT_EQ(answer.error_code, ErrorCode::none);
  EXPECT_GE(answer.base_offset, 0);
  while (replies.size() < 2) broker.loop.run_one();
  const FetchResponse flushed = fetch(fetch_request("flushed", 0));
  EXPECT_EQ(flushed.responses.at(0).partitions.at(0).high_watermark, 2);
}

// But Produces, which come behind one another in the log in any case.
TEST_F(ProduceFlush, HoldsUpItsConnectionWhichSeesWhatItWrote) {
  begin(produce_request("flushed", batch_of({"a"}), 1));
  begin(produce_request("flushed", batch_of({"b"}), 1));
  EXPECT_EQ(broker.manager.find("flushed", 0)->log()->log_end_offset(), 2);
  begin(fetch_request("flushed", 0), 12);
  begin(produce_request("flushed", batch_of({"c"}), 1));
  disk.wait_for_arrivals(1);
  EXPECT_TRUE(replies.empty());
  EXPECT_EQ(broker.manager.find("flushed", 0)->log()->log_end_offset(), 2) << "nothing passes the fetch";

  disk.open();
  broker.loop.restart();
  while (replies.size() < 4) broker.loop.run_one();
  const auto fetched = broker.read<FetchResponse>(replies.at(2), 12);
  EXPECT_GE(fetched.responses.at(0).partitions.at(0).high_watermark, 2);
  EXPECT_GT(fetched.responses.at(0).partitions.at(0).records.size(), 0u);
  EXPECT_EQ(broker.manager.find("flushed", 0)->log()->log_end_offset(), 3);
}

TEST_F(ProduceFlush, FailsAsTheAppendItself) {
  begin(produce_request("flushed", batch_of({"a"}), 1));
  disk.wait_for_arrivals(1);
  broker.files.set_fault({.call = 1, .persistent = true, .changes_only = true});
  disk.open();
  const auto answer = finish();
  EXPECT_EQ(answer.error_code, ErrorCode::kafka_storage_error);
  EXPECT_EQ(answer.base_offset, -1);
}

// Who wants no answer learns of it by a closed connection.
TEST_F(ProduceFlush, FailsWithoutAnAnswer) {
  begin(produce_request("flushed", batch_of({"a"}), 0));
  disk.wait_for_arrivals(1);
  broker.files.set_fault({.call = 1, .persistent = true, .changes_only = true});
  disk.open();
  broker.loop.restart();
  while (replies.empty()) broker.loop.run_one();
  EXPECT_TRUE(replies.at(0).close_after);
}

}  // namespace
}  // namespace broker::api::testing
