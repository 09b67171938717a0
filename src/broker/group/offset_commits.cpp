// Commits of offsets: which of them a group takes, their records, and what is answered. Most are committed by the append itself, and
// their way is one of plain functions: the coroutines that could wait cost as much as all else that is done for such a commit.
#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "broker/coordinator/utf16.h"
#include "broker/coordinator/write_errors.h"
#include "broker/group/coordinator_impl.h"
#include "broker/group/offset_records.h"

namespace broker::group {
namespace {

ErrorCode error_of_commit(ErrorCode error) {
  switch (error) {
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large:
    case ErrorCode::invalid_fetch_size:
      return ErrorCode::invalid_commit_offset_size;
    default:
      return coordinator::error_of_write(error);
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

std::uint64_t sender_of(const CommitRequest& request) {
  return std::hash<std::string>()(request.who.member_id) + static_cast<std::uint64_t>(request.generation);
}

// Those that weren't refused.
std::vector<OffsetCommit> taken_of(std::vector<OffsetCommit> commits, const std::vector<ErrorCode>& answers) {
  auto answer = answers.begin();
  if (std::ranges::all_of(answers, [](ErrorCode one) { return one == ErrorCode::none; })) return commits;
  std::erase_if(commits, [&answer](const OffsetCommit&) { return *answer++ != ErrorCode::none; });
  return commits;
}

void settle_commits(PendingCommit& pending, ErrorCode outcome) {
  const std::int64_t first_offset = pending.first_offset();
  Group& group = *pending.group;
  std::lock_guard lock(group.mutex);
  if (pending.producer) {
    if (outcome == ErrorCode::none) return;  // the transaction's marker decides
    group.offsets.abandon_transactional(pending.producer->producer_id, pending.commits, first_offset);
  } else if (outcome == ErrorCode::none) {
    group.offsets.commit(std::move(pending.on_their_way), std::move(pending.commits), first_offset);
  } else {
    group.offsets.abandon(std::move(pending.on_their_way));
  }
}

}  // namespace

PendingCommit::~PendingCommit() {
  if (on_their_way.empty()) return;
  std::lock_guard lock(group->mutex);
  group->offsets.abandon(std::move(on_their_way));
}

// Kafka 4 says so from v9 on; v9 is answered as by Kafka 3.9.
constexpr std::int16_t kGroupIdNotFoundFrom = 10;

CommitAnswer GroupCoordinator::begin_commit(CommitRequest request) {
  if (!request.producer) {
    if (GroupPtr known = impl_->find_loaded(request.group_id)) return impl_->commit(std::move(request), std::move(known));
  }
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
  // Offsets without a group: who doesn't use group membership may commit all the same.
  const bool may_create = request.generation < 0 || request.producer;
  auto found = may_create ? find_or_create(request.group_id, place) : find(request.group_id, place);
  return commit(std::move(request), std::move(found));
}

// All members of a group come through its lock, and who finds it held sleeps: in it is only what must be.
CommitAnswer GroupCoordinator::Impl::commit(CommitRequest&& request, protocol::Result<GroupPtr> found) {
  PendingCommit pending;
  pending.producer = request.producer;
  pending.answers = std::vector<ErrorCode>(request.commits.size(), ErrorCode::none);
  ErrorCode error = found.error();
  if (found) pending.group = std::move(*found);
  if (found && !pending.group) {
    error = request.version >= kGroupIdNotFoundFrom ? ErrorCode::group_id_not_found : ErrorCode::illegal_generation;
  }
  if (error == ErrorCode::none) {
    const Time time = now();
    RecordList records = prepare_commits(request, time, pending);
    error = take_commits(request, std::move(records), time, pending);
  }
  if (error != ErrorCode::none) {
    pending.answers.assign(pending.answers.size(), error);
    return std::move(pending.answers);
  }
  if (pending.commits.empty()) return std::move(pending.answers);
  return pending.producer ? answer_transactional(std::move(pending)) : answer_commit(std::move(pending));
}

// Which of them can't be taken has its answer then; of the others, their records.
RecordList GroupCoordinator::Impl::prepare_commits(CommitRequest& request, Time time, PendingCommit& pending) const {
  constexpr std::size_t kUsualBytes = 64;  // of a topic's name, numbers, and little metadata
  RecordList records;
  records.reserve(request.commits.size(), request.commits.size() * (request.group_id.size() + kUsualBytes));
  for (std::size_t i = 0; i < request.commits.size(); ++i) {
    OffsetCommit& one = request.commits[i];
    if (is_too_long(one.value.metadata, limits_.offset_metadata_bytes_max)) {
      pending.answers[i] = ErrorCode::offset_metadata_too_large;
      continue;
    }
    if (one.value.commit_timestamp < 0) one.value.commit_timestamp = time.wall_ms;
    add_offset_record(records, request.group_id, one.partition, one.value);
  }
  return records;
}

// The error is one of the whole request.
ErrorCode GroupCoordinator::Impl::take_commits(CommitRequest& request, RecordList records, Time time,
                                               PendingCommit& pending) {
  Group& group = *pending.group;
  std::lock_guard lock(group.mutex);
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
  if (error == ErrorCode::none && !records.empty()) {
    pending.commits = taken_of(std::move(request.commits), pending.answers);
    request.producer ? append_transactional(records, time, pending)
                     : line_up(std::move(records), time, sender_of(request), pending);
  }
  if (request.producer) close_unused_transaction(group, request.producer->producer_id);
  return error;
}

void GroupCoordinator::Impl::line_up(RecordList records, Time time, std::uint64_t sender, PendingCommit& pending) {
  Group& group = *pending.group;
  pending.on_their_way = group.offsets.begin(pending.commits, sender);
  try {
    pending.ticket = appends_.line_up(group.partition, std::move(records), time.wall_ms, &group, pending.on_their_way.is_behind_others());
  } catch (...) {
    group.offsets.abandon(std::move(pending.on_their_way));
    throw;
  }
}

CommitAnswer GroupCoordinator::Impl::answer_commit(PendingCommit&& pending) {
  appends_.append_now(pending.ticket);
  const auto& at_once = pending.ticket.outcome;
  if (!at_once || (*at_once && !at_once->committed)) return finish_commit(std::move(pending));
  if (*at_once) pending.end_offset = **at_once;
  settle_commits(pending, at_once->error());
  answer_all(pending.answers, error_of_commit(at_once->error()));
  return std::move(pending.answers);
}

void GroupCoordinator::Impl::append_transactional(const RecordList& records, Time time, PendingCommit& pending) {
  Group& group = *pending.group;
  coordinator::BatchSender sender;
  sender.base_sequence = kOffsetCommitSequence;
  sender.producer_id = pending.producer->producer_id;
  sender.producer_epoch = pending.producer->producer_epoch;
  sender.transactional = true;
  const auto end =
      appends_.append(group.partition, records.build_batch(time.wall_ms, sender), pending.producer->verification_guard);
  if (!end) {
    pending.settled = true;
    return answer_all(pending.answers, error_of_commit(end.error()));
  }
  pending.end_offset = *end;
  std::int64_t log_offset = pending.first_offset();
  for (const OffsetCommit& one : pending.commits) {
    group.offsets.replay_transactional(sender.producer_id, one.partition, one.value, log_offset++);
  }
  pending.settled = end.committed;  // as far as the commit goes: the transaction's marker decides
}

CommitAnswer GroupCoordinator::Impl::answer_transactional(PendingCommit&& pending) {
  if (pending.settled) return std::move(pending.answers);
  return finish_commit(std::move(pending));
}

base::Task<std::vector<ErrorCode>> GroupCoordinator::Impl::finish_commit(PendingCommit pending) {
  ErrorCode outcome = ErrorCode::none;
  bool committed = false;
  if (!pending.producer) {
    const auto end = co_await appends_.appended(std::move(pending.ticket));
    committed = end.committed;
    if (end) pending.end_offset = *end;
    if (!end) outcome = end.error();
  }
  if (outcome == ErrorCode::none && !committed) {
    outcome = co_await log_.await_committed(pending.group->partition, pending.end_offset);
  }
  settle_commits(pending, outcome);
  answer_all(pending.answers, error_of_commit(outcome));
  co_return std::move(pending.answers);
}

}  // namespace broker::group
