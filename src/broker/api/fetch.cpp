// Fetch v0-18. v0, v1: records of magic 0; v2, v3: of magic 1, so newer ones are rewritten. v1: throttle time. v3: a
// limit for the whole response; the first batch whatever its size. v4: records as they are; isolation level. v5: log
// start offset. v6: may tell of storage errors. v7: sessions. v9: the client's leader epoch is checked. v10: zstd. v11:
// preferred replica (always none). v12: last fetched epoch and diverging epochs. v13: topics by id. v15: replica state.
// v16: who leads instead. v17, v18: fields that only followers set.
#include "protocol/messages/fetch.h"

#include <algorithm>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/logging.h"
#include "base/without_waiting.h"
#include "broker/api/fetch_session.h"
#include "broker/api/frame_handler.h"
#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/registry.h"
#include "broker/api/request_context.h"
#include "broker/config/config_store.h"
#include "broker/partition/read_ahead.h"
#include "broker/partition/timed_wait.h"
#include "protocol/down_conversion.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::FetchRequest;
using protocol::FetchResponse;
using PartitionAnswer = FetchResponse::PartitionData;

struct Reading {
  Reading() {}
  std::shared_ptr<partition::Partition> partition;
  bool unknown = false;  // to the whole cluster
  bool unasked = false;  // refused whatever its log says; Kafka's list of aborted transactions is empty then, and null otherwise
  partition::FetchOutcome outcome;
  std::optional<base::Bytes> bytes;  // instead of the slice: it was short, or converted for an old client
};

// A short slice is read and sent with the rest of the response, which costs less than a sendfile of its own. Not
// without bound, since a slice itself takes no memory.
constexpr std::size_t kShortSliceBytes = 8u << 10;
constexpr std::size_t kShortSlicesBytesMax = 64u << 10;  // of one response

// Converted records lie in memory, so that one response has about this many at most; Kafka converts what it sends piece by
// piece. The client asks for the rest.
constexpr std::size_t kConvertedBytesMax = 1u << 20;

struct Limits {
  std::int64_t max_bytes = 0;
  std::int64_t min_bytes = 0;
  bool hard = false;  // even the first batch is cut where they end (v0-2)
  storage::ReadIsolation isolation = storage::ReadIsolation::high_watermark;
};

struct ReadTotal {
  std::int64_t bytes = 0;
  // What there is within the limits of the partitions, read or not: a batch that doesn't fit counts as well, since waiting
  // doesn't make it fit.
  std::int64_t available = 0;
  // An error or a diverging epoch, which the client had better hear of at once; or what there is in a segment that won't grow.
  bool answer_now = false;
};

// Of what a read found, as Kafka counts it.
void add_available(const FetchTarget& target, const storage::ReadResult& data, ReadTotal& total) {
  if (target.offset >= data.upper_bound.offset) return;
  if (!data.start.same_segment(data.upper_bound)) {
    total.answer_now = true;
    return;
  }
  const auto bytes = static_cast<std::int64_t>(data.upper_bound.position - data.start.position);
  total.available += std::min<std::int64_t>(bytes, std::max(target.max_bytes, 0));
}

bool is_of_follower(const FetchRequest& request) {
  return request.replica_id >= 0 || request.replica_state.replica_id >= 0;
}

Limits limits_of(const RequestContext& context, const FetchRequest& request) {
  Limits limits;
  auto broker = context.services.configs.broker();
  limits.max_bytes = std::min<std::int64_t>(request.max_bytes, broker->hot().fetch_max_bytes);
  limits.min_bytes = std::min<std::int64_t>(request.min_bytes, limits.max_bytes);
  limits.hard = context.api_version < 3;
  if (is_of_follower(request)) {
    limits.isolation = storage::ReadIsolation::log_end;
  } else if (request.isolation_level == 1) {
    limits.isolation = storage::ReadIsolation::transactions_committed;
  }
  return limits;
}

std::vector<Reading> look_up(const RequestContext& context, const FetchPlan& plan) {
  std::vector<Reading> readings(plan.targets.size());
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const FetchTarget& target = plan.targets[i];
    FoundPartition found = context.api_version >= 13 ? find_partition(context, target.topic_id, target.partition)
                                                     : find_partition(context, target.topic, target.partition);
    readings[i].partition = std::move(found.partition);
    readings[i].outcome.error = found.error;
    readings[i].unknown =
        found.error == ErrorCode::unknown_topic_or_partition || found.error == ErrorCode::unknown_topic_id;
    readings[i].unasked = readings[i].unknown;
  }
  return readings;
}

