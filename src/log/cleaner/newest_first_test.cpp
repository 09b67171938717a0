// The dirty part mapped from its newest batch on, beside the same mapped from its oldest.
#include "log/cleaner/newest_first.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <tuple>

#include "log/testing/compaction_fixture.h"

namespace storage {
namespace {

using testing::BatchFields;
using testing::CompactionFixture;
using testing::kNull;

constexpr std::size_t kMapBytes = std::size_t{8} << 20;

class NewestFirstTest : public CompactionFixture {
 protected:
  // Some MB, of all codecs, small and large, of producers that are known and not.
  void fill(std::uint64_t seed, int batches) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < batches; ++i) {
      std::vector<std::pair<std::string, std::string>> records;
      for (std::size_t count = 1 + random() % 40; count > 0; --count) {
        std::string value;
        for (std::size_t words = random() % 200; words > 0; --words) value += std::to_string(random());
        records.emplace_back("key-" + std::to_string(random() % 2500), random() % 9 == 0 ? kNull : value);
      }
      BatchFields fields{.timestamp = clock_.wall_ms(), .codec = static_cast<base::Codec>(random() % 5)};
      if (const std::size_t producer = random() % 8; producer < sequences_.size()) {
        fields.producer_id = static_cast<std::int64_t>(producer);
        fields.producer_epoch = 0;
        fields.base_sequence = sequences_[producer];
        sequences_[producer] += static_cast<std::int32_t>(records.size());
      }
      put(records, fields);
    }
    log().roll();
  }
  void start_anew() {
    files_.remove_all("/data/t-0");
    clock_.advance_ms(began_ms_ - clock_.wall_ms());  // horizons are told by it
    sequences_.assign(6, 0);
    open();
  }
  Cleanable cleanable() { return find_cleanable(*log().cleaning_facts(), clock_.wall_ms()); }

  const std::int64_t began_ms_ = clock_.wall_ms();
  std::vector<std::int32_t> sequences_;
};

auto told(const CleanerStats& stats) {
  return std::make_tuple(stats.map_records_read, stats.bytes_written, stats.bytes_read, stats.records_read,
                         stats.records_written, stats.keyless_records, stats.map_utilization);
}

