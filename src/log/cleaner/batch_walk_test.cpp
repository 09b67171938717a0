// The order of the steps, faults in the middle, an end in the middle, how far it reads ahead: with and without a helper.
#include "log/cleaner/batch_walk.h"

#include <gtest/gtest.h>

#include <random>
#include <system_error>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "log/corrupt_file.h"
#include "protocol/legacy_records.h"
#include "protocol/record_batch_builder.h"

namespace storage {
namespace {

constexpr const char* kPath = "/log";
constexpr std::size_t kLargeBytes = BatchWalk::kAheadBytes + (std::size_t{512} << 10);

class BatchWalkTest : public ::testing::TestWithParam<bool> {
 protected:
  struct Made {
    std::uint64_t position;
    base::Bytes bytes;
    std::int64_t record_count;
  };

  // Some 5 MB: small and large ones, entries of an old format, and one that is larger than all that is read ahead.
  BatchWalkTest() {
    std::mt19937 random(5);
    base::Bytes noise(kLargeBytes);
    std::independent_bits_engine<std::mt19937, 32, std::uint32_t> words(6);
    for (std::size_t i = 0; i < noise.size(); i += 4) base::store_big_endian(noise.data() + i, words());
    for (int i = 0; i < 500; ++i) {
      if (i % 50 == 7) {
        add_legacy(i % 100 == 7);
        continue;
      }
      const std::size_t size = i == 300 ? kLargeBytes : random() % 400;
      protocol::RecordBatchBuilder builder;
      for (std::size_t count = i == 300 ? 1 : 1 + random() % 40; count > 0; --count) {
        protocol::NewRecord record;
        record.value = base::ByteView(noise).subspan(random() % (noise.size() - size + 1), size);
        builder.append(record);
      }
      base::Bytes batch = builder.build(i % 2 == 0 ? base::Codec::lz4 : base::Codec::none);
      protocol::set_base_offset(batch, next_offset_);
      add(std::move(batch));
    }
    auto file = memory_.open(kPath, base::OpenMode::create);
    for (const Made& one : made_) file->write_at(one.position, one.bytes);
    source_.size = size_;
  }

  void add_legacy(bool compressed) {
    base::Bytes entry;
    protocol::append_legacy_entry(entry, 1, compressed ? 0 : next_offset_, 0, 5, std::nullopt, base::as_bytes("v"));
    base::Bytes wrapper;
    protocol::append_legacy_wrapper(wrapper, 1, base::Codec::gzip, entry, next_offset_, 0, 5);
    add(compressed ? wrapper : entry);
  }
  void add(base::Bytes batch) {
    const auto header = *protocol::read_batch_header(batch);
    next_offset_ = header.next_offset();
    made_.push_back({size_, std::move(batch), std::max(header.record_count, 1)});
    size_ += made_.back().bytes.size();
  }

  // Walks until it has taken so many, and checks each. How many it took.
  std::size_t walk(BatchWalk& walk, std::size_t until) {
    std::size_t looked_at = 0;
    std::size_t taken = 0;
    BatchWalk::Steps steps;
    steps.look = [&](WalkedBatch& batch) {
      ASSERT_LT(looked_at, made_.size());
      EXPECT_EQ(batch.scanned.position, made_[looked_at].position);
      batch.fate.aborted = looked_at % 3 == 0;
      ++looked_at;
      ahead_max_ = std::max<std::uint64_t>(ahead_max_, batch.scanned.position - (taken == 0 ? 0 : made_[taken].position));
    };
    steps.work = [&](WalkedPiece& piece, WalkedBatch& batch, std::size_t worker) {
      EXPECT_LT(worker, GetParam() ? 2u : 1u);
      batch.begin = piece.output.size();
      piece.output.insert(piece.output.end(), batch.scanned.bytes.begin(), batch.scanned.bytes.end());
      batch.end = piece.output.size();
      protocol::RecordReader reader(batch.scanned.bytes);
      protocol::Record record;
      while (reader.next(record)) ++batch.records_read;
    };
    steps.take = [&](WalkedPiece& piece, WalkedBatch& batch) {
      const Made& expected = made_[taken];
      EXPECT_EQ(batch.scanned.position, expected.position);
      EXPECT_EQ(batch.fate.aborted, taken % 3 == 0);
      EXPECT_EQ(batch.records_read, static_cast<std::uint64_t>(expected.record_count));
      const auto output = base::ByteView(piece.output).subspan(batch.begin, batch.end - batch.begin);
      EXPECT_TRUE(std::equal(output.begin(), output.end(), expected.bytes.begin(), expected.bytes.end()));
      taken_ = ++taken;
      return taken < until;
    };
    auto file = files_.open(kPath, base::OpenMode::read);
    walk.walk(*file, kPath, source_, steps);
    return taken;
  }
  void flip(std::uint64_t position) {
    auto file = memory_.open(kPath, base::OpenMode::read_write);
    base::Bytes byte(1);
    file->read_at(position, byte);
    byte[0] ^= 0x55;
    file->write_at(position, byte);
  }

