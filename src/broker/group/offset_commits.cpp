// Commits of offsets: which of them a group takes, their records, and what is answered. Most are committed by the append itself, and
// their way is one of plain functions: the coroutines that could wait cost as much as all else that is done for such a commit.
#include <utility>

#include "broker/coordinator/utf16.h"
#include "broker/group/coordinator_impl.h"

namespace broker::group {
namespace {

ErrorCode error_of_commit(ErrorCode error) {
  switch (error) {
    case ErrorCode::unknown_topic_or_partition:
    case ErrorCode::not_enough_replicas:
    case ErrorCode::not_enough_replicas_after_append:
      return ErrorCode::coordinator_not_available;
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::kafka_storage_error:
      return ErrorCode::not_coordinator;
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large:
    case ErrorCode::invalid_fetch_size:
      return ErrorCode::invalid_commit_offset_size;
    default:
      return error;
  }
}

// Kafka counts as Java does, whatever the config's name says.
bool is_too_long(const std::string& metadata, std::int32_t max) {
  if (std::cmp_less_equal(metadata.size(), max)) return false;
  std::size_t units = 0;
  coordinator::for_each_utf16_unit(metadata, [&units](std::uint16_t) { ++units; });
  return std::cmp_greater(units, max);
}

// Of those that weren't refused before.
void answer_all(std::vector<ErrorCode>& answers, ErrorCode error) {
  for (ErrorCode& answer : answers) {
    if (answer == ErrorCode::none) answer = error;
  }
}

void settle_commits(const PendingCommit& pending, ErrorCode outcome) {
  Group& group = *pending.group;
  std::lock_guard lock(group.mutex);
  if (pending.producer) {
    if (outcome == ErrorCode::none) return;  // the transaction's marker decides
    group.offsets.abandon_transactional(pending.producer->producer_id, pending.commits, pending.first_offset());
  } else if (outcome == ErrorCode::none) {
    group.offsets.commit(pending.commits, pending.first_offset());
  } else {
    group.offsets.abandon(pending.commits);
  }
}

}  // namespace

CommitAnswer GroupCoordinator::begin_commit(CommitRequest request) {
  const auto place = impl_->locate_now(request.group_id, !request.producer);
  if (!place) return commit_offsets(std::move(request));
  return impl_->commit(std::move(request), *place);
}

base::Task<std::vector<ErrorCode>> GroupCoordinator::commit_offsets(CommitRequest request) {
  std::optional<Impl::Place> place = impl_->locate_now(request.group_id, !request.producer);
  if (!place) place = co_await impl_->locate(request.group_id, !request.producer);
  CommitAnswer answer = impl_->commit(std::move(request), *place);
  if (auto* const later = std::get_if<base::Task<std::vector<ErrorCode>>>(&answer)) co_return co_await std::move(*later);
  co_return std::get<std::vector<ErrorCode>>(std::move(answer));
}

CommitAnswer GroupCoordinator::Impl::commit(CommitRequest&& request, const Place& place) {
  PendingCommit pending;
  pending.producer = request.producer;
  pending.answers.resize(request.commits.size(), ErrorCode::none);
  // Offsets without a group: who doesn't use group membership may commit all the same.
  const bool may_create = request.generation < 0 || request.producer;
  auto found = may_create ? find_or_create(request.group_id, place) : find(request.group_id, place);
  ErrorCode error = found.error();
  if (found) pending.group = std::move(*found);
  if (found && !pending.group) error = ErrorCode::illegal_generation;
  if (error == ErrorCode::none) error = take_commits(request, pending);
  if (error != ErrorCode::none) {
    answer_all(pending.answers, error);
    return std::move(pending.answers);
  }
  if (pending.settled || pending.commits.empty()) return std::move(pending.answers);
  return finish_commit(std::move(pending));
}

ErrorCode GroupCoordinator::Impl::take_commits(CommitRequest& request, PendingCommit& pending) {
  Group& group = *pending.group;
  std::lock_guard lock(group.mutex);
  const Time time = now();
  const bool dead = group.members.state() == GroupState::dead;
  ErrorCode error = ErrorCode::none;
  if (group.consumers && !dead) {
    error = check_consumer_commit(group, request);
  } else if (request.producer) {
    error = group.members.check_transactional_commit(request.who, request.generation);
  } else {
    error = group.members.check_commit(request.who, request.generation, time);
    keep_alive(group, request.who.member_id);
  }
  if (request.producer) open_transaction(group, request.producer->producer_id);
  if (error == ErrorCode::none) error = append_commits(request, time, pending);
  if (request.producer) close_unused_transaction(group, request.producer->producer_id);
  return error;
}

ErrorCode GroupCoordinator::Impl::append_commits(CommitRequest& request, Time time, PendingCommit& pending) {
  std::vector<KeyAndValue> records;
  records.reserve(request.commits.size());
  CommitRecords made(std::move(request.group_id));
  for (std::size_t i = 0; i < request.commits.size(); ++i) {
    OffsetCommit& one = request.commits[i];
    if (is_too_long(one.value.metadata, limits_.offset_metadata_bytes_max)) {
      pending.answers[i] = ErrorCode::offset_metadata_too_large;
      continue;
    }
    if (one.value.commit_timestamp < 0) one.value.commit_timestamp = time.wall_ms;
    records.push_back(made.record(one.partition, one.value));
  }
  if (records.size() < request.commits.size()) {
    auto answer = pending.answers.begin();
    std::erase_if(request.commits, [&answer](const OffsetCommit&) { return *answer++ != ErrorCode::none; });
  }
  pending.commits = std::move(request.commits);
  if (records.empty()) return ErrorCode::none;
  if (request.producer) return append_transactional(records, time, pending);
  Group& group = *pending.group;
  pending.ticket = appends_.add(group.partition, std::move(records), time.wall_ms);
  const auto& at_once = pending.ticket.outcome;
  if (at_once && !*at_once) return error_of_commit(at_once->error());
  if (at_once && log_.is_committed(group.partition, **at_once)) {
    pending.settled = true;
    pending.end_offset = **at_once;
    const std::int64_t first_offset = pending.first_offset();
    group.offsets.commit_at_once(std::move(pending.commits), first_offset);
    return ErrorCode::none;
  }
  group.offsets.begin(pending.commits);
  return ErrorCode::none;
}

ErrorCode GroupCoordinator::Impl::append_transactional(const std::vector<KeyAndValue>& records, Time time, PendingCommit& pending) {
  Group& group = *pending.group;
  coordinator::BatchSender sender;
  sender.base_sequence = kOffsetCommitSequence;
  sender.producer_id = pending.producer->producer_id;
  sender.producer_epoch = pending.producer->producer_epoch;
  sender.transactional = true;
  const auto end =
      appends_.append(group.partition, build_batch(records, time.wall_ms, sender), pending.producer->verification_guard);
  if (!end) return error_of_commit(end.error());
  pending.end_offset = *end;
  std::int64_t log_offset = pending.first_offset();
  for (const OffsetCommit& one : pending.commits) {
    group.offsets.replay_transactional(sender.producer_id, one.partition, one.value, log_offset++);
  }
  pending.settled = log_.is_committed(group.partition, *end);  // as far as the commit goes: the transaction's marker decides
  return ErrorCode::none;
}

base::Task<std::vector<ErrorCode>> GroupCoordinator::Impl::finish_commit(PendingCommit pending) {
  ErrorCode outcome = ErrorCode::none;
  if (!pending.producer) {
    const auto end = co_await appends_.appended(std::move(pending.ticket));
    if (end) pending.end_offset = *end;
    if (!end) outcome = end.error();
  }
  const std::int32_t partition = pending.group->partition;
  if (outcome == ErrorCode::none && !log_.is_committed(partition, pending.end_offset)) {
    outcome = co_await log_.await_committed(partition, pending.end_offset);
  }
  settle_commits(pending, outcome);
  answer_all(pending.answers, error_of_commit(outcome));
  co_return std::move(pending.answers);
}

}  // namespace broker::group
