// Fetch through the dispatcher, over a real log: versions, errors, bounds. Those that wait: fetch_waits_test.cpp.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <system_error>
#include <thread>

#include "base/without_waiting.h"
#include "broker/api/testing/data_path.h"
#include "protocol/messages/list_offsets.h"
#include "protocol/messages/offset_for_leader_epoch.h"

namespace broker::api {
namespace {

using namespace protocol;
using testing::batch_of;
using testing::DataPath;
using testing::fetch_request;
using testing::produce_request;
using testing::TestBroker;

TEST_F(DataPath, FetchGivesBackWhatWasProducedInEveryVersion) {
  base::Uuid id = broker.add_topic("t");
  base::Bytes batch = batch_of({"one", "two"});
  produce(produce_request("t", batch));
  for (std::int16_t version = 4; version <= 18; ++version) {
    FetchRequest request = fetch_request("t", 1);
    if (version >= 13) {
      request.topics[0].topic.clear();
      request.topics[0].topic_id = id;
    }
    FetchResponse response = fetch(request, version);
    ASSERT_EQ(response.responses.size(), 1u) << version;
    auto& part = response.responses[0].partitions.at(0);
    EXPECT_EQ(part.error_code, ErrorCode::none);
    EXPECT_EQ(part.high_watermark, 2);
    EXPECT_EQ(part.last_stable_offset, 2);
    ASSERT_EQ(part.records.size(), batch.size());
    auto header = read_batch_header(part.records.bytes());
    EXPECT_EQ(header->base_offset, 0);
    EXPECT_EQ(header->last_offset(), 1);
    EXPECT_TRUE(crc_is_valid(part.records.bytes()));
  }
}

// Null and empty lists of aborted transactions, as Kafka 3.9.2 has them.
TEST_F(DataPath, FetchOfWhatIsRefusedBeforeItsLogIsAsked) {
  broker.add_topic("t");
  FetchRequest request = fetch_request("nope", 0);
  EXPECT_TRUE(fetch(request).responses[0].partitions[0].aborted_transactions.has_value());
  request = fetch_request("t", 99);
  EXPECT_FALSE(fetch(request).responses[0].partitions[0].aborted_transactions.has_value());
  request = fetch_request("t", 0);
  request.topics[0].partitions[0].current_leader_epoch = -2;
  EXPECT_EQ(fetch(request).responses[0].partitions[0].error_code, ErrorCode::none) << "as good as -1 here";
  request.isolation_level = 2;
  FetchResponse refused = fetch(request);
  EXPECT_EQ(refused.error_code, ErrorCode::unknown_server_error);
  EXPECT_EQ(refused.responses.at(0).partitions.at(0).error_code, ErrorCode::unknown_server_error);
  request = fetch_request("nope", 0);
  request.isolation_level = 2;
  EXPECT_EQ(fetch(request).error_code, ErrorCode::none) << "there is nothing to read";
}

TEST_F(DataPath, ShortSlicesLeaveAsBytesLongOnesFromTheFile) {
  const auto file_slices = [&](const FetchRequest& request) {
    const Reply reply = broker.serve(TestBroker::frame_of(request, 12));
    std::size_t count = 0;
    for (const auto& each : reply.message.slices()) count += each.records.is_slice() ? 1 : 0;
    return count;
  };
  const std::string seven_kib(7 << 10, 'x');
  broker.add_topic("t", 12);
  for (std::int32_t partition = 0; partition < 12; ++partition) {
    produce(produce_request("t", batch_of({seven_kib}), -1, partition));
  }
  const FetchRequest one = fetch_request("t", 0, 3);
  EXPECT_EQ(file_slices(one), 0u);
  EXPECT_EQ(fetch(one).responses.at(0).partitions.at(0).records.size(), batch_of({seven_kib}).size());
  FetchRequest all = one;
  for (std::int32_t partition = 4; partition < 12; ++partition) {
    auto& wanted = all.topics[0].partitions.emplace_back(all.topics[0].partitions[0]);
    wanted.partition = partition;
  }
  all.topics[0].partitions.emplace_back(all.topics[0].partitions[0]).partition = 0;
  EXPECT_EQ(file_slices(all), 1u);  // the bytes of one response are bounded
  produce(produce_request("t", batch_of({seven_kib}), -1, 3));
  EXPECT_EQ(file_slices(one), 1u);  // two batches are long
  EXPECT_EQ(fetch(one).responses.at(0).partitions.at(0).records.size(), 2 * batch_of({seven_kib}).size());
}

// Kafka converts piece by piece what it sends. Here it lies in memory, so it is little at once.
TEST_F(DataPath, OldClientsGetLittleAtOnce) {
  broker.add_topic("t", 2);
  const std::string large(700'000, 'x');
  for (std::int32_t partition : {0, 1}) {
    for (int i = 0; i < 5; ++i) produce(produce_request("t", batch_of({large}), -1, partition));
  }
  std::array<std::int64_t, 2> offsets{0, 0};
  for (int fetches = 0; offsets[0] + offsets[1] < 10; ++fetches) {
    ASSERT_LT(fetches, 10);
    FetchRequest request = fetch_request("t", offsets[0]);
    request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    auto& second = request.topics[0].partitions.emplace_back(request.topics[0].partitions[0]);
    second.partition = 1;
    second.fetch_offset = offsets[1];
    const FetchResponse response = fetch(request, 3);
    const auto& partitions = response.responses.at(0).partitions;
    EXPECT_LE(partitions.at(0).records.size() + partitions.at(1).records.size(), std::size_t{1} << 20);
    for (std::size_t which = 0; which < 2; ++which) {
      base::ByteView rest = partitions.at(which).records.bytes();
      while (next_batch(rest).frame == BatchFrame::whole) {
        EXPECT_EQ(base::load_big_endian<std::int64_t>(rest.data()), offsets[which]++);
        rest = rest.subspan(next_batch(rest).size_in_bytes);
      }
    }
  }
  // A batch that is larger than that is given as a whole.
  broker.topic_settings.log.max_message_bytes = 10 << 20;
  broker.add_topic("large");
  produce(produce_request("large", batch_of({std::string(3 << 20, 'y')})));
  FetchRequest request = fetch_request("large", 0);
  request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
  EXPECT_GT(fetch(request, 3).responses.at(0).partitions.at(0).records.size(), std::size_t{3} << 20);
}

TEST_F(DataPath, OldClientsGetOneConvertedAnswerAtATime) {
  broker.add_topic("t");
  produce(produce_request("t", batch_of({"a"})));
  std::vector<Reply> replies;
  const auto begin = [&](ConnectionInfo& connection) {
    Frame frame = TestBroker::framed(TestBroker::frame_of(fetch_request("t", 0), 3));
    boost::asio::co_spawn(broker.loop, broker.dispatcher.serve(connection, std::move(frame)).task(),
                          [&](const std::exception_ptr& failure, Reply reply) {
                            if (failure) std::rethrow_exception(failure);
                            replies.push_back(std::move(reply));
                          });
  };
  const auto run_until = [&](std::size_t count) {
    broker.loop.restart();
    while (replies.size() < count) broker.loop.run_one();
  };
  begin(broker.connection);
  begin(broker.connection);
  run_until(1);
  begin(broker.another);
  run_until(2);
  broker.loop.poll();
  EXPECT_EQ(replies.size(), 2u) << "the first answer of its connection isn't sent yet";
  replies.clear();
  run_until(1);
}

// What isn't in memory is read on another thread, and the locks are free meanwhile.
TEST_F(DataPath, ColdIndexesAreReadAside) {
  broker.add_topic("t");
  for (int i = 0; i < 20; ++i) produce(produce_request("t", batch_of({std::string(200, 'x')}, 1'700'000'000'000 + i)));
  const auto loop = std::this_thread::get_id();
  std::atomic<int> refused = 0;
  std::atomic<bool> loop_waited = false;
  broker.files.set_before_read([&] {
    if (!base::WithoutWaiting::is_active()) loop_waited = loop_waited || std::this_thread::get_id() == loop;
    if (base::WithoutWaiting::is_active() && ++refused % 2 == 1) throw base::WouldWait("/nowhere", 0, 1);
  });
  const FetchResponse fetched = fetch(fetch_request("t", 3));
  EXPECT_EQ(fetched.responses.at(0).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_GT(fetched.responses.at(0).partitions.at(0).records.size(), 0u);
  EXPECT_GT(refused, 0);
  refused = 0;
  ListOffsetsRequest by_time;
  by_time.replica_id = -1;
  auto& topic = by_time.topics.emplace_back();
  topic.name = "t";
  topic.partitions.emplace_back().timestamp = 1'700'000'000'007;
  const auto answer = broker.ask<ListOffsetsResponse>(by_time, 7);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->topics.at(0).partitions.at(0).offset, 7);
  EXPECT_GT(refused, 0);
  EXPECT_FALSE(loop_waited);
}

// Long slices leave by sendfile, which would wait for the disk on the loop. What lies in memory needs no other thread.
TEST_F(DataPath, ColdRecordsAreReadAside) {
  broker.add_topic("t");
  for (int i = 0; i < 3; ++i) produce(produce_request("t", batch_of({std::string(20'000, 'x')})));
  const auto loop = std::this_thread::get_id();
  std::atomic<int> on_the_loop = 0, aside = 0;
  for (const bool cold : {false, true}) {
    broker.files.set_cold(cold);
    broker.files.set_before_read([&] { ++(std::this_thread::get_id() == loop ? on_the_loop : aside); });
    const Reply reply = broker.serve(TestBroker::frame_of(fetch_request("t", 0), 12));
    broker.files.set_before_read(nullptr);
    std::uint64_t size = 0;
    for (const auto& each : reply.message.slices()) size += each.records.is_slice() ? each.records.size() : 0;
    EXPECT_EQ(size, 3 * batch_of({std::string(20'000, 'x')}).size());
    EXPECT_EQ(aside > 0, cold);
  }
  EXPECT_EQ(on_the_loop, 0);
}

TEST_F(DataPath, FetchErrors) {
  broker.add_topic("t");
  produce(produce_request("t", batch_of({"a", "b"})));
  auto error_at = [&](FetchRequest request) { return fetch(request).responses.at(0).partitions.at(0).error_code; };
  EXPECT_EQ(error_at(fetch_request("t", 3)), ErrorCode::offset_out_of_range);
  EXPECT_EQ(error_at(fetch_request("t", -1)), ErrorCode::offset_out_of_range);
  EXPECT_EQ(error_at(fetch_request("t", 2)), ErrorCode::none);
  EXPECT_EQ(error_at(fetch_request("nope", 0)), ErrorCode::unknown_topic_or_partition);
  FetchRequest ahead = fetch_request("t", 0);
  ahead.topics[0].partitions[0].current_leader_epoch = 1;
  EXPECT_EQ(error_at(ahead), ErrorCode::unknown_leader_epoch);
  FetchRequest unknown_id = fetch_request("", 0);
  unknown_id.topics[0].topic_id = base::Uuid::random();
  EXPECT_EQ(fetch(unknown_id, 13).responses.at(0).partitions.at(0).error_code, ErrorCode::unknown_topic_id);
}

TEST_F(DataPath, OlderEpochIsFencedAndDivergingEpochIsTold) {
  base::Uuid id = broker.add_topic("t");
  produce(produce_request("t", batch_of({"a", "b"})));
  metadata::LeaderState state;
  state.topic = "t";
  state.topic_id = id;
  state.leader_epoch = 4;
  state.replicas = {1};
  state.isr = {1};
  ASSERT_EQ(broker.manager.become_leader({state})[0], ErrorCode::none);
  produce(produce_request("t", batch_of({"c"})));
  FetchRequest fenced = fetch_request("t", 0);
  fenced.topics[0].partitions[0].current_leader_epoch = 0;
  EXPECT_EQ(fetch(fenced).responses[0].partitions[0].error_code, ErrorCode::fenced_leader_epoch);
  FetchRequest diverging = fetch_request("t", 3);
  diverging.topics[0].partitions[0].last_fetched_epoch = 2;
  auto part = fetch(diverging).responses[0].partitions[0];
  EXPECT_EQ(part.error_code, ErrorCode::none);
  EXPECT_EQ(part.diverging_epoch.epoch, 0);
  EXPECT_EQ(part.diverging_epoch.end_offset, 2);
  EXPECT_EQ(part.records.size(), 0u);

  OffsetForLeaderEpochRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic = "t";
  topic.partitions.emplace_back().leader_epoch = 0;
  topic.partitions.emplace_back().leader_epoch = 4;
  topic.partitions.emplace_back().leader_epoch = 9;
  auto answer = broker.ask<OffsetForLeaderEpochResponse>(request, 4);
  EXPECT_EQ(answer->topics[0].partitions[0].end_offset, 2);
  EXPECT_EQ(answer->topics[0].partitions[1].end_offset, 3);
  EXPECT_EQ(answer->topics[0].partitions[2].end_offset, -1);
}

TEST_F(DataPath, BytesOfTheWholeResponseAreBounded) {
  broker.add_topic("t", 3);
  std::string big(5000, 'x');
  for (std::int32_t p = 0; p < 3; ++p) {
    for (int i = 0; i < 4; ++i) produce(produce_request("t", batch_of({big}), 1, p));
  }
  FetchRequest request = fetch_request("t", 0);
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  for (std::int32_t p = 0; p < 3; ++p) request.topics[0].partitions[static_cast<std::size_t>(p)].partition = p;
  auto sizes = [&] {
    std::vector<std::size_t> result;
    const FetchResponse response = fetch(request);
    for (const auto& part : response.responses[0].partitions) result.push_back(part.records.size());
    return result;
  };
  request.max_bytes = 1;  // one batch, so that the client can go on
  auto one = sizes();
  EXPECT_GT(one[0], 5000u);
  EXPECT_LT(one[0], 5200u);
  EXPECT_EQ(one[1] + one[2], 0u);
  request.max_bytes = 12'000;
  request.topics[0].partitions[0].partition_max_bytes = 6000;
  auto some = sizes();
  EXPECT_EQ(some[0], 6000u);
  EXPECT_EQ(some[1], 6000u);
  EXPECT_EQ(some[2], 0u);
}

// As measured from Kafka 3.9.2 (compat-tests/old-fetch).
TEST_F(DataPath, OldVersionsCutTheFirstBatchAndAreConverted) {
  broker.add_topic("t");
  const base::Bytes batch = batch_of({std::string(100, 'x'), std::string(100, 'y')});
  for (int i = 0; i < 2; ++i) produce(produce_request("t", batch));
  FetchRequest request = fetch_request("t", 0);
  auto limited = [&](std::int16_t version, std::size_t bytes) {
    request.topics[0].partitions[0].partition_max_bytes = static_cast<std::int32_t>(bytes);
    return fetch(request, version).responses.at(0).partitions.at(0);
  };
  const std::size_t v0 = 2 * (12 + 14 + 100), v1 = 2 * (12 + 22 + 100);
  for (std::int16_t version = 0; version <= 2; ++version) {
    EXPECT_EQ(limited(version, batch.size() - 1).records.size(), 0u) << version;
    EXPECT_EQ(limited(version, batch.size()).records.size(), std::max(batch.size(), version < 2 ? v0 : v1)) << version;
    EXPECT_EQ(limited(version, 2 * batch.size() - 1).records.size(), 2 * batch.size() - 1) << version;
  }
  EXPECT_EQ(limited(3, 1).records.size(), std::max(batch.size(), v1));
  EXPECT_EQ(limited(4, 1).records.size(), batch.size());
  request.topics[0].partitions[0].partition_max_bytes = -1;
  EXPECT_EQ(fetch(request, 2).responses[0].partitions[0].error_code, ErrorCode::unknown_server_error);
  request.topics[0].partitions[0].fetch_offset = 4;
  EXPECT_EQ(fetch(request, 2).responses[0].partitions[0].error_code, ErrorCode::none);
}

// About 1 MiB is converted at once. What doesn't fit comes first in the next answer, however much the others have.
TEST_F(DataPath, ConvertedAnswersBeginBehindTheLastPartitionServed) {
  broker.add_topic("t", 3);
  const base::Bytes some = batch_of({std::string(100'000, 's')});
  const base::Bytes large = batch_of({std::string(1'040'000, 'l')});
  for (const std::int32_t busy : {0, 1}) {
    for (int i = 0; i < 15; ++i) produce(produce_request("t", some, 1, busy));
  }
  ASSERT_EQ(produce(produce_request("t", large, 1, 2)).error_code, ErrorCode::none);
  FetchRequest request = fetch_request("t", 0);
  for (const std::int32_t other : {1, 2}) {
    request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
    request.topics[0].partitions.back().partition = other;
  }
  for (auto& each : request.topics[0].partitions) each.partition_max_bytes = 2 << 20;
  // The busy ones have as much again each time.
  for (std::int16_t version = 0; version <= 3; ++version) {
    broker.connection.converted_first = 0;
    for (std::size_t times = 0; times < 6; ++times) {
      const FetchResponse response = fetch(request, version);
      for (std::size_t at = 0; at < 3; ++at) {
        const std::size_t bytes = response.responses.at(0).partitions.at(at).records.size();
        if (at == times % 3) {
          EXPECT_GT(bytes, 900'000u) << version << ' ' << times;
        } else {
          EXPECT_EQ(bytes, 0u) << version << ' ' << times << ' ' << at;
        }
      }
    }
  }
  // A few bytes in front of the large batch, each time.
  for (auto& each : request.topics[0].partitions) each.fetch_offset = each.partition == 0 ? 14 : 0;
  request.topics[0].partitions.erase(request.topics[0].partitions.begin() + 1);
  broker.connection.converted_first = 0;
  EXPECT_EQ(fetch(request, 2).responses.at(0).partitions.at(1).records.size(), 0u);
  EXPECT_GT(fetch(request, 2).responses.at(0).partitions.at(1).records.size(), 1'000'000u);
}

TEST_F(DataPath, DownConversionThatIsForbidden) {
  broker.add_topic("t");
  produce(produce_request("t", batch_of({"a"})));
  auto error_at = [&](std::int16_t version, std::int64_t offset, std::int32_t replica = -1) {
    FetchRequest request = fetch_request("t", offset);
    request.replica_id = replica;
    return fetch(request, version).responses.at(0).partitions.at(0).error_code;
  };
  storage::LogConfig config;
  config.down_conversion = false;
  broker.manager.find("t", 0)->log()->set_config(config);
  for (std::int16_t version = 0; version <= 3; ++version) {
    for (std::int64_t offset : {0, 1, 9}) EXPECT_EQ(error_at(version, offset), ErrorCode::unsupported_version);
    EXPECT_EQ(error_at(version, 0, 2), ErrorCode::none);  // but not to replicas
  }
  EXPECT_EQ(error_at(4, 0), ErrorCode::none);
  EXPECT_EQ(error_at(4, 9), ErrorCode::offset_out_of_range);
  config.compression = base::Codec::zstd;
  broker.manager.find("t", 0)->log()->set_config(config);
  for (std::int16_t version = 0; version <= 9; ++version) {
    EXPECT_EQ(error_at(version, 0), ErrorCode::unsupported_compression_type);
    EXPECT_EQ(error_at(version, 9), ErrorCode::unsupported_compression_type);
  }
  EXPECT_EQ(error_at(10, 0), ErrorCode::none);
  broker.manager.find("t", 0)->log()->set_config(storage::LogConfig());
  for (std::int16_t version = 0; version <= 10; ++version) EXPECT_EQ(error_at(version, 0), ErrorCode::none);
}

TEST_F(DataPath, StorageErrorsAreHiddenFromOldVersions) {
  broker.add_topic("t");
  produce(produce_request("t", batch_of({"a"})));
  broker.manager.find("t", 0)->log()->report_failure(std::runtime_error("gone"));
  for (std::int16_t version = 0; version <= 12; ++version) {
    EXPECT_EQ(fetch(fetch_request("t", 0), version).responses.at(0).partitions.at(0).error_code,
              version < 6 ? ErrorCode::not_leader_or_follower : ErrorCode::kafka_storage_error)
        << version;
  }
}

// A client that knows older formats only must not get it as it lies on disk.
TEST_F(DataPath, WhatCanNotBeReadToConvertItIsRefused) {
  broker.add_topic("t", 2);
  for (const std::int32_t partition : {0, 1}) produce(produce_request("t", batch_of({"a"}), 1, partition));
  FetchRequest request = fetch_request("t", 0);
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions.back().partition = 1;
  for (std::int16_t version = 0; version <= 3; ++version) {
    broker.connection.converted_first = 0;
    std::atomic<bool> fails = true;
    broker.files.set_before_read([&fails, loop = std::this_thread::get_id()] {
      if (std::this_thread::get_id() != loop && fails.exchange(false)) throw std::system_error(EIO, std::generic_category());
    });
    const auto partitions = fetch(request, version).responses.at(0).partitions;
    broker.files.set_before_read({});
    EXPECT_FALSE(fails);
    EXPECT_EQ(partitions.at(0).error_code, ErrorCode::not_leader_or_follower) << "a storage error, as these know it";
    EXPECT_EQ(partitions.at(0).records.size(), 0u);
    EXPECT_EQ(partitions.at(1).error_code, ErrorCode::none);
    EXPECT_GT(partitions.at(1).records.size(), 0u);
  }
}

// As Kafka 3.9.2, which makes a map of what is asked.
TEST_F(DataPath, APartitionThatIsNamedTwiceIsFetchedOnce) {
  broker.add_topic("t", 2);
  for (std::int32_t partition : {0, 1}) produce(produce_request("t", batch_of({"a", "b"}), -1, partition));
  FetchRequest request = fetch_request("t", 0);
  auto& partitions = request.topics[0].partitions;
  partitions.push_back(partitions[0]);
  partitions[1].partition = 1;
  partitions.push_back(partitions[0]);
  partitions[2].fetch_offset = 2;
  request.topics.push_back(request.topics[0]);
  request.topics[1].partitions.erase(request.topics[1].partitions.begin());
  for (const std::int16_t version : {std::int16_t{4}, std::int16_t{12}}) {
    const FetchResponse response = fetch(request, version);
    ASSERT_EQ(response.responses.size(), 1u);
    ASSERT_EQ(response.responses[0].partitions.size(), 2u);
    EXPECT_EQ(response.responses[0].partitions[0].partition_index, 0);
    EXPECT_EQ(response.responses[0].partitions[0].records.size(), 0u);  // from offset 2 on
    EXPECT_EQ(response.responses[0].partitions[1].partition_index, 1);
    EXPECT_GT(response.responses[0].partitions[1].records.size(), 0u);
  }
}

}  // namespace
}  // namespace broker::api