partition::FetchOutcome refusal(ErrorCode error) {
  partition::FetchOutcome outcome;
  outcome.error = error;
  return outcome;
}

partition::FetchOutcome read_one(partition::Partition& partition, const FetchTarget& target, std::int64_t bytes_max,
                                 storage::ReadIsolation isolation, storage::FirstBatch first_batch) {
  partition::FetchOptions options;
  options.offset = target.offset;
  options.current_leader_epoch = std::max(target.current_leader_epoch, -1);  // here any negative one is none
  options.last_fetched_epoch = target.last_fetched_epoch;
  options.max_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(bytes_max, 0));
  options.isolation = isolation;
  options.first_batch = bytes_max < 0 ? storage::FirstBatch::if_it_fits : first_batch;
  partition::FetchOutcome outcome = partition.fetch(options);
  // Kafka's answer to a negative limit, once there is something to read.
  const bool something = outcome.error == ErrorCode::none && target.offset < outcome.data.upper_bound.offset;
  return bytes_max < 0 && something ? refusal(ErrorCode::unknown_server_error) : outcome;
}

// One look at all partitions, which may be interrupted by base::WouldWait between them, and gone on with.
struct ReadPass {
  explicit ReadPass(const Limits& limits)
      : bytes_left(limits.max_bytes), first_batch(limits.hard ? storage::FirstBatch::cut : storage::FirstBatch::whole) {}
  ReadTotal total;
  std::size_t next = 0;
  std::int64_t bytes_left;
  storage::FirstBatch first_batch;
};

// In the order of the targets, until the bytes of the whole response are used up. From v3 on the first batch of all may
// be larger than what its limits say, so that a client can always go on.
void read_rest(const FetchPlan& plan, const Limits& limits, std::vector<Reading>& readings, ReadPass& pass) {
  for (; pass.next < readings.size(); ++pass.next) {
    Reading& reading = readings[pass.next];
    if (reading.partition) {
      const FetchTarget& target = plan.targets[pass.next];
      const std::int64_t bytes_max = std::min<std::int64_t>(target.max_bytes, pass.bytes_left);
      reading.outcome = read_one(*reading.partition, target, bytes_max, limits.isolation, pass.first_batch);
    }
    const auto bytes = static_cast<std::int64_t>(reading.outcome.data.records.size);
    if (bytes > 0 && !limits.hard) pass.first_batch = storage::FirstBatch::if_it_fits;
    pass.total.bytes += bytes;
    if (reading.partition && reading.outcome.error == ErrorCode::none && !reading.outcome.diverging) {
      add_available(plan.targets[pass.next], reading.outcome.data, pass.total);
    }
    pass.bytes_left = std::max<std::int64_t>(pass.bytes_left - bytes, 0);
    if (reading.unknown) continue;
    if (reading.outcome.error != ErrorCode::none || reading.outcome.diverging) pass.total.answer_now = true;
  }
}

// False: an index or a header isn't in memory.
bool read_what_is_resident(const FetchPlan& plan, const Limits& limits, std::vector<Reading>& readings, ReadPass& pass) {
  try {
    base::WithoutWaiting scope;
    read_rest(plan, limits, readings, pass);
    return true;
  } catch (const base::WouldWait&) {
    return false;
  }
}

// Whether there is anything to wait for. As in Kafka, partitions that don't exist don't keep others from being waited for; not
// without bound, since it is the client who thinks them up.
bool may_wait(const std::vector<Reading>& readings) {
  const auto unknown =
      static_cast<std::size_t>(std::ranges::count_if(readings, [](const Reading& each) { return each.unknown; }));
  return unknown < readings.size() && unknown <= FetchSessions::kUnknownMax;
}

