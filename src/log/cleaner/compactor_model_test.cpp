// Random histories against a model, and cleanings that are cut off at every file call: the newest value of each key is
// there, offsets and times never change, read_committed shows no aborted data, and producers go on.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <random>

#include "base/faulty_file_system.h"
#include "log/testing/compaction_fixture.h"

namespace storage {
namespace {

using testing::BatchFields;
using testing::CompactionFixture;
using testing::KeyedRecord;
using testing::kNull;

// All that was ever written, and how it ended.
struct Model {
  struct Entry {
    KeyedRecord record;
    bool aborted = false;
  };
  std::vector<Entry> entries;

  const Entry* find(std::int64_t offset) const {
    auto at = std::lower_bound(entries.begin(), entries.end(), offset,
                               [](const Entry& one, std::int64_t value) { return one.record.offset < value; });
    return at != entries.end() && at->record.offset == offset ? &*at : nullptr;
  }
  // Of what read_committed may see below `bound`.
  std::map<std::string, std::int64_t> newest(std::int64_t bound) const {
    std::map<std::string, std::int64_t> result;
    for (const Entry& entry : entries) {
      if (!entry.aborted && entry.record.offset < bound) result[entry.record.key] = entry.record.offset;
    }
    return result;
  }
};

class History {
 public:
  History(std::uint64_t seed, int keys) : random_(seed), keys_(keys) {}

  std::uint64_t pick(std::uint64_t bound) { return random_() % bound; }
  std::string key() { return "key-" + std::to_string(pick(static_cast<std::uint64_t>(keys_))); }
  std::string value() {
    if (pick(5) == 0) return kNull;
    return std::to_string(pick(1'000'000)) + std::string(pick(40), 'v');
  }
  std::vector<std::pair<std::string, std::string>> records() {
    std::vector<std::pair<std::string, std::string>> result(1 + pick(4));
    for (auto& [key_text, value_text] : result) std::tie(key_text, value_text) = std::make_tuple(key(), value());
    return result;
  }
  base::Codec codec() { return pick(2) == 0 ? base::Codec::none : static_cast<base::Codec>(pick(5)); }

 private:
  std::mt19937_64 random_;
  int keys_;
};

class ModelTest : public CompactionFixture {
 protected:
  struct Producer {
    std::int64_t id = 0;
    std::int32_t sequence = 0;
    bool transactional = false;
    bool open = false;
    std::vector<std::size_t> entries;  // of the open transaction
  };

  void start(std::uint64_t seed, int keys) {
    files_.remove_all("/data");
    files_.create_directories("/data/t-0");
    files_.sync_everything();
    model_ = {};
    history_.emplace(seed, keys);
    producers_.clear();
    for (std::int64_t id = 1; id <= 6; ++id) producers_.push_back({id, 0, with_transactions_ && id % 2 == 0, false, {}});
    open();
  }

  void start_seed(std::uint64_t seed) {
    with_transactions_ = seed % 5 > 1;  // with them the newest can't come first
    options_.map_order = seed % 2 == 0 ? MapOrder::oldest_first : MapOrder::newest_first;
    start(seed, seed % 4 == 0 ? 200 : 15);
  }

  void append_some() {
    auto records = history_->records();
    BatchFields fields{.timestamp = clock_.wall_ms(), .codec = history_->codec()};
    Producer* producer = history_->pick(3) == 0 ? nullptr : &producers_[history_->pick(producers_.size())];
    if (producer != nullptr) {
      fields.producer_id = producer->id;
      fields.producer_epoch = 0;
      fields.base_sequence = producer->sequence;
      fields.transactional = producer->transactional;
      producer->sequence += static_cast<std::int32_t>(records.size());
    }
    AppendResult result = put(records, fields);
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (producer != nullptr && producer->transactional) {
        producer->open = true;
        producer->entries.push_back(model_.entries.size());
      }
      std::int64_t delta = static_cast<std::int64_t>(i);
      model_.entries.push_back(
          {{result.first_offset + delta, records[i].first, records[i].second, fields.timestamp + delta}, false});
    }
    clock_.advance_ms(static_cast<std::int64_t>(history_->pick(30)));
  }
  void end_one_transaction() {
    Producer& producer = producers_[history_->pick(producers_.size())];
    if (!producer.open) return;
    bool commit = history_->pick(2) == 0;
    end_transaction(producer.id, 0, commit);
    if (!commit) {
      for (std::size_t index : producer.entries) model_.entries[index].aborted = true;
    }
    producer.open = false;
    producer.entries.clear();
  }