TEST_F(NewestFirstTest, ChangesNoByte) {
  config_.segment_bytes = 2 << 20;
  config_.index_interval_bytes = 4096;
  struct Made {
    std::vector<std::map<std::string, base::Bytes>> logs;
    std::vector<decltype(told({}))> stats;
    bool operator==(const Made&) const = default;
  };
  std::vector<Made> made;
  // With memory for all that stays, for some of it, and for nothing but the map.
  for (const std::size_t memory : {kMapBytes, std::size_t{1} << 20, std::size_t{240'000}, OffsetMap::kSlotBytes * 2600}) {
    for (const MapOrder order : {MapOrder::oldest_first, MapOrder::newest_first}) {
      options_.map_order = order;
      options_.map_bytes_max = memory;
      start_anew();
      Made& one = made.emplace_back();
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {  // behind the first there is a clean part
        fill(seed, 100);
        clean();
        clock_.advance_ms(config_.delete_retention_ms + 1);
        one.logs.push_back(log_bytes());
        one.stats.push_back(told(stats_));
      }
      if (made.size() % 2 == 0) {
        EXPECT_TRUE(made[made.size() - 2] == made.back()) << memory;
      }
    }
  }
}

TEST_F(NewestFirstTest, KeepsTheNewestAsFarAsTheMemoryGoes) {
  config_.segment_bytes = 1 << 20;
  start_anew();
  fill(1, 200);
  auto session = CleaningSession::try_begin(log_);
  const Cleanable what = cleanable();
  const auto sources = session->sources(what.first_uncleanable_offset);
  const auto dirty = find_dirty_pieces(*session, sources, what, {.records_max = 100'000, .all_batches = true});
  ASSERT_TRUE(dirty.has_value());
  std::size_t kept_before = 0;
  for (const std::size_t memory : {std::size_t{0}, std::size_t{300'000}, std::size_t{100} << 20}) {
    for (const bool with_helper : {false, true}) {
      OffsetMap offsets(kMapBytes, 0.9);
      NewestOffsets newest(0, 1 << 20);
      NewestFirst how{*session, sources, {clock_.wall_ms(), 1000, true, what.first_uncleanable_offset - 1}};
      how.memory_bytes_max = memory;
      how.with_helper = with_helper;
      std::uint64_t mapped = 0;
      how.on_mapped = [&](std::uint64_t, std::uint64_t records) { mapped += records; };
      const auto ready = how.map(*dirty, KeyHasher(), offsets, newest);
      ASSERT_TRUE(ready.has_value());
      EXPECT_EQ(mapped, dirty->records);
      std::vector<std::pair<std::size_t, std::uint64_t>> kept;
      for (std::size_t source = 0; source < ready->size(); ++source) {
        for (const ReadyPiece& piece : (*ready)[source]) kept.emplace_back(source, piece.position);
      }
      // They are the last ones, and in order.
      ASSERT_LE(kept.size(), dirty->pieces.size());
      for (std::size_t i = 0; i < kept.size(); ++i) {
        const DirtyPiece& piece = dirty->pieces[dirty->pieces.size() - kept.size() + i];
        EXPECT_EQ(kept[i], std::make_pair(piece.source, piece.position));
      }
      EXPECT_GE(kept.size(), kept_before);
      kept_before = kept.size();
    }
    if (memory == 0) {
      EXPECT_EQ(kept_before, 0u);
    }
  }
  EXPECT_EQ(kept_before, dirty->pieces.size());
}

// Many records of few keys leave what many keys take.
TEST_F(NewestFirstTest, WhatIsKeptGivesWayToTheMap) {
  config_.segment_bytes = 1 << 20;
  for (const int keys : {10, 20'000}) {
    start_anew();
    for (int i = 0; i < 400; ++i) {
      std::vector<std::pair<std::string, std::string>> records;
      for (int j = 0; j < 50; ++j) records.emplace_back("key-" + std::to_string((i * 50 + j) % keys), std::string(100, 'v'));
      put(records);
    }
    log().roll();
    auto session = CleaningSession::try_begin(log_);
    const Cleanable what = cleanable();
    const auto sources = session->sources(what.first_uncleanable_offset);
    const auto dirty = find_dirty_pieces(*session, sources, what, {.records_max = 100'000, .all_batches = true});
    ASSERT_TRUE(dirty.has_value());
    OffsetMap offsets(kMapBytes, 0.9);
    NewestOffsets newest(0, 1 << 20);
    NewestFirst how{*session, sources, {clock_.wall_ms(), 1000, true, what.first_uncleanable_offset - 1}};
    how.memory_bytes_max = std::size_t{1} << 20;
    const auto ready = how.map(*dirty, KeyHasher(), offsets, newest);
    ASSERT_TRUE(ready.has_value());
    std::size_t kept = 0;
    std::size_t bytes = offsets.memory_bytes();
    for (const auto& of_source : *ready) {
      kept += of_source.size();
      for (const ReadyPiece& piece : of_source) bytes += piece.output.size() + piece.batches.size() * sizeof(ReadyBatch);
    }
    EXPECT_LE(bytes, how.memory_bytes_max);
    if (keys == 10) {
      EXPECT_EQ(kept, dirty->pieces.size());
    } else {
      EXPECT_LT(kept, dirty->pieces.size() / 4);
    }
  }
}

// With log.cleaner.dedupe.buffer.size as it is by default.
TEST(NewestFirst, IsWorthItIfEnoughCanBeKept) {
  constexpr std::size_t kDefault = std::size_t{128} << 20;
  const OffsetMap offsets(kDefault, 0.9);
  const auto is_worth_it = [&](std::uint64_t records, std::uint64_t bytes) {
    return NewestFirst::is_worth_it(offsets, kDefault, {records, bytes});
  };
  EXPECT_TRUE(is_worth_it(0, 0));
  EXPECT_TRUE(is_worth_it(1'000'000, 512'000'000));
  EXPECT_TRUE(is_worth_it(1'800'000, 900'000'000));
  EXPECT_TRUE(is_worth_it(3'700'000, 185'000'000));
  EXPECT_FALSE(is_worth_it(3'000'000, 1'500'000'000)) << "some MB of it";
  EXPECT_FALSE(is_worth_it(1000, 4'000'000'000)) << "the same";
  EXPECT_FALSE(is_worth_it(5'000'000, 10'000'000)) << "nothing";
}

TEST_F(NewestFirstTest, WhatIsBrokenIsForTheOtherPassToSay) {
  start_anew();
  for (int i = 0; i < 20; ++i) put({{"key-" + std::to_string(i), std::to_string(i)}}, {.codec = base::Codec::lz4});
  log().roll();
  auto session = CleaningSession::try_begin(log_);
  const Cleanable what = cleanable();
  const auto sources = session->sources(what.first_uncleanable_offset);
  const auto dirty = find_dirty_pieces(*session, sources, what, {.records_max = 100, .all_batches = true});
  ASSERT_TRUE(dirty.has_value());
  auto file = files_.open("/data/t-0/00000000000000000000.log", base::OpenMode::read_write);
  base::Bytes last(1);
  file->read_at(file->size() - 1, last);
  last[0] ^= 1;
  file->write_at(file->size() - 1, last);
  OffsetMap offsets(kMapBytes, 0.9);
  NewestOffsets newest(0, 1 << 20);
  const NewestFirst how{*session, sources, {}};
  EXPECT_FALSE(how.map(*dirty, KeyHasher(), offsets, newest).has_value());
}

TEST_F(NewestFirstTest, PiecesCoverWhatIsDirty) {
  config_.segment_bytes = 1 << 20;
  start_anew();
  fill(1, 100);
  const std::int64_t first_dirty = clean();
  fill(2, 100);
  auto session = CleaningSession::try_begin(log_);
  const Cleanable what = cleanable();
  ASSERT_EQ(what.first_dirty_offset, first_dirty);
  const auto sources = session->sources(what.first_uncleanable_offset);
  const auto dirty = find_dirty_pieces(*session, sources, what, {.records_max = 100'000, .all_batches = true});
  ASSERT_TRUE(dirty.has_value());
  std::size_t source = sources.size();
  std::uint64_t position = 0;
  std::uint64_t bytes = 0;
  for (const DirtyPiece& piece : dirty->pieces) {
    if (piece.source != source) position = 0;
    source = piece.source;
    EXPECT_GE(sources.at(source).base_offset, first_dirty);
    EXPECT_EQ(piece.position, position);
    position += piece.size;
    bytes += piece.size;
  }
  EXPECT_EQ(bytes, what.cleanable_bytes);
  EXPECT_GT(dirty->pieces.size(), bytes >> 18);
  EXPECT_FALSE(find_dirty_pieces(*session, sources, what, {.records_max = dirty->records - 1, .all_batches = true}));
  DirtyPiecesWanted less{.records_max = dirty->records, .all_batches = true};
  less.is_too_much = [&](const DirtyAmount& found) { return found.records == dirty->records && found.bytes == bytes; };
  EXPECT_FALSE(find_dirty_pieces(*session, sources, what, less));
}

// Or what is known of each would take far more memory than the piece does.
TEST_F(NewestFirstTest, APieceHasNoMoreRecordsThanItMay) {
  config_.segment_bytes = 1 << 20;
  start_anew();
  const std::vector<std::pair<std::string, std::string>> records(5000, {"key", ""});
  for (int i = 0; i < 7; ++i) put(records, {.codec = base::Codec::zstd});
  log().roll();
  auto session = CleaningSession::try_begin(log_);
  const Cleanable what = cleanable();
  const auto sources = session->sources(what.first_uncleanable_offset);
  const auto dirty = find_dirty_pieces(*session, sources, what, {.records_max = 100'000, .all_batches = true});
  ASSERT_TRUE(dirty.has_value());
  ASSERT_EQ(dirty->pieces.size(), 3u);
  EXPECT_EQ(dirty->pieces[0].records, 15'000u);
  EXPECT_EQ(dirty->pieces[1].first_offset, 15'000);
  EXPECT_EQ(dirty->pieces[1].last_offset, 29'999);
}

TEST_F(NewestFirstTest, OnlyForPlainData) {
  config_.segment_bytes = 100 << 20;
  const auto found = [&](bool all_batches) {
    log().roll();
    auto session = CleaningSession::try_begin(log_);
    const Cleanable what = cleanable();
    return find_dirty_pieces(*session, session->sources(what.first_uncleanable_offset), what,
                             {.records_max = 100'000, .all_batches = all_batches})
        .has_value();
  };
  const auto many = [&](const BatchFields& fields) {
    start_anew();
    std::mt19937_64 random(1);
    for (int i = 0; i < 100; ++i) {
      std::string value;
      while (value.size() < 20'000) value += std::to_string(random());
      put({{"key", value}}, fields);
    }
  };
  many({.codec = base::Codec::lz4});
  EXPECT_TRUE(found(false));
  many({});
  EXPECT_FALSE(found(false)) << "not compressed";
  EXPECT_TRUE(found(true));
  start_anew();
  for (int i = 0; i < 100; ++i) put({{"key", "value"}}, {.codec = base::Codec::lz4});
  EXPECT_FALSE(found(false)) << "small";
  EXPECT_TRUE(found(true));
  start_anew();
  put({{"key", "value"}}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
  end_transaction(1, 0, true);
  EXPECT_FALSE(found(true)) << "of a transaction";
}

}  // namespace
}  // namespace storage