// Takes the waiter away again from the partitions that got it, however the wait ends: nobody else does.
class Registration {
 public:
  Registration(const std::vector<Reading>& readings, std::shared_ptr<partition::FetchWaiter> waiter)
      : readings_(readings), waiter_(std::move(waiter)) {}
  ~Registration() {
    for (std::size_t i = 0; i < registered_; ++i) {
      if (readings_[i].partition) readings_[i].partition->remove_waiter(waiter_);
    }
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  // False: one of them has something new since it was read.
  bool add_to_all() {
    for (; registered_ < readings_.size(); ++registered_) {
      const Reading& each = readings_[registered_];
      if (each.partition && !each.partition->add_waiter(waiter_, each.outcome.data.high_watermark)) return false;
    }
    return true;
  }

 private:
  const std::vector<Reading>& readings_;
  const std::shared_ptr<partition::FetchWaiter> waiter_;
  std::size_t registered_ = 0;  // of the readings
};

// Returns when more than the missing bytes may have come, or something else has happened, or the time is up.
base::Task<void> wait_for_more(ParkedFetch& parked, std::vector<Reading>& readings, std::int64_t missing_bytes,
                               std::int64_t timeout_ms) {
  auto waiter = std::make_shared<partition::FetchWaiter>(missing_bytes);
  std::function<void()> wake = [waiter] { waiter->wake(); };
  const ParkedFetch::Place place(parked, std::move(wake));
  Registration registration(readings, waiter);
  if (registration.add_to_all()) co_await partition::wait_for_data(waiter, timeout_ms);
}

PartitionAnswer answer_of(const FetchTarget& target, Reading& reading) {
  PartitionAnswer answer;
  partition::FetchOutcome& outcome = reading.outcome;
  storage::ReadResult& data = outcome.data;
  answer.partition_index = target.partition;
  answer.error_code = outcome.error;
  answer.high_watermark = data.high_watermark;
  answer.last_stable_offset = data.last_stable_offset;
  answer.log_start_offset = data.log_start_offset;
  answer.preferred_read_replica = -1;
  if (outcome.diverging) {
    answer.diverging_epoch.epoch = outcome.diverging->leader_epoch;
    answer.diverging_epoch.end_offset = outcome.diverging->end_offset;
  }
  if (data.aborted_transactions) {
    answer.aborted_transactions.emplace();
    for (const storage::AbortedTransaction& each : *data.aborted_transactions) {
      auto& aborted = answer.aborted_transactions->emplace_back();
      aborted.producer_id = each.producer_id;
      aborted.first_offset = each.first_offset;
    }
  } else if (!reading.unasked) {
    answer.aborted_transactions.reset();
  }
  if (reading.bytes) {
    answer.records = protocol::Records::own(std::move(*reading.bytes));
  } else if (data.records.size > 0) {
    answer.records = protocol::Records::slice(std::move(data.records.file), data.records.position, data.records.size);
  } else {
    answer.records = protocol::Records(base::ByteView());
  }
  return answer;
}

void add_leader_hint(const RequestContext& context, const FetchTarget& target, PartitionAnswer& answer,
                     FetchResponse& response) {
  if (context.api_version < 12 || !wants_leader_hint(answer.error_code)) return;
  LeaderHint hint = leader_hint(context, target.topic, target.topic_id, target.partition);
  answer.current_leader.leader_id = hint.leader_id;
  answer.current_leader.leader_epoch = hint.leader_epoch;
  if (context.api_version >= 16) add_node_endpoint(response.node_endpoints, hint);
}

FetchResponse respond(const RequestContext& context, const FetchPlan& plan, partition::TopicCount sent,
                      std::vector<Reading>& readings) {
  FetchResponse response;
  std::vector<PartitionAnswer> answers;
  answers.reserve(readings.size());
  for (std::size_t i = 0; i < readings.size(); ++i) answers.push_back(answer_of(plan.targets[i], readings[i]));
  std::vector<bool> included;
  context.services.fetch_sessions.finish(plan, answers, context.services.clock.monotonic_ms(), response, included);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!included[i]) continue;
    const FetchTarget& target = plan.targets[i];
    if (readings[i].partition && answers[i].records.size() > 0) {
      readings[i].partition->traffic().add(sent, answers[i].records.size());
    }
    add_leader_hint(context, target, answers[i], response);
    if (response.responses.empty() || response.responses.back().topic != target.topic ||
        response.responses.back().topic_id != target.topic_id) {
      FetchResponse::FetchableTopicResponse& topic = response.responses.emplace_back();
      topic.topic = target.topic;
      topic.topic_id = target.topic_id;
    }
    response.responses.back().partitions.push_back(std::move(answers[i]));
  }
  return response;
}

