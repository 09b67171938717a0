// For tests: a history of transactions on one log under a LogManager, on the file system in memory, and what readers have to
// see of any part of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/faulty_file_system.h"
#include "log/inspect/verify.h"
#include "log/log_manager.h"
#include "log/producer_state.h"
#include "log/testing/log_fixture.h"

namespace storage::testing {

inline const TopicPartition kHistoryName{"t", 0};
inline constexpr std::int64_t kEpochOffsets = 12;  // a new leader epoch after as many

// One batch of one record, or a marker, at the offset that is its place in the history.
struct Step {
  std::int64_t producer_id = -1;  // -1: no transaction
  std::optional<protocol::ControlType> end;
};

inline std::vector<Step> make_history() {
  std::vector<Step> history;
  for (int round = 0; round < 4; ++round) {
    const bool even = round % 2 == 0, third = round % 3 == 0;
    history.push_back({1, {}});
    history.push_back({2, {}});
    history.push_back({});
    history.push_back({1, even ? protocol::ControlType::abort : protocol::ControlType::commit});
    history.push_back({2, {}});
    history.push_back({2, third ? protocol::ControlType::abort : protocol::ControlType::commit});
  }
  history.push_back({1, {}});  // open to the end
  return history;
}

// What there is to read below the last stable offset, for whoever wants to see committed records only.
struct Committed {
  std::int64_t last_stable_offset = 0;
  std::vector<std::int64_t> offsets;
  bool operator==(const Committed&) const = default;
};

inline Committed committed_of(const std::vector<Step>& history, std::int64_t end) {
  Committed committed;
  std::map<std::int64_t, std::vector<std::int64_t>> open;
  std::set<std::int64_t> visible;
  for (std::int64_t offset = 0; offset < end; ++offset) {
    const Step& step = history[static_cast<std::size_t>(offset)];
    if (step.producer_id < 0) {
      visible.insert(offset);
    } else if (!step.end) {
      open[step.producer_id].push_back(offset);
    } else {
      if (*step.end == protocol::ControlType::commit) visible.insert(open[step.producer_id].begin(), open[step.producer_id].end());
      open.erase(step.producer_id);
    }
  }
  committed.last_stable_offset = end;
  for (const auto& [producer, offsets] : open) {
    committed.last_stable_offset = std::min(committed.last_stable_offset, offsets.front());
  }
  committed.offsets.assign(visible.begin(), visible.lower_bound(committed.last_stable_offset));
  return committed;
}

// As a consumer with read_committed goes by the lists of aborted transactions.
inline Committed read_committed(Log& log, std::int64_t holes_from = INT64_MAX) {
  Committed committed{.last_stable_offset = log.last_stable_offset(), .offsets = {}};
  for (std::int64_t next = log.log_start_offset(); next < committed.last_stable_offset;) {
    auto read = log.read(next, 200, ReadIsolation::transactions_committed, FirstBatch::whole);
    if (!read || read->records.size == 0) {
      EXPECT_GE(next, holes_from) << "nothing to read";
      break;
    }
    const base::Bytes bytes = bytes_of(read->records);
    std::vector<AbortedTransaction> listed = *read->aborted_transactions;
    std::ranges::sort(listed, {}, &AbortedTransaction::first_offset);
    std::size_t begun = 0;
    std::set<std::int64_t> aborted;
    for (base::ByteView rest = bytes;;) {
      const protocol::NextBatch batch = protocol::next_batch(rest);
      if (batch.frame != protocol::BatchFrame::whole) break;
      const auto header = protocol::read_batch_header(rest);
      for (; begun < listed.size() && listed[begun].first_offset <= header->last_offset(); ++begun) {
        aborted.insert(listed[begun].producer_id);
      }
      if (header->is_control()) {
        const auto marker = read_control_marker(rest.first(batch.size_in_bytes));
        if (marker && marker->type == protocol::ControlType::abort) aborted.erase(header->producer_id);
      } else if (!header->is_transactional() || !aborted.contains(header->producer_id)) {
        committed.offsets.push_back(header->base_offset);
      }
      next = header->next_offset();
      rest = rest.subspan(batch.size_in_bytes);
    }
  }
  return committed;
}

// The log lies in /one/t-0.
class LogHistoryTest : public ::testing::Test {
 protected:
  void start() {
    log_.reset();
    manager_.reset();
    LogManagerConfig config;
    config.log_dirs = {"/one"};
    manager_ = std::make_unique<LogManager>(faulty_, clock_, config);
    manager_->open_directories();
    manager_->check_identity(1, "cluster");
    manager_->load([this](const std::string&) { return config_; });
    log_ = manager_->find(kHistoryName);
  }
  void start_anew() {
    log_.reset();
    manager_.reset();
    faulty_.set_fault({});
    files_.remove_all("/one");
    files_.create_directories("/one");
    start();
    log_ = *manager_->get_or_create(kHistoryName, config_, topic_id_, {.is_new = true});
    log_->start_leader_epoch(0);
    manager_->flush_closed_segments();
    files_.sync_everything();
  }
  AppendResult append(const Step& step, std::int32_t leader_epoch = 0) {
    AppendContext context;
    context.leader_epoch = leader_epoch;
    base::Bytes bytes;
    if (step.end) {
      context.origin = protocol::AppendOrigin::coordinator;
      bytes = protocol::build_control_batch(step.producer_id, 0, *step.end, 0, clock_.wall_ms());
    } else if (step.producer_id < 0) {
      bytes = make_batch({"plain"});
    } else {
      bytes = make_batch({"in a transaction"}, {.producer_id = step.producer_id,
                                                 .producer_epoch = 0,
                                                 .base_sequence = sequences_[step.producer_id]++,
                                                 .transactional = true});
    }
    AppendResult result = log_->append_as_leader(bytes, context);
    if (result.ok()) log_->update_high_watermark(log_->log_end_offset());
    return result;
  }
  // All of the history, with a checkpoint in each round. Returns the offset up to which it is safe from a power loss.
  std::int64_t work() {
    sequences_.clear();
    acknowledged_ = 0;
    std::int64_t done = 0;
    try {
      for (const Step& step : history_) {
        const AppendResult result = append(step, static_cast<std::int32_t>(done / kEpochOffsets));
        if (!result.ok()) break;
        if (result.flush_due) log_->flush();
        ++acknowledged_;
        if (++done % 6 == 3) manager_->checkpoint_recovery_points();
        if (done % 12 == 0) manager_->flush_closed_segments();
        if (done % 18 == 0) log_->flush();
        if (done % 8 == 0) (void)log_->read(0, 1000, ReadIsolation::transactions_committed, FirstBatch::whole);
      }
    } catch (const std::system_error&) {
      EXPECT_TRUE(faulty_.fault_met());
    }
    return log_->recovery_point();
  }
  void crash_and_start(base::UnsyncedBytes bytes, base::UnsyncedNames names) {
    log_.reset();
    manager_.reset();
    faulty_.set_fault({});
    files_.lose_power(bytes, names);
    start();
    ASSERT_NE(log_, nullptr);
    log_->update_high_watermark(log_->log_end_offset());
  }
  void expect_history(std::int64_t at_least, const std::string& what) {
    EXPECT_GE(log_->log_end_offset(), at_least) << what;
    const Committed expected = committed_of(history_, log_->log_end_offset());
    const Committed found = read_committed(*log_);
    EXPECT_EQ(found.last_stable_offset, expected.last_stable_offset) << what;
    EXPECT_EQ(found.offsets, expected.offsets) << what;
    for (std::int32_t epoch = 0; epoch * kEpochOffsets < log_->log_end_offset(); ++epoch) {
      EXPECT_EQ(log_->epoch_end_offset(epoch).end_offset,
                std::min<std::int64_t>((epoch + 1) * kEpochOffsets, log_->log_end_offset()))
          << what << " epoch " << epoch;
    }
  }
  // Beyond what is safe a whole segment can be missing in the middle, as in Kafka: names outlive bytes.
  void expect_history_below(std::int64_t safe, const std::string& what) {
    EXPECT_GE(log_->log_end_offset(), safe) << what;
    const Committed found = read_committed(*log_, safe);
    const Committed expected = committed_of(history_, safe);
    const std::int64_t end = std::min(found.last_stable_offset, expected.last_stable_offset);
    const auto below = [end](std::vector<std::int64_t> offsets) {
      std::erase_if(offsets, [end](std::int64_t offset) { return offset >= end; });
      return offsets;
    };
    EXPECT_EQ(below(found.offsets), below(expected.offsets)) << what;
  }
  void expect_whole(const std::string& what) {
    inspect::verify(files_, "/one", {}, [&](const inspect::Fault& fault) {
      ADD_FAILURE() << what << ": " << fault.file << ":" << fault.position << ": " << fault.what;
    });
  }

  const std::vector<Step> history_ = make_history();
  const base::Uuid topic_id_ = base::Uuid::random();
  base::MemoryFileSystem files_;
  base::FaultyFileSystem faulty_{files_};
  base::ManualClock clock_;
  LogConfig config_;
  std::unique_ptr<LogManager> manager_;
  std::shared_ptr<Log> log_;
  std::map<std::int64_t, std::int32_t> sequences_;
  std::int64_t acknowledged_ = 0;  // of the history, by work()
};

}  // namespace storage::testing