  // Below `clean_to` each key may be there once; from `whole_from` on nothing may be missing.
  void check(std::int64_t clean_to, const std::string& what) { check(clean_to, clean_to, what); }
  void check(std::int64_t clean_to, std::int64_t whole_from, const std::string& what) {
    const std::int64_t stable = log().last_stable_offset();
    for (bool committed : {false, true}) {
      std::set<std::string> seen_clean;
      std::map<std::string, std::int64_t> last_seen;
      std::set<std::int64_t> offsets;
      for (const KeyedRecord& record : read(committed, committed ? 1 << 20 : 1)) {
        const Model::Entry* entry = model_.find(record.offset);
        ASSERT_NE(entry, nullptr) << what << " " << record;
        ASSERT_EQ(entry->record, record) << what;
        if (committed) {
          EXPECT_FALSE(entry->aborted) << what << " " << record;
        }
        if (record.offset < clean_to) {
          EXPECT_TRUE(seen_clean.insert(record.key).second) << what << " " << record;
          EXPECT_FALSE(entry->aborted) << what << " " << record;
        }
        last_seen[record.key] = record.offset;
        offsets.insert(record.offset);
      }
      if (!committed) continue;
      for (const auto& [key, offset] : model_.newest(stable)) {
        const KeyedRecord& newest = model_.find(offset)->record;
        if (newest.value != kNull) {
          EXPECT_EQ(last_seen[key], offset) << what << " " << newest;
        } else if (last_seen.contains(key)) {
          EXPECT_EQ(last_seen[key], offset) << what << " shows what was deleted by " << newest;
        }
      }
      for (const Model::Entry& entry : model_.entries) {
        if (entry.aborted || entry.record.offset < whole_from || entry.record.offset >= stable) continue;
        EXPECT_TRUE(offsets.contains(entry.record.offset)) << what << " lacks " << entry.record;
      }
    }
  }

  void check_producers(const std::string& what) {
    std::map<std::int64_t, std::int32_t> last;
    for (const ActiveProducer& producer : log().active_producers()) {
      last[producer.producer_id] = producer.last_sequence;
    }
    for (const Producer& producer : producers_) {
      if (producer.sequence > 0) {
        EXPECT_EQ(last[producer.id], producer.sequence - 1) << what << " producer " << producer.id;
      }
    }
  }

  bool with_transactions_ = true;
  Model model_;
  std::optional<History> history_;
  std::vector<Producer> producers_;
};

TEST_F(ModelTest, RandomHistories) {
  const std::uint64_t seeds = std::getenv("MILENA_LONG") != nullptr ? 1000 : 24;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    config_.segment_bytes = 400 + static_cast<std::int64_t>(seed % 7) * 400;
    options_.map_bytes_max = seed % 3 == 0 ? OffsetMap::kSlotBytes * 12 : 1 << 20;
    start_seed(seed);
    std::int64_t clean_to = 0;
    std::int64_t whole_from = 0;  // with a small map, a cleaning from the start doesn't come as far as one before
    for (int step = 0; step < 300; ++step) {
      const std::string what = "seed " + std::to_string(seed) + " step " + std::to_string(step);
      switch (history_->pick(40)) {
        case 0:
          log().roll();
          break;
        case 1:
          clean_to = clean();
          whole_from = std::max(whole_from, clean_to);
          check(clean_to, whole_from, what + " clean");
          break;
        case 2:
          clean_to = clean(true);
          whole_from = std::max(whole_from, clean_to);
          check(clean_to, whole_from, what + " clean anew");
          break;
        case 3:
          restart(history_->pick(2) == 0, static_cast<std::int64_t>(history_->pick(2)) * log().recovery_point());
          check(clean_to, whole_from, what + " restart");
          break;
        case 4:
          log().flush();
          clock_.advance_ms(static_cast<std::int64_t>(history_->pick(1500)));
          break;
        case 5:
        case 6:
        case 7:
        case 8:
        case 9:
          end_one_transaction();
          break;
        default:
          append_some();
      }
      if (HasFailure()) return;
    }
    check_producers("seed " + std::to_string(seed));
    // Once all is decided and old, cleaning comes to rest: the same bytes again.
    for (int i = 0; i < 100; ++i) end_one_transaction();
    log().roll();
    for (int pass = 0; pass < 4; ++pass) {
      for (std::int64_t end = -1; std::exchange(end, clean(pass > 0 && end < 0)) != end;) {
      }
      clock_.advance_ms(2000);
    }
    auto bytes = log_bytes();
    std::int64_t end = log().log_end_offset();
    options_.map_bytes_max = 1 << 20;
    clean_to = clean(true);
    EXPECT_EQ(log_bytes() == bytes, true) << seed;
    check(clean_to, "seed " + std::to_string(seed) + " at rest");
    // The state of producers can be told from the log alone.
    log().close();
    for (const std::string& name : names()) {
      if (name.ends_with(".snapshot")) files_.remove("/data/t-0/" + name);
    }
    open();
    check_producers("seed " + std::to_string(seed) + " without snapshots");
    EXPECT_EQ(log().log_end_offset(), end);
    if (HasFailure()) return;
  }
}

