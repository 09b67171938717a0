#include "broker/coordinator/joined_appends.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <stdexcept>
#include <thread>

#include "broker/coordinator/testing/forwarding_log.h"
#include "broker/coordinator/testing/simulation.h"
#include "protocol/record.h"

namespace broker::coordinator {
namespace {

using protocol::ErrorCode;
using testing::Simulation;

constexpr std::int32_t kPartition = 7;

std::vector<KeyAndValue> records_of(const std::vector<std::string>& keys, std::size_t value_bytes = 3) {
  std::vector<KeyAndValue> records;
  for (const std::string& key : keys) {
    KeyAndValue& one = records.emplace_back();
    const auto view = base::as_bytes(key);
    one.key.assign(view.begin(), view.end());
    one.value = base::Bytes(value_bytes, 'v');
  }
  return records;
}

// "a b" of a batch of these two.
std::string keys_of(base::ByteView batch) {
  std::string keys;
  protocol::RecordReader reader(batch);
  protocol::Record record;
  while (reader.next(record)) keys += std::string(keys.empty() ? "" : " ") + std::string(record.key->begin(), record.key->end());
  return keys;
}

class JoinedAppendsTest : public ::testing::Test {
 protected:
  JoinedAppends appends_of(std::size_t bytes_max = JoinedAppends::kBytesMax) {
    BatchSender sender;
    sender.base_sequence = 0;
    return JoinedAppends(world.log, sender, bytes_max, JoinedAppends::Joining::always);
  }
  static JoinedAppends::Ticket add(JoinedAppends& appends, std::vector<KeyAndValue> records, const void* subject = nullptr) {
    return appends.add(kPartition, std::move(records), 1, BatchSender(), subject);
  }
  // As an operation of its own: what it ended with, once it has.
  using Later = std::shared_ptr<std::optional<JoinedAppends::Outcome>>;
  Later operate(JoinedAppends& appends, std::vector<KeyAndValue> records) {
    auto later = std::make_shared<std::optional<JoinedAppends::Outcome>>();
    boost::asio::co_spawn(world.loop, run(appends, std::move(records), later),
                          [](const std::exception_ptr& failure) { EXPECT_FALSE(failure); });
    return later;
  }
  std::vector<std::string> batches() {
    std::vector<std::string> all;
    testing::MemoryLog& log = world.log;
    log.for_each_batch(kPartition, [&](base::ByteView batch) { all.push_back(keys_of(batch)); });
    return all;
  }

  Simulation world;

 private:
  static base::Task<void> run(JoinedAppends& appends, std::vector<KeyAndValue> records, Later later) {
    JoinedAppends::Ticket ticket = appends.line_up(kPartition, std::move(records), 1);
    appends.append_now(ticket);
    *later = co_await appends.appended(std::move(ticket));
  }
};

TEST_F(JoinedAppendsTest, WhatComesInOneTurnIsOneBatch) {
  auto appends = appends_of();
  const Later first = operate(appends, records_of({"a", "b"}));
  const Later second = operate(appends, records_of({"c"}));
  const Later third = operate(appends, records_of({"d", "e", "f"}));
  EXPECT_FALSE(*first);
  world.poll();
  EXPECT_EQ(batches(), std::vector<std::string>{"a b c d e f"});
  EXPECT_EQ((*first)->value(), 2);
  EXPECT_EQ((*second)->value(), 3);
  EXPECT_EQ((*third)->value(), 6);
  EXPECT_EQ(protocol::read_batch_header(world.log.last_batch(kPartition))->base_sequence, 0);

  const Later alone = operate(appends, records_of({"g"}));
  world.poll();
  EXPECT_EQ((*alone)->value(), 7);
  EXPECT_EQ(batches(), (std::vector<std::string>{"a b c d e f", "g"}));
}

TEST_F(JoinedAppendsTest, OthersComeBehindWhatWasAdded) {
  auto appends = appends_of();
  JoinedAppends::Ticket ticket = add(appends, records_of({"a"}));
  const auto other = appends.append(kPartition, build_batch(records_of({"b"}), 2));
  EXPECT_EQ(other.value(), 2);
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(world.run(appends.appended(std::move(ticket))).value(), 1) << "it isn't appended again";
  EXPECT_EQ(batches().size(), 2u);
}

// What another loop does in the middle of a turn of this one.
void on_another_loop(const std::function<void()>& act) { std::thread(act).join(); }

TEST_F(JoinedAppendsTest, ALoopAppendsItsOwnAlone) {
  auto appends = appends_of();
  JoinedAppends::Ticket other;
  on_another_loop([&] { other = appends.line_up(kPartition, records_of({"a"}), 1); });
  const Later own = operate(appends, records_of({"b"}));
  world.poll();
  EXPECT_EQ(batches(), std::vector<std::string>{"b"});
  EXPECT_EQ((*own)->value(), 1);
  on_another_loop([&] { other = JoinedAppends::Ticket(); });
  EXPECT_EQ(batches(), (std::vector<std::string>{"b", "a"}));
}

TEST_F(JoinedAppendsTest, OfOneSubjectAllLoopsAreInOrder) {
  auto appends = appends_of();
  const int subject = 1, other_subject = 2;
  JoinedAppends::Ticket other;
  on_another_loop([&] { other = add(appends, records_of({"a"}), &subject); });
  JoinedAppends::Ticket unrelated = add(appends, records_of({"b"}), &other_subject);
  EXPECT_TRUE(batches().empty());
  JoinedAppends::Ticket own = add(appends, records_of({"c"}), &subject);
  EXPECT_EQ(batches(), std::vector<std::string>{"a"});
  unrelated = JoinedAppends::Ticket();
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "b c"}));
  on_another_loop([&] { other = add(appends, records_of({"d"})); });
  EXPECT_EQ(appends.append(kPartition, build_batch(records_of({"e"}), 2)).value(), 5) << "behind all of them";
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "b c", "d", "e"}));
}