  base::MemoryFileSystem memory_;
  base::FaultyFileSystem files_{memory_};
  std::vector<Made> made_;
  std::uint64_t size_ = 0;
  std::int64_t next_offset_ = 0;
  CleaningSource source_;
  std::size_t taken_ = 0;
  std::uint64_t ahead_max_ = 0;
};

TEST_P(BatchWalkTest, TakesAllInOrderAndReadsNoFurtherThanItMay) {
  BatchWalk batches(GetParam());
  for (int again = 0; again < 2; ++again) EXPECT_EQ(walk(batches, made_.size() + 1), made_.size());
  // What is ahead, what is being taken, and the large batch.
  constexpr std::uint64_t kPieceBytes = std::uint64_t{256} << 10;
  EXPECT_LE(ahead_max_, (GetParam() ? BatchWalk::kAheadBytes : 0) + 2 * kPieceBytes + kLargeBytes + 100'000);
}

TEST_P(BatchWalkTest, MayEndAnywhereAndGoOnWithAnother) {
  BatchWalk batches(GetParam());
  for (const std::size_t until : std::initializer_list<std::size_t>{1, 2, 300, 301, 302, 499}) EXPECT_EQ(walk(batches, until), until);
  EXPECT_EQ(walk(batches, made_.size() + 1), made_.size());
}

TEST_P(BatchWalkTest, AFaultComesAfterAllThatIsInFrontOfIt) {
  BatchWalk batches(GetParam());
  for (const std::size_t broken : std::initializer_list<std::size_t>{0, 40, 300, 301, 499}) {
    const std::uint64_t last_byte = made_[broken].position + made_[broken].bytes.size() - 1;
    flip(last_byte);
    try {
      walk(batches, made_.size() + 1);
      ADD_FAILURE() << "no fault in " << broken;
    } catch (const CorruptFile& error) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(made_[broken].position)), std::string::npos) << error.what();
    }
    EXPECT_EQ(taken_, broken);
    // Who ends in front of it never hears of it.
    if (broken > 0) {
      EXPECT_EQ(walk(batches, broken), broken);
    }
    flip(last_byte);
    taken_ = 0;
  }
  // No batch at all, and a file that is too short.
  flip(made_[200].position + 16);
  EXPECT_THROW(walk(batches, made_.size() + 1), CorruptFile);
  EXPECT_EQ(taken_, 200u);
  flip(made_[200].position + 16);
  source_.size -= 1;
  EXPECT_THROW(walk(batches, made_.size() + 1), CorruptFile);
  EXPECT_EQ(taken_, 499u);
}

TEST_P(BatchWalkTest, AFailedReadComesInItsPlaceToo) {
  BatchWalk batches(GetParam());
  std::size_t taken_before = 0;
  bool failed = true;
  int failing = 0;
  for (; failed; failing += 3) {
    int reads = 0;
    files_.set_before_read([&] {
      if (reads++ == failing) throw std::system_error(EIO, std::generic_category(), "read");
    });
    taken_ = 0;
    try {
      walk(batches, made_.size() + 1);
      failed = false;
    } catch (const std::system_error&) {
      EXPECT_LT(taken_, made_.size());
    }
    EXPECT_GE(taken_, taken_before);
    taken_before = taken_;
  }
  EXPECT_EQ(taken_, made_.size());
  EXPECT_GT(failing, 10);
}

TEST_P(BatchWalkTest, WhatAStepThrowsComesThrough) {
  BatchWalk batches(GetParam());
  auto file = files_.open(kPath, base::OpenMode::read);
  int taken = 0;
  BatchWalk::Steps steps;
  steps.look = [](WalkedBatch&) {};
  steps.work = [&](WalkedPiece&, WalkedBatch& batch, std::size_t) {
    if (batch.scanned.position == made_[70].position) throw protocol::InvalidRecord("odd");
  };
  steps.take = [&](WalkedPiece&, WalkedBatch&) { return ++taken > 0; };
  EXPECT_THROW(batches.walk(*file, kPath, source_, steps), CorruptFile);
  EXPECT_EQ(taken, 70);
  steps.take = [&](WalkedPiece&, WalkedBatch&) -> bool { throw std::logic_error("enough"); };
  EXPECT_THROW(batches.walk(*file, kPath, source_, steps), std::logic_error);
  steps.look = [](WalkedBatch&) { throw protocol::InvalidRecord("odd"); };
  EXPECT_THROW(batches.walk(*file, kPath, source_, steps), CorruptFile);
}

INSTANTIATE_TEST_SUITE_P(Helped, BatchWalkTest, ::testing::Bool());

}  // namespace
}  // namespace storage