// --- A cleaning that is cut off ---

// With transactions the dirty part is mapped from its oldest batch on, whatever is asked for.
class CutOffTest : public ModelTest, public ::testing::WithParamInterface<MapOrder> {
 protected:
  CutOffTest() {
    options_.map_order = GetParam();
    with_transactions_ = GetParam() == MapOrder::oldest_first;
  }
  base::FileSystem& file_system() override { return faulty_; }

  // A log that lies safely on the disk, with a good deal to clean; and a first cleaning behind it.
  void prepare() {
    faulty_.set_fault({});
    config_.segment_bytes = 700;
    start(42, 10);
    for (int i = 0; i < 24; ++i) {
      append_some();
      if (i % 3 == 0) end_one_transaction();
      if (i == 12) {
        log().roll();
        clean();
      }
    }
    for (int i = 0; i < 30; ++i) end_one_transaction();
    log().roll();
    log().flush();
    clock_.advance_ms(5000);
    files_.sync_everything();
    end_ = log().log_end_offset();
  }

  // True if the cleaning ran to its end.
  bool clean_with(const base::Fault& fault) {
    faulty_.set_fault(fault);
    try {
      clean();
    } catch (const std::system_error&) {
      EXPECT_TRUE(faulty_.fault_met());
      return false;
    }
    return true;
  }

  void come_back(std::int64_t recovery_point, const std::string& what) {
    std::int64_t start = log().log_start_offset();
    faulty_.set_fault({});
    open({.clean_shutdown = false, .recovery_point = recovery_point, .log_start_offset = start});
    ASSERT_EQ(log().log_end_offset(), end_) << what;
    check(0, end_, what);
    check_producers(what);
    for (const std::string& name : names()) {
      EXPECT_FALSE(name.ends_with(".cleaned") || name.ends_with(".swap") || name.ends_with(".deleted"))
          << what << " " << name;
    }
    // And it can be cleaned from anew.
    log().set_first_dirty_offset(std::nullopt);
    check(clean(), what + ", cleaned again");
  }

  base::FaultyFileSystem faulty_{files_};
  std::int64_t end_ = 0;
};

TEST_P(CutOffTest, EveryFileCallFails) {
  std::uint64_t calls = 0;
  for (bool persistent : {false, true}) {
    for (std::uint64_t call = 1;; ++call) {
      prepare();
      base::Fault fault{
          .call = call, .error = persistent ? EIO : ENOSPC, .persistent = persistent, .half_written = !persistent};
      bool whole = clean_with(fault);
      come_back(call % 2 == 0 ? end_ : 0, "call " + std::to_string(call));
      if (HasFailure()) return;
      calls = call;
      if (whole) break;
    }
    EXPECT_GT(calls, 60u);
  }
}

TEST_P(CutOffTest, PowerIsLostAtEveryFileCall) {
  using base::UnsyncedBytes;
  std::uint64_t calls = 0;
  for (auto unsynced : {UnsyncedBytes::lost, UnsyncedBytes::zeroed, UnsyncedBytes::torn, UnsyncedBytes::kept}) {
    for (std::uint64_t call = 1;; ++call) {
      prepare();
      bool whole = clean_with({.call = call, .persistent = true, .changes_only = true});
      files_.lose_power(unsynced);
      // With all of it below the recovery point, so that no recovery mends what isn't whole.
      come_back(end_, "mode " + std::to_string(static_cast<int>(unsynced)) + " call " + std::to_string(call));
      if (HasFailure()) return;
      calls = call;
      if (whole) break;
    }
  }
  EXPECT_GT(calls, 40u);
}

INSTANTIATE_TEST_SUITE_P(Orders, CutOffTest, ::testing::Values(MapOrder::oldest_first, MapOrder::newest_first));

}  // namespace
}  // namespace storage
