// Micro-benchmarks: decoding and encoding, the log's append and read, checksums. Run build/release/bench/milena_bench.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/crc.h"
#include "base/file_system.h"
#include "base/testing/temp_dir.h"
#include "log/cleaner/compactor.h"
#include "log/log.h"
#include "protocol/codec/codec.h"
#include "protocol/messages/fetch.h"
#include "protocol/messages/metadata.h"
#include "protocol/messages/produce.h"
#include "protocol/record_batch_builder.h"

namespace {

// With MILENA_BENCH_BRIEF in the environment a hundredth, for a test that all of them run.
std::int64_t usual(std::int64_t amount) { return std::getenv("MILENA_BENCH_BRIEF") != nullptr ? amount / 100 : amount; }

base::Bytes batch_of(std::int64_t records, std::size_t size, base::Codec codec) {
  protocol::RecordBatchBuilder builder;
  std::mt19937 random(7);
  for (std::int64_t i = 0; i < records; ++i) {
    std::string value;
    while (value.size() < size) value += "field=" + std::to_string(random()) + " ";
    value.resize(size);
    protocol::NewRecord record;
    record.value = base::as_bytes(value);
    record.timestamp = 1'700'000'000'000 + i;
    builder.append(record);
  }
  return builder.build(codec);
}

void checksum(benchmark::State& state) {
  const base::Bytes bytes(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(base::crc32c(bytes));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(checksum)->Arg(1024)->Arg(65536);

void decode_produce(benchmark::State& state) {
  const base::Bytes batch = batch_of(1, 100, base::Codec::none);
  protocol::ProduceRequest request;
  request.acks = -1;
  protocol::ProduceRequest::TopicProduceData topic;
  topic.name = "topic";
  for (std::int32_t i = 0; i < state.range(0); ++i) {
    protocol::ProduceRequest::PartitionProduceData partition;
    partition.index = i;
    partition.records = protocol::Records(base::ByteView(batch));
    topic.partition_data.push_back(partition);
  }
  request.topic_data.push_back(topic);
  const base::Bytes bytes = protocol::encode(request, 11).to_bytes();
  for (auto _ : state) {
    protocol::ProduceRequest decoded;
    if (!protocol::decode(decoded, 11, bytes)) state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(decoded);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(decode_produce)->Arg(1)->Arg(100);

void encode_metadata(benchmark::State& state) {
  protocol::MetadataResponse response;
  protocol::MetadataResponse::MetadataResponseTopic topic;
  topic.name = "topic";
  for (std::int32_t i = 0; i < state.range(0); ++i) {
    protocol::MetadataResponse::MetadataResponsePartition partition;
    partition.partition_index = i;
    partition.replica_nodes = {0};
    partition.isr_nodes = {0};
    topic.partitions.push_back(partition);
  }
  response.topics.push_back(topic);
  for (auto _ : state) benchmark::DoNotOptimize(protocol::encode(response, 12));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(encode_metadata)->Arg(1)->Arg(1000);

// A log in a temporary directory.
class OneLog {
 public:
  OneLog() : directory_(std::make_shared<storage::LogDirectory>(dir_.path())) {
    storage::LogOptions options;
    options.topic_partition = {"t", 0};
    options.directory = dir_ / "t-0";
    options.log_directory = directory_;
    log_ = storage::Log::open(base::real_file_system(), clock_, options);
  }

  storage::Log& log() { return *log_; }

  // Of a copy: the leader writes offsets into a batch, and takes none that has any.
  bool append(const base::Bytes& batch) {
    bytes_ = batch;
    storage::AppendContext context;
    context.now_ms = clock_.wall_ms();
    return log_->append_as_leader(bytes_, context).ok();
  }

 private:
  base::testing::TempDir dir_;
  base::SystemClock clock_;
  std::shared_ptr<storage::LogDirectory> directory_;
  std::shared_ptr<storage::Log> log_;
  base::Bytes bytes_;
};

void append(benchmark::State& state, base::Codec codec) {
  OneLog one;
  base::Bytes batch = batch_of(state.range(0), static_cast<std::size_t>(state.range(1)), codec);
  for (auto _ : state) {
    if (!one.append(batch)) state.SkipWithError("not appended");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * batch.size()));
}
BENCHMARK_CAPTURE(append, none, base::Codec::none)->Args({1, 100})->Args({60, 1024})->Iterations(usual(5000));
BENCHMARK_CAPTURE(append, lz4, base::Codec::lz4)->Args({60, 1024})->Iterations(usual(5000));

void read(benchmark::State& state) {
  OneLog one;
  base::Bytes batch = batch_of(60, 1024, base::Codec::none);
  const std::int64_t batches = usual(2000);
  for (std::int64_t i = 0; i < batches; ++i) one.append(batch);
  std::mt19937 random(7);
  for (auto _ : state) {
    const std::int64_t offset = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(60 * batches));
    auto result = one.log().read(offset, 1 << 20, storage::ReadIsolation::log_end, storage::FirstBatch::whole);
    if (!result || result->records.size == 0) state.SkipWithError("nothing read");
    benchmark::DoNotOptimize(result);
  }
}
BENCHMARK(read);

// One cleaning of a log of that many batches of 60 KB in records of that size, with one key for every four records.
void compaction(benchmark::State& state, base::Codec codec) {
  for (auto _ : state) {
    state.PauseTiming();
    base::testing::TempDir dir;
    base::SystemClock clock;
    storage::LogOptions options;
    options.topic_partition = {"t", 0};
    options.directory = dir / "t-0";
    options.log_directory = std::make_shared<storage::LogDirectory>(dir.path());
    options.config.cleanup_compact = true;
    options.config.segment_bytes = 100 << 20;
    auto log = storage::Log::open(base::real_file_system(), clock, options);
    std::mt19937 random(7);
    const std::int64_t records = 61'440 / state.range(1);  // of a batch
    const auto keys = static_cast<std::uint32_t>(state.range(0) * records / 4);
    for (std::int64_t number = 0; number < state.range(0); ++number) {
      protocol::RecordBatchBuilder builder;
      for (std::int64_t i = 0; i < records; ++i) {
        const std::string key = "user-" + std::to_string(random() % keys) + "-settings";
        std::string value;
        while (std::cmp_less(value.size(), state.range(1))) value += "field=" + std::to_string(random()) + " ";
        protocol::NewRecord record;
        record.key = base::as_bytes(key);
        record.value = base::as_bytes(value);
        record.timestamp = clock.wall_ms();
        builder.append(record);
      }
      base::Bytes batch = builder.build(codec);
      storage::AppendContext context;
      context.now_ms = clock.wall_ms();
      if (!log->append_as_leader(batch, context).ok()) state.SkipWithError("not appended");
    }
    log->update_high_watermark(log->log_end_offset());
    log->roll();
    log->flush();
    auto session = storage::CleaningSession::try_begin(log);
    const auto cleanable = storage::find_cleanable(*log->cleaning_facts(), clock.wall_ms());
    storage::Compactor compactor(clock, std::make_shared<storage::Throttle>(std::numeric_limits<double>::max()), {});
    storage::CleanerStats stats;
    state.ResumeTiming();
    compactor.clean(*session, cleanable, stats);
    state.PauseTiming();
    state.SetBytesProcessed(static_cast<std::int64_t>(stats.bytes_read));
    state.counters["kept"] = static_cast<double>(stats.records_written) / static_cast<double>(stats.records_read);
    session.reset();
    log.reset();
    state.ResumeTiming();
  }
}
BENCHMARK_CAPTURE(compaction, none, base::Codec::none)->ArgsProduct({{usual(4000)}, {1024, 100}})->Iterations(1)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(compaction, lz4, base::Codec::lz4)->ArgsProduct({{usual(4000)}, {1024, 100}})->Iterations(1)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace

BENCHMARK_MAIN();