TEST_F(JoinedAppendsTest, WhatIsBehindOthersOfItsSubjectIsSoInTheLog) {
  auto appends = appends_of();
  const int subject = 1, other_subject = 2;
  JoinedAppends::Ticket other, unrelated;
  on_another_loop([&] { other = appends.line_up(kPartition, records_of({"a"}), 1, &subject); });
  unrelated = appends.line_up(kPartition, records_of({"b"}), 1, &other_subject, true);
  EXPECT_TRUE(batches().empty());
  JoinedAppends::Ticket own = appends.line_up(kPartition, records_of({"c"}), 1, &subject, true);
  EXPECT_EQ(batches(), std::vector<std::string>{"a"});
  own = JoinedAppends::Ticket();
  unrelated = JoinedAppends::Ticket();
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "b c"}));
}

TEST_F(JoinedAppendsTest, WhatIsLinedUpIsAppendedBehindTheLock) {
  JoinedAppends appends(world.log, BatchSender());
  JoinedAppends::Ticket ticket = appends.line_up(kPartition, records_of({"a"}), 1);
  EXPECT_TRUE(batches().empty());
  EXPECT_FALSE(ticket.outcome);
  appends.append_now(ticket);
  ASSERT_TRUE(ticket.outcome);
  EXPECT_EQ(ticket.outcome->value(), 1);
  EXPECT_EQ(ticket.outcome->committed, world.log.is_committed(kPartition, 1));

  ticket = appends.line_up(kPartition, records_of({"b"}), 1);
  EXPECT_EQ(appends.append(kPartition, build_batch(records_of({"c"}), 2)).value(), 3) << "others come behind it";
  appends.append_now(ticket);
  EXPECT_EQ(ticket.outcome->value(), 2);
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "b", "c"}));
  { const JoinedAppends::Ticket dropped = appends.line_up(kPartition, records_of({"d"}), 1); }
  EXPECT_EQ(batches().back(), "d");
}

// Refuses batches as the check wants it, which may throw.
class CheckedLog final : public testing::ForwardingLog {
 public:
  using Check = std::function<ErrorCode(base::ByteView batch)>;
  CheckedLog(CoordinatorLog& log, Check check) : ForwardingLog(log), check_(std::move(check)) {}
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch, std::optional<std::uint64_t> guard) override {
    if (const ErrorCode error = check_(batch); error != ErrorCode::none) return error;
    return ForwardingLog::append(partition, std::move(batch), guard);
  }

 private:
  const Check check_;
};

