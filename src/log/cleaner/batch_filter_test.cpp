// What is made of a batch with and without NewestOffsets: the same, with less work.
#include "log/cleaner/batch_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "protocol/record_batch_builder.h"

namespace storage {
namespace {

using protocol::BatchHeader;

class BatchFilterTest : public ::testing::Test {
 protected:
  struct Made {
    base::Bytes out;
    FilteredBatch result;
  };

  // As the compactor does for its dirty part.
  void map_batch(base::ByteView batch) {
    protocol::RecordReader reader(batch);
    protocol::Record record;
    while (reader.next(record)) {
      newest_.add(record.offset);
      std::int64_t replaced = -1;
      if (!record.key) continue;
      ASSERT_TRUE(map_.put(hasher_(*record.key), record.offset, replaced));
      newest_.drop(replaced);
    }
    rules_.mapped_to = reader.header().last_offset();
  }

  Made made_of(base::ByteView batch, const NewestOffsets& newest) {
    BatchFilter filter(map_, hasher_, newest);
    Made made;
    made.result = filter.filter(batch, *protocol::read_batch_header(batch), fate_, rules_, made.out);
    return made;
  }

  base::Bytes batch_of(std::mt19937& random, std::int64_t base_offset, base::Codec codec) {
    protocol::RecordBatchBuilder builder;
    const auto count = 1 + random() % 40;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string key = "key-" + std::to_string(random() % 60);
      const std::string value(random() % 200, 'v');
      protocol::NewRecord record;
      if (random() % 50 != 0) record.key = base::as_bytes(key);
      if (random() % 8 != 0) record.value = base::as_bytes(value);
      record.timestamp = 1'700'000'000'000 + static_cast<std::int64_t>(random() % 1000);
      builder.append(record);
    }
    base::Bytes batch = builder.build(codec);
    protocol::set_base_offset(batch, base_offset);
    return batch;
  }

  KeyHasher hasher_{1, 2};
  OffsetMap map_{1 << 20, 0.9};
  NewestOffsets newest_{0, 1 << 16};
  const NewestOffsets nothing_{0, 0};
  FilterRules rules_{1'800'000'000'000, 1000, true, -1};
  BatchFate fate_;
};

TEST_F(BatchFilterTest, NewestOffsetsChangeNothing) {
  std::mt19937 random(11);
  std::vector<base::Bytes> batches;
  std::int64_t next_offset = 0;
  for (int i = 0; i < 150; ++i) {
    batches.push_back(batch_of(random, next_offset, static_cast<base::Codec>(random() % 5)));
    const BatchHeader header = *protocol::read_batch_header(batches.back());
    next_offset = header.next_offset() + static_cast<std::int64_t>(random() % 30);
    if (i < 120) map_batch(batches.back());  // the others are behind what is mapped
  }
  rules_.mapped_to -= 3;  // as if the map had been full within a batch
  int emptied = 0;
  for (const base::Bytes& batch : batches) {
    for (const bool header_stays : {false, true}) {
      fate_.header_stays = header_stays;
      const Made with = made_of(batch, newest_);
      const Made without = made_of(batch, nothing_);
      ASSERT_EQ(with.out, without.out);
      EXPECT_EQ(with.result.size, without.result.size);
      EXPECT_EQ(with.result.max_timestamp, without.result.max_timestamp);
      EXPECT_EQ(with.result.records_read, without.result.records_read);
      EXPECT_EQ(with.result.records_kept, without.result.records_kept);
      EXPECT_EQ(with.result.keyless, without.result.keyless);
      emptied += with.result.records_kept == 0 ? 1 : 0;
      // Cleaned once more, with gaps in it.
      if (with.out.empty()) continue;
      ASSERT_EQ(made_of(with.out, newest_).out, made_of(with.out, nothing_).out);
    }
  }
  EXPECT_GT(emptied, 20);
}

TEST_F(BatchFilterTest, ABatchOfWhichNothingStaysIsNotUnpacked) {
  std::mt19937 random(5);
  base::Bytes batch = batch_of(random, 0, base::Codec::zstd);
  const BatchHeader header = *protocol::read_batch_header(batch);
  rules_.mapped_to = header.last_offset();
  batch.resize(protocol::kBatchHeaderSize);
  EXPECT_ANY_THROW(made_of(batch, nothing_));
  const Made made = made_of(batch, newest_);
  EXPECT_EQ(made.result.size, 0u);
  EXPECT_EQ(made.result.records_read, header.record_count);
  EXPECT_EQ(made.result.records_kept, 0);
  fate_.header_stays = true;
  EXPECT_EQ(made_of(batch, newest_).out.size(), protocol::kBatchHeaderSize);
}

}  // namespace
}  // namespace storage