std::vector<storage::FileSlice> slices_of(const std::vector<Reading>& readings) {
  std::vector<storage::FileSlice> slices;
  for (const Reading& each : readings) {
    if (each.outcome.data.records.size > 0) slices.push_back(each.outcome.data.records);
  }
  return slices;
}

// Whatever was read or not: Kafka doesn't look whether there is anything to convert.
void refuse_what_is_too_new(const RequestContext& context, bool of_follower, std::vector<Reading>& readings) {
  for (Reading& each : readings) {
    if (!each.partition || each.outcome.error == ErrorCode::kafka_storage_error) continue;
    const storage::LogConfig config = each.partition->log()->config();
    each.unasked = true;
    if (config.compression == base::Codec::zstd) {
      each.outcome = refusal(ErrorCode::unsupported_compression_type);
    } else if (context.api_version < 4 && !config.down_conversion && !of_follower) {
      each.outcome = refusal(ErrorCode::unsupported_version);
    } else {
      each.unasked = false;
    }
  }
}

// Clients that don't know the error yet are to ask for the leader again, and so do with this one.
void hide_storage_errors(std::vector<Reading>& readings) {
  for (Reading& each : readings) {
    if (each.outcome.error == ErrorCode::kafka_storage_error) each.outcome.error = ErrorCode::not_leader_or_follower;
  }
}

// The part of a slice that is converted: what is left of the bytes for the response, but at least the batch that the client
// can't do without.
base::Bytes read_to_convert(const storage::FileSlice& slice, std::size_t bytes_left, bool first) {
  base::Bytes bytes(std::min<std::uint64_t>(slice.size, bytes_left));
  bytes.resize(slice.file->read_at(slice.position, bytes));
  if (!first || bytes.size() < protocol::kBatchOverhead) return bytes;
  const std::size_t whole = protocol::kBatchOverhead + base::load_big_endian<std::uint32_t>(bytes.data() + 8);
  if (whole <= bytes.size()) return bytes;
  bytes.resize(std::min<std::uint64_t>(slice.size, whole));
  bytes.resize(slice.file->read_at(slice.position, bytes));
  return bytes;
}

// Takes the bytes that it reads off what is left.
void convert(const FetchTarget& target, std::int8_t to_magic, std::size_t& bytes_left, Reading& reading) {
  storage::FileSlice& slice = reading.outcome.data.records;
  const base::Bytes bytes = read_to_convert(slice, bytes_left, bytes_left == kConvertedBytesMax);
  bytes_left -= std::min(bytes_left, bytes.size());
  slice = storage::FileSlice();
  auto converted = protocol::down_convert(bytes, to_magic, target.offset);
  if (converted) {
    reading.bytes = std::move(*converted);
  } else {
    reading.outcome = refusal(converted.error());
  }
}

// Rewrites what was read for clients that know older formats only. Waits for disks. What can't be read is refused, as it must
// not leave as it is. Answers where the next is to begin: behind the last partition that got something, as each would wait
// for ever behind one that always has more.
std::size_t convert_all(const FetchPlan& plan, std::int8_t to_magic, std::size_t first, std::vector<Reading>& readings) {
  std::size_t bytes_left = kConvertedBytesMax;
  std::size_t next = first;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const std::size_t at = (first + i) % readings.size();
    Reading& reading = readings[at];
    if (reading.outcome.data.records.size == 0) continue;
    try {
      convert(plan.targets[at], to_magic, bytes_left, reading);
    } catch (const std::exception& e) {
      reading.outcome = refusal(ErrorCode::kafka_storage_error);
      base::log_warn("kafka.server.ReplicaManager", "Converting {}-{} for a fetch failed: {}",
                     plan.targets[at].topic, plan.targets[at].partition, e.what());
    }
    if (reading.bytes && !reading.bytes->empty()) next = at + 1;
  }
  return next;
}

