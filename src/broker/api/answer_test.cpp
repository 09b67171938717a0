// What is answered at once, what waits, and what becomes of a handler that throws.
#include "broker/api/answer.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <stdexcept>

#include "broker/api/holds_views.h"
#include "broker/api/testing/data_path.h"
#include "protocol/messages/delete_topics.h"
#include "protocol/messages/join_group.h"
#include "protocol/messages/sync_group.h"

namespace broker::api::testing {
namespace {

Answer<std::string> plainly(std::string value) { return value; }

Answer<std::string> after(base::OneShot<bool> gate, std::string value) {
  co_await gate.wait();
  if (value.empty()) throw std::runtime_error("nothing");
  co_return value;
}

TEST(Answer, IsThereOrIsAwaited) {
  boost::asio::io_context loop;
  Answer<std::string> at_once = plainly("at once");
  ASSERT_TRUE(at_once.is_there());
  EXPECT_EQ(at_once.value(), "at once");
  auto also_awaited = boost::asio::co_spawn(loop, at_once.task(), boost::asio::use_future);

  const base::OneShot<bool> gate, gate_of_failing;
  Answer<std::string> later = after(gate, "later");
  Answer<std::string> failing = after(gate_of_failing, "");
  EXPECT_FALSE(later.is_there());
  auto awaited = boost::asio::co_spawn(loop, later.task(), boost::asio::use_future);
  auto failed = boost::asio::co_spawn(loop, failing.task(), boost::asio::use_future);
  loop.poll();  // both wait now
  EXPECT_EQ(awaited.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  gate.set(true);
  gate_of_failing.set(true);
  loop.run();
  EXPECT_EQ(also_awaited.get(), "at once");
  EXPECT_EQ(awaited.get(), "later");
  EXPECT_THROW(failed.get(), std::runtime_error);
}

// Handlers ask for the time; the requests' contexts do before them.
class BrokenClock final : public base::Clock {
 public:
  std::int64_t wall_ms() const override { throw std::runtime_error("no battery"); }
  std::int64_t monotonic_ms() const override { return 0; }
};

class Answers : public DataPath {
 protected:
  Answers() { broker.add_topic("t"); }

  template <class Request>
  Answer<Reply> begin(const Request& request, std::int16_t version) {
    return broker.dispatcher.serve(broker.connection, TestBroker::framed(TestBroker::frame_of(request, version)));
  }
};

TEST_F(Answers, ARequestThatWaitsForNothingIsAnsweredWithoutALoop) {
  for (const std::int16_t acks : {std::int16_t{1}, std::int16_t{-1}}) {
    Answer<Reply> answer = begin(produce_request("t", batch_of({"a"}), acks), 9);
    ASSERT_TRUE(answer.is_there());
    EXPECT_EQ(answer.value().kind, Reply::Kind::response);
  }
  Answer<Reply> unanswered = begin(produce_request("t", batch_of({"a"}), 0), 9);
  ASSERT_TRUE(unanswered.is_there());
  EXPECT_EQ(unanswered.value().kind, Reply::Kind::none);
  EXPECT_EQ(fetch(fetch_request("t", 0)).responses.at(0).partitions.at(0).high_watermark, 3);
}

// ZooKeeper may be away for long, and everybody asks for a topic.
TEST_F(Answers, ARequestThatWaitsKeepsNoFrame) {
  broker.cluster.deletion.emplace();
  protocol::DeleteTopicsRequest request;
  request.topic_names = {"t"};
  const auto bytes = std::make_shared<const base::Bytes>(TestBroker::frame_of(request, 5));
  Answer<Reply> answer = broker.dispatcher.serve(broker.connection, Frame(*bytes, bytes));
  EXPECT_FALSE(answer.is_there());
  EXPECT_EQ(bytes.use_count(), 1);
  EXPECT_FALSE(kHoldsViews<protocol::FetchRequest>);
  EXPECT_TRUE(kHoldsViews<protocol::ProduceRequest>) << "records within arrays";
  EXPECT_TRUE(kHoldsViews<protocol::JoinGroupRequest>);
  EXPECT_TRUE(kHoldsViews<protocol::SyncGroupRequest>);
}

// It was paid for out of queued.max.request.bytes, and stands for what was made of it.
TEST_F(Answers, ALargeRequestThatWaitsKeepsItsFrame) {
  broker.cluster.deletion.emplace();
  protocol::DeleteTopicsRequest request;
  request.topic_names.assign(10'000, "t-of-a-name");
  auto bytes = std::make_shared<const base::Bytes>(TestBroker::frame_of(request, 5));
  const std::weak_ptr<const base::Bytes> frame = bytes;
  Answer<Reply> answer = broker.dispatcher.serve(broker.connection, Frame(*bytes, bytes));
  bytes.reset();
  EXPECT_FALSE(answer.is_there());
  EXPECT_FALSE(frame.expired());
}

TEST_F(Answers, APlainHandlerThatThrowsClosesTheConnection) {
  BrokenClock clock;
  Services services = {clock,
                       broker.configs,
                       broker.metadata,
                       broker.manager,
                       broker.cluster,
                       broker.groups,
                       broker.transactions,
                       broker.markers,
                       broker.fetch_sessions,
                       broker.producer_ids,
                       TestBroker::kBrokerId};
  Dispatcher dispatcher(services);
  const auto frame = [](const base::Bytes& bytes) { return TestBroker::framed(bytes); };
  // Produce has no error of its own at the top of its answer.
  Answer<Reply> produced = dispatcher.serve(
      broker.connection, frame(TestBroker::frame_of(produce_request("t", batch_of({"a"}), 1), 9)));
  ASSERT_TRUE(produced.is_there());
  EXPECT_EQ(produced.value().kind, Reply::Kind::close);
  EXPECT_EQ(produced.value().close_reason.get(), "ProduceRequest v9 failed: no battery");
  EXPECT_EQ(fetch(fetch_request("t", 0)).responses.at(0).partitions.at(0).high_watermark, 0);
}

}  // namespace
}  // namespace broker::api::testing