// One behind the other they lie in the same memory: nothing of one must be left for the next.
TEST_F(JoinedAppendsTest, WhatIsAppendedAloneHasItsOwnOutcome) {
  const auto refuse_b = [](base::ByteView batch) {
    if (keys_of(batch) == "c") throw std::logic_error("no c");
    return keys_of(batch) == "b" ? ErrorCode::not_enough_replicas : ErrorCode::none;
  };
  CheckedLog refusing(world.log, refuse_b);
  JoinedAppends appends(refusing, BatchSender());
  const int subject = 1;
  const auto append = [&](const char* key) {
    JoinedAppends::Ticket ticket = appends.line_up(kPartition, records_of({key}), 1, &subject, true);
    appends.append_now(ticket);
    EXPECT_TRUE(ticket.outcome && !ticket.operation);
    return ticket.outcome.value_or(ErrorCode::none);
  };
  for (std::int64_t end = 1; end < 5; ++end) {
    EXPECT_EQ(append("a").value(), end);
    EXPECT_EQ(append("b").error(), ErrorCode::not_enough_replicas);
    EXPECT_EQ(append("c").error(), ErrorCode::unknown_server_error);
  }
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "a", "a", "a"}));
}

TEST_F(JoinedAppendsTest, TooMuchIsSplit) {
  auto appends = appends_of(40);  // each of the records has 11 bytes
  std::vector<Later> later;
  for (const char* key : {"a", "b", "c", "d", "e"}) later.push_back(operate(appends, records_of({key}, 10)));
  later.push_back(operate(appends, records_of({"f", "g", "h", "i"}, 10)));
  world.poll();
  EXPECT_EQ(batches(), (std::vector<std::string>{"a b c", "d e", "f g h i"}));
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ((*later[i])->value(), static_cast<std::int64_t>(i + 1));
  EXPECT_EQ((*later[5])->value(), 9);
}

TEST_F(JoinedAppendsTest, WhoIsTooLargeIsRefusedAlone) {
  // As max.message.bytes of the topic does it.
  CheckedLog bounded(world.log, [](base::ByteView batch) {
    return batch.size() > 200 ? ErrorCode::message_too_large : ErrorCode::none;
  });
  JoinedAppends appends(bounded, BatchSender(), JoinedAppends::kBytesMax, JoinedAppends::Joining::always);
  const Later first = operate(appends, records_of({"a"}, 50));
  const Later large = operate(appends, records_of({"b"}, 300));
  const Later last = operate(appends, records_of({"c"}, 50));
  world.poll();
  EXPECT_EQ((*first)->value(), 1);
  EXPECT_EQ((*large)->error(), ErrorCode::message_too_large);
  EXPECT_EQ((*last)->value(), 2);
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "c"}));
}

TEST_F(JoinedAppendsTest, AnErrorIsEverybodys) {
  auto appends = appends_of();
  const Later first = operate(appends, records_of({"a"}));
  const Later second = operate(appends, records_of({"b"}));
  world.log.append_error = ErrorCode::not_enough_replicas;
  world.poll();
  EXPECT_EQ((*first)->error(), ErrorCode::not_enough_replicas);
  EXPECT_EQ((*second)->error(), ErrorCode::not_enough_replicas);
  EXPECT_TRUE(batches().empty());
}

ErrorCode refuse_c(base::ByteView batch) {
  if (keys_of(batch).starts_with("c")) throw std::logic_error("no c");
  return ErrorCode::none;
}

TEST_F(JoinedAppendsTest, WhereTheLogThrowsEverybodyHasAnOutcome) {
  CheckedLog throwing(world.log, refuse_c);
  JoinedAppends appends(throwing, BatchSender(), 25, JoinedAppends::Joining::always);  // two of these records
  std::vector<Later> later;
  for (const char* key : {"a", "b", "c", "d", "e"}) later.push_back(operate(appends, records_of({key}, 10)));
  world.poll();
  for (const Later& one : later) ASSERT_TRUE(*one);
  EXPECT_EQ((*later[0])->value(), 1);
  EXPECT_EQ((*later[1])->value(), 2);
  for (std::size_t i = 2; i < 5; ++i) EXPECT_EQ((*later[i])->error(), ErrorCode::unknown_server_error);
  const Later next = operate(appends, records_of({"f"}));
  world.poll();
  EXPECT_EQ((*next)->value(), 3);
}

TEST_F(JoinedAppendsTest, WhatThrewIsNotForWhoComesBehind) {
  CheckedLog throwing(world.log, refuse_c);
  JoinedAppends appends(throwing, BatchSender(), JoinedAppends::kBytesMax, JoinedAppends::Joining::always);
  JoinedAppends::Ticket ticket = add(appends, records_of({"c"}));
  EXPECT_EQ(appends.append(kPartition, build_batch(records_of({"d"}), 1)).value(), 1);
  EXPECT_EQ(world.run(appends.appended(std::move(ticket))).error(), ErrorCode::unknown_server_error);
}