void take_short_slices(std::vector<Reading>& readings) {
  std::size_t left = kShortSlicesBytesMax;
  for (Reading& each : readings) {
    storage::FileSlice& slice = each.outcome.data.records;
    if (slice.size == 0 || slice.size > std::min(kShortSliceBytes, left)) continue;
    each.bytes = partition::read_resident(slice);
    if (!each.bytes) continue;
    left -= slice.size;
    slice = storage::FileSlice();
  }
}

// Makes what was read ready to leave: on an event loop nothing waits for a disk.
base::Task<void> prepare(const RequestContext& context, const FetchPlan& plan, std::vector<Reading>& readings) {
  if (context.api_version < 4) {
    const std::int8_t to_magic = context.api_version < 2 ? 0 : 1;
    std::size_t& first = context.connection->converted_first;  // one answer of a connection is converted at a time
    std::function<void()> work = [&plan, &readings, &first, to_magic] {
      first = convert_all(plan, to_magic, first, readings);
    };
    co_await partition::run_aside(std::move(work));
    co_return;
  }
  take_short_slices(readings);
  std::vector<storage::FileSlice> slices = slices_of(readings);
  if (!partition::all_resident(slices)) co_await partition::read_ahead(std::move(slices));
}

// As Kafka fails with the whole request once there is a partition to read.
FetchResponse refuse_isolation_level(std::int16_t version, const FetchRequest& request) {
  FetchResponse response;
  response.error_code = ErrorCode::unknown_server_error;
  response.session_id = request.session_id;
  if (version >= 13) return response;
  for (const FetchRequest::FetchTopic& topic : request.topics) {
    FetchResponse::FetchableTopicResponse& topic_answer = response.responses.emplace_back();
    topic_answer.topic = topic.topic;
    for (const FetchRequest::FetchPartition& wanted : topic.partitions) {
      PartitionAnswer& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = wanted.partition;
      answer.error_code = ErrorCode::unknown_server_error;
      answer.high_watermark = -1;
    }
  }
  return response;
}

bool knows_isolation_level(const FetchRequest& request) {
  return request.isolation_level == 0 || request.isolation_level == 1;
}

}  // namespace

Answer<FetchResponse> handle(RequestContext& context, FetchRequest request) {
  const base::Clock& clock = context.services.clock;
  FetchPlan plan = context.services.fetch_sessions.plan(context.api_version, request, clock.monotonic_ms());
  if (plan.error != ErrorCode::none) {
    FetchResponse refused;
    refused.error_code = plan.error;
    co_return refused;
  }
  auto sent = partition::TopicCount::bytes_out;
  if (is_of_follower(request)) {
    sent = partition::TopicCount::replication_bytes_out;
    context.metrics_row = served_apis().size();
  }
  std::vector<Reading> readings = look_up(context, plan);
  if (!knows_isolation_level(request) && !std::ranges::all_of(readings, &Reading::unknown)) {
    co_return refuse_isolation_level(context.api_version, request);
  }
  request.topics = {};  // the plan has them, and the wait may be long
  request.forgotten_topics_data = {};
  const Limits limits = limits_of(context, request);
  ParkedFetch& parked = context.connection->parked_fetch;
  const std::int64_t deadline_ms = context.received_monotonic_ms + std::max(request.max_wait_ms, 0);
  const bool waits = may_wait(readings);
  for (;;) {
    ReadPass pass(limits);
    if (!read_what_is_resident(plan, limits, readings, pass)) {
      std::function<void()> work = [&] { read_rest(plan, limits, readings, pass); };
      co_await partition::look_up_aside(std::move(work));
    }
    const ReadTotal total = pass.total;
    const std::int64_t enough = std::max(total.bytes, total.available);
    if (enough >= limits.min_bytes || total.answer_now || !waits) break;
    const std::int64_t left_ms = deadline_ms - clock.monotonic_ms();
    if (left_ms <= 0) break;
    if (!parked.closed()) co_await wait_for_more(parked, readings, limits.min_bytes - enough, left_ms);
    if (parked.closed()) co_return FetchResponse();  // to nobody
  }
  if (context.api_version < 10) refuse_what_is_too_new(context, is_of_follower(request), readings);
  co_await prepare(context, plan, readings);
  if (context.api_version < 6) hide_storage_errors(readings);
  co_return respond(context, plan, sent, readings);
}

}  // namespace broker::api
