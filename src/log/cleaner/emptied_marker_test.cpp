// What a replay of the log makes of markers of which compaction left only the header.
#include <gtest/gtest.h>

#include "log/producer_snapshot.h"
#include "log/testing/compaction_fixture.h"

namespace storage {
namespace {

class EmptiedMarkerTest : public testing::CompactionFixture {};

// As two crashes of a broker left it: the snapshot in between knows the transaction as open, and of its marker behind the
// snapshot only the header is left.
TEST_F(EmptiedMarkerTest, AnEmptiedMarkerEndsWhatAnOlderSnapshotHasOpen) {
  const std::string large(600, 'x');
  open();
  put({{"a", large}});
  put({{"b", "bad"}}, {.producer_id = 1, .producer_epoch = 8, .base_sequence = 0, .transactional = true});
  log().roll();
  end_transaction(1, 9, false);
  put({{"c", large}});
  log().roll();
  put({{"d", "1"}});
  clean();      // the data goes,
  clean(true);  // the marker gets its horizon,
  clock_.advance_ms(1000);
  clean(true);  // and is emptied: its producer's epoch stays
  ASSERT_EQ(log().segment_count(), 3u);
  const auto snapshot = decode_producer_snapshot(base::read_file(files_, "/data/t-0/00000000000000000002.snapshot"));
  ASSERT_EQ(snapshot.size(), 1u);
  ASSERT_EQ(snapshot[0].current_transaction_first_offset, 1);
  const auto all = headers();
  ASSERT_EQ(all.size(), 4u);
  ASSERT_TRUE(all[1].is_control());
  ASSERT_EQ(all[1].base_offset, 2);
  ASSERT_EQ(all[1].record_count, 0);
  for (int crash = 0; crash < 3; ++crash) {
    SCOPED_TRACE(crash);
    restart(false, 3);
    EXPECT_EQ(log().last_stable_offset(), 5);
    EXPECT_EQ(read(true), read(false));
    const auto producers = log().active_producers();
    ASSERT_EQ(producers.size(), 1u);
    EXPECT_EQ(producers[0].producer_epoch, 9);
    EXPECT_EQ(producers[0].last_sequence, -1);
    EXPECT_EQ(producers[0].current_transaction_first_offset, -1);
    clean(true);
    EXPECT_EQ(headers().size(), all.size()) << "what ended the transaction has to stay";
  }
}

// A follower that was away for longer than markers are kept may have data whose end nobody can tell it any more. Kafka
// leaves such a transaction open; shown as committed, what was aborted would be seen.
TEST_F(EmptiedMarkerTest, AnEmptiedMarkerDoesNotEndATransactionThatHasData) {
  open();
  put({{"a", "1"}}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
  log().roll();
  base::Bytes marker = protocol::build_control_batch(1, 1, protocol::ControlType::abort, 0, clock_.wall_ms());
  marker.resize(protocol::kBatchHeaderSize);
  auto header = *protocol::read_batch_header(marker);
  header.base_offset = 1;
  header.partition_leader_epoch = 0;
  header.length = static_cast<std::int32_t>(protocol::kBatchHeaderSize - protocol::kBatchOverhead);
  header.record_count = 0;
  protocol::write_batch_header(marker, header);
  protocol::renew_crc(marker);
  AppendResult result = log().append_as_follower(marker);
  ASSERT_TRUE(result.ok()) << result.refusal.get().message;
  for (std::int64_t recovery_point : {0, 1}) {
    restart(false, recovery_point);
    EXPECT_EQ(log().log_end_offset(), 2);
    EXPECT_EQ(log().last_stable_offset(), 0);
    EXPECT_EQ(read(true).size(), 0u);
  }
}

}  // namespace
}  // namespace storage