// As when its owner throws before it waits.
TEST_F(JoinedAppendsTest, ADroppedTicketIsTheEndOfTheTurn) {
  auto appends = appends_of();
  { const JoinedAppends::Ticket dropped = add(appends, records_of({"a"})); }
  EXPECT_EQ(batches(), std::vector<std::string>{"a"});
  { const auto never_started = appends.appended(add(appends, records_of({"b"}))); }
  EXPECT_EQ(batches(), (std::vector<std::string>{"a", "b"}));

  JoinedAppends::Ticket ticket = add(appends, records_of({"c"}));
  const Later other = operate(appends, records_of({"d"}));
  world.poll();
  EXPECT_FALSE(*other) << "who has the ticket ends the turn";
  ticket = JoinedAppends::Ticket();
  world.poll();
  ASSERT_TRUE(*other);
  EXPECT_EQ((*other)->value(), 4);

  const Later next = operate(appends, records_of({"e"}));
  world.poll();
  ASSERT_TRUE(*next) << "and the next turn has an end, too";
  EXPECT_EQ((*next)->value(), 5);
}

// One at a time is appended at once, and some in a turn are soon joined, as long as there are some.
TEST_F(JoinedAppendsTest, JoinsWhereThereIsSomethingToJoin) {
  JoinedAppends appends(world.log, BatchSender());
  constexpr int kOften = 200;
  for (int i = 0; i < kOften; ++i) {
    const Later one = operate(appends, records_of({"a"}));
    world.poll();
    ASSERT_EQ((*one)->value(), i + 1);
  }
  EXPECT_EQ(world.log.batch_count(), kOften);
  const auto turn = [&] {
    const std::size_t before = world.log.batch_count();
    for (int i = 0; i < 10; ++i) (void)operate(appends, records_of({"a"}));
    world.poll();
    return world.log.batch_count() - before;
  };
  std::size_t first_turns = 0;
  for (int i = 0; i < 10; ++i) first_turns += turn();
  EXPECT_LT(first_turns, 80u);
  EXPECT_EQ(turn(), 1u);
  EXPECT_EQ(turn(), 1u);
  const auto alone = [&] {
    JoinedAppends::Ticket ticket = add(appends, records_of({"a"}));
    const bool at_once = ticket.outcome.has_value();
    (void)world.run(appends.appended(std::move(ticket)));
    return at_once;
  };
  EXPECT_FALSE(alone()) << "there may be others in its turn";
  EXPECT_TRUE(alone()) << "there were none";
}

void operate_from_loops(JoinedAppends& appends, const std::function<std::vector<std::string>()>& batches) {
  constexpr int kLoops = 3, kOperations = 2000;
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int number = 0; number < kLoops; ++number) {
    threads.emplace_back([&] {
      boost::asio::io_context loop;
      const auto operate_often = [&appends, &done](int times) -> base::Task<void> {
        std::int64_t before = 0;
        for (int i = 0; i < times; ++i) {
          JoinedAppends::Ticket ticket = appends.line_up(kPartition, records_of({"a", "b"}), 1);
          appends.append_now(ticket);
          const auto end = co_await appends.appended(std::move(ticket));
          EXPECT_GE(end.value(), before + 2) << "in the order in which one asks";
          before = end.value();
          ++done;
        }
      };
      for (int i = 0; i < 4; ++i) boost::asio::co_spawn(loop, operate_often(kOperations / 4), boost::asio::detached);
      // Others append beside them, holding up nobody.
      for (int i = 0; i < 100; ++i) boost::asio::post(loop, [&] { EXPECT_TRUE(appends.append(kPartition, build_batch(records_of({"x"}), 1))); });
      loop.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kLoops * kOperations);
  std::size_t records = 0;
  for (const std::string& keys : batches()) records += (keys.size() + 1) / 2;
  EXPECT_EQ(records, static_cast<std::size_t>(kLoops * (kOperations * 2 + 100)));
}

TEST_F(JoinedAppendsTest, LoopsJoinTheirOwn) {
  auto appends = appends_of();
  operate_from_loops(appends, [&] { return batches(); });
}

TEST_F(JoinedAppendsTest, LoopsJoinWhenItPays) {
  JoinedAppends appends(world.log, BatchSender());
  operate_from_loops(appends, [&] { return batches(); });
}

}  // namespace
}  // namespace broker::coordinator
