// The formats of the files beside the segments, against Kafka's own bytes where there are some.
#include <gtest/gtest.h>

#include <memory>
#include <sstream>

#include "base/memory_file_system.h"
#include "base/testing/temp_dir.h"
#include "log/checkpoint_file.h"
#include "log/leader_epoch_cache.h"
#include "log/meta_properties.h"
#include "log/offset_index.h"
#include "log/partition_metadata.h"
#include "log/producer_snapshot.h"
#include "log/testing/golden.h"
#include "log/time_index.h"
#include "log/topic_partition.h"
#include "log/transaction_index.h"

namespace storage {
namespace {

std::string text_of(base::FileSystem& files, const std::string& path) {
  return std::string(base::as_text(base::read_file(files, path)));
}

TEST(PartitionDirectories, SplitAtTheLastDash) {
  auto parsed = parse_partition_directory("a-b.c_d-12");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->kind, DirectoryKind::partition);
  EXPECT_EQ(parsed->topic_partition, (TopicPartition{"a-b.c_d", 12}));
  parsed = parse_partition_directory("t-0.0123456789abcdef0123456789abcdef-delete");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->kind, DirectoryKind::to_delete);
  EXPECT_EQ(parsed->topic_partition, (TopicPartition{"t", 0}));
  EXPECT_EQ(parse_partition_directory("t-0.0123456789abcdef0123456789abcdef-future")->kind, DirectoryKind::future);
  EXPECT_EQ(parse_partition_directory("t-0.0123456789abcdef0123456789abcdef-stray")->kind, DirectoryKind::stray);
  for (const char* bad :
       {"lost+found", "t", "-1", "t-", "t-x", "t-1x", "t--", "t-0.0123-delete", "t-99999999999", ""}) {
    EXPECT_FALSE(parse_partition_directory(bad)) << bad;
  }
}

TEST(PartitionDirectories, DeletedNamesFit) {
  std::string name = deleted_directory_name({std::string(249, 't'), 12345});
  EXPECT_LE(name.size(), 255u);
  EXPECT_EQ(parse_partition_directory(name)->kind, DirectoryKind::to_delete);
  EXPECT_NE(deleted_directory_name({"t", 0}), deleted_directory_name({"t", 0}));
}

TEST(FileNames, HaveTwentyDigits) {
  EXPECT_EQ(file_name(42, kLogSuffix), "00000000000000000042.log");
  EXPECT_EQ(file_name(9223372036854775807, kIndexSuffix), "09223372036854775807.index");
  auto parsed = parse_file_name("00000000000000000042.log.deleted");
  EXPECT_EQ(parsed->offset, 42);
  EXPECT_EQ(parsed->suffix, ".log.deleted");
  EXPECT_FALSE(parse_file_name("leader-epoch-checkpoint"));
  EXPECT_FALSE(parse_file_name("99999999999999999999.log"));
}

TEST(OffsetCheckpoints, RoundTrip) {
  OffsetCheckpoint offsets{{{"a-topic.x", 3}, 17}, {{"b", 0}, 0}};
  std::string text = encode_offset_checkpoint(offsets);
  EXPECT_EQ(text, "0\n2\na-topic.x 3 17\nb 0 0\n");
  EXPECT_EQ(decode_offset_checkpoint(base::as_bytes(text)), offsets);
  EXPECT_EQ(decode_offset_checkpoint(base::as_bytes("0\n1\nb 0 5")).at({"b", 0}), 5);
  EXPECT_TRUE(decode_offset_checkpoint({}).empty());
  EXPECT_EQ(encode_offset_checkpoint({}), "0\n0\n");
}

TEST(OffsetCheckpoints, DamageIsNoticed) {
  for (const char* bad : {"1\n0\n", "0\n", "0\nx\n", "0\n-1\n", "0\n2\nt 0 1\n", "0\n1\nt 0 1\nt 1 1\n", "0\n1\nt 0\n",
                          "0\n1\nt 0 1 2\n", "0\n1\nt x 1\n", "0\n1\nt 0 99999999999999999999\n", "\n"}) {
    EXPECT_THROW((void)decode_offset_checkpoint(base::as_bytes(bad)), CorruptFile) << bad;
  }
}

class LeaderEpochs : public ::testing::Test {
 protected:
  LeaderEpochs() { files_.create_directories("/d"); }
  base::MemoryFileSystem files_;
};

TEST_F(LeaderEpochs, AssignmentsReplaceWhatTheyContradict) {
  LeaderEpochCache cache(files_, "/d");
  cache.assign(0, 0);
  cache.assign(1, 10);
  cache.assign(1, 15);
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{0, 0}, {1, 10}}));
  cache.assign(3, 10);  // epoch 1 had no records
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{0, 0}, {3, 10}}));
  cache.assign(2, 20);
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{0, 0}, {2, 20}}));
  cache.flush(false);
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n2\n0 0\n2 20\n");
  EXPECT_EQ(LeaderEpochCache(files_, "/d").entries(), cache.entries());
}

TEST_F(LeaderEpochs, AfterACrashTheBeginningOfAFileGoes) {
  const std::string whole = "0\n2\n1 10\n3 -1\n";
  const auto put = [&](const std::string& text) {
    base::write_file_atomically(files_, "/d/leader-epoch-checkpoint", base::as_bytes(text));
  };
  for (std::size_t size = 1; size < whole.size(); ++size) {
    for (const std::string& zeros : {std::string(), std::string(whole.size() - size, '\0')}) {
      put(whole.substr(0, size) + zeros);
      const LeaderEpochCache cache(files_, "/d", true);
      EXPECT_TRUE(cache.entries().empty()) << size;
      EXPECT_FALSE(cache.file_exists()) << size;
      EXPECT_FALSE(files_.exists("/d/leader-epoch-checkpoint")) << size;
    }
  }
  for (const char* damaged : {"1\n", "0\nx", "0\n2\n1 10\nthree", "0\n1\n1 10\n3 30\n", "0\n2\n1 10 2\n", "0\n2\n1\n3 30\n"}) {
    put(damaged);
    EXPECT_THROW(LeaderEpochCache(files_, "/d", true), CorruptFile) << damaged;
  }
  put(whole.substr(0, 5));
  EXPECT_THROW(LeaderEpochCache(files_, "/d"), CorruptFile) << "not after a clean stop";
}

TEST_F(LeaderEpochs, OnlyWhatChangedIsWritten) {
  LeaderEpochCache cache(files_, "/d");
  EXPECT_FALSE(cache.file_exists());
  cache.flush();
  EXPECT_FALSE(files_.exists("/d/leader-epoch-checkpoint"));
  cache.assign(0, 0);
  cache.flush(false);
  EXPECT_TRUE(cache.file_exists());
  ASSERT_TRUE(cache.unsynced());
  cache.on_synced(*cache.unsynced());
  LeaderEpochCache again(files_, "/d");
  files_.remove("/d/leader-epoch-checkpoint");
  again.truncate_from_end(0);  // as a load does with an empty log, whose leader then is the same again
  again.assign(0, 0);
  again.flush();
  EXPECT_FALSE(files_.exists("/d/leader-epoch-checkpoint"));
  again.assign(1, 0);
  again.flush();
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n1\n1 0\n");
}

TEST_F(LeaderEpochs, Truncate) {
  LeaderEpochCache cache(files_, "/d");
  for (int epoch : {1, 3, 6}) cache.assign(epoch, epoch * 10);
  cache.flush();
  cache.truncate_from_end(61);
  EXPECT_EQ(cache.entries().size(), 3u);
  cache.truncate_from_end(60);
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{1, 10}, {3, 30}}));
  cache.truncate_from_start(5);
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{1, 10}, {3, 30}}));
  cache.truncate_from_start(20);
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{1, 20}, {3, 30}}));
  cache.truncate_from_start(30);
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{3, 30}}));
  cache.truncate_from_start(99);
  EXPECT_EQ(cache.entries(), (std::vector<EpochEntry>{{3, 99}}));
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n3\n1 10\n3 30\n6 60\n");
  cache.flush();
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n1\n3 99\n");
}

TEST_F(LeaderEpochs, AStartThatMovedIsWrittenWithTheNextEpochOrAtTheEnd) {
  const std::string older = "0\n3\n1 10\n3 30\n6 60\n";
  LeaderEpochCache cache(files_, "/d");
  for (int epoch : {1, 3, 6}) cache.assign(epoch, epoch * 10);
  cache.flush();
  for (std::int64_t start : {20, 40, 70}) {
    cache.truncate_from_start(start);
    cache.flush();
    EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), older);
    LeaderEpochCache loaded(files_, "/d");
    loaded.truncate_from_start(start);
    EXPECT_EQ(loaded.entries(), cache.entries());
    loaded.flush();
    EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), older);
  }
  cache.assign(7, 80);
  cache.flush();
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n2\n6 70\n7 80\n");
  cache.truncate_from_start(75);
  cache.truncate_from_end(80);
  cache.flush();
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n1\n6 75\n");
  cache.truncate_from_start(78);
  cache.flush_with_start();
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n1\n6 78\n");
  cache.clear();
  cache.flush();
  EXPECT_EQ(text_of(files_, "/d/leader-epoch-checkpoint"), "0\n0\n");
}

TEST_F(LeaderEpochs, EndOffsets) {
  LeaderEpochCache cache(files_, "/d");
  EXPECT_EQ(cache.end_offset(0, 5).end_offset, -1);
  for (int epoch : {1, 3, 6}) cache.assign(epoch, epoch * 10);
  auto end = [&](int epoch) {
    return std::pair(cache.end_offset(epoch, 99).leader_epoch, cache.end_offset(epoch, 99).end_offset);
  };
  EXPECT_EQ(end(-1), std::pair(-1, std::int64_t{-1}));
  EXPECT_EQ(end(-2), std::pair(-2, std::int64_t{10})) << "only -1 is none";
  EXPECT_EQ(end(0), std::pair(0, std::int64_t{10}));
  EXPECT_EQ(end(1), std::pair(1, std::int64_t{30}));
  EXPECT_EQ(end(2), std::pair(1, std::int64_t{30}));
  EXPECT_EQ(end(5), std::pair(3, std::int64_t{60}));
  EXPECT_EQ(end(6), std::pair(6, std::int64_t{99}));
  EXPECT_EQ(end(7), std::pair(-1, std::int64_t{-1}));
}

TEST_F(LeaderEpochs, ABlankFileIsNone) {
  base::write_file_atomically(files_, "/d/leader-epoch-checkpoint", base::Bytes(10, 0));
  EXPECT_TRUE(LeaderEpochCache(files_, "/d").entries().empty());
}

TEST_F(LeaderEpochs, DamageIsNoticed) {
  for (const char* bad : {"0\n1\n1\n", "1\n0\n", "0\n2\n1 5\n1 6\n", "0\n2\n1 5\n2 5\n"}) {
    base::write_file_atomically(files_, "/d/leader-epoch-checkpoint", base::as_bytes(bad));
    EXPECT_THROW(LeaderEpochCache(files_, "/d"), CorruptFile) << bad;
  }
}

TEST(MetaPropertiesFile, RoundTripsAndReadsKafkas) {
  base::MemoryFileSystem files;
  files.create_directories("/d");
  EXPECT_FALSE(read_meta_properties(files, "/d"));
  write_meta_properties(files, "/d", 5, "w3VPBYuhSB6BgysffTR3VQ", 0);
  EXPECT_EQ(read_meta_properties(files, "/d")->broker_id, 5);
  EXPECT_EQ(read_meta_properties(files, "/d")->cluster_id, "w3VPBYuhSB6BgysffTR3VQ");
  MetaProperties kraft = decode_meta_properties(base::as_bytes("version=1\nnode.id=3\ncluster.id=c\ndirectory.id=x\n"));
  EXPECT_EQ(kraft.broker_id, 3);
  EXPECT_THROW((void)decode_meta_properties(base::as_bytes("version=2\n")), CorruptFile);
  EXPECT_THROW((void)decode_meta_properties(base::as_bytes("version=0\nbroker.id=one\n")), CorruptFile);
  EXPECT_THROW((void)decode_meta_properties(base::as_bytes("broker.id=\\u00\n")), CorruptFile);
}

TEST(CleanShutdownMarker, IsKafkas) {
  base::MemoryFileSystem files;
  files.create_directories("/d");
  write_clean_shutdown_marker(files, "/d");
  EXPECT_EQ(text_of(files, "/d/.kafka_cleanshutdown"), R"({"version":0,"brokerEpoch":-1})");
}

TEST(PartitionMetadata, AfterACrashTheBeginningOfAFileGoes) {
  base::MemoryFileSystem files;
  files.create_directories("/d");
  const std::string whole = "version: 0\ntopic_id: " + base::Uuid::random().to_string();
  const auto goes = [&](const std::string& text) {
    base::write_file_atomically(files, "/d/partition.metadata", base::as_bytes(text));
    remove_beginning_of_partition_metadata(files, "/d");
    return !files.exists("/d/partition.metadata");
  };
  for (std::size_t size = 1; size < whole.size(); ++size) {
    EXPECT_TRUE(goes(whole.substr(0, size))) << size;
    EXPECT_TRUE(goes(whole.substr(0, size) + std::string(whole.size() - size, '\0'))) << size;
  }
  EXPECT_FALSE(goes(whole));
  EXPECT_FALSE(goes(whole + "\n"));
  EXPECT_FALSE(goes("version: 1\n"));
}

TEST(PartitionMetadata, RoundTripsAndDamageIsNoticed) {
  base::MemoryFileSystem files;
  files.create_directories("/d");
  base::Uuid id = base::Uuid::random();
  EXPECT_FALSE(read_partition_metadata(files, "/d"));
  write_partition_metadata(files, "/d", id);
  EXPECT_EQ(text_of(files, "/d/partition.metadata"), "version: 0\ntopic_id: " + id.to_string());
  EXPECT_EQ(read_partition_metadata(files, "/d"), id);
  // What a power loss may leave of a new one.
  for (std::size_t zeros : {0U, 43U}) {
    base::write_file_atomically(files, "/d/partition.metadata", base::Bytes(zeros, 0));
    EXPECT_FALSE(read_partition_metadata(files, "/d"));
  }
  for (const char* bad :
       {"version: 1\ntopic_id: x", "version: 0\ntopic_id: x", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"}) {
    base::write_file_atomically(files, "/d/partition.metadata", base::as_bytes(bad));
    EXPECT_THROW((void)read_partition_metadata(files, "/d"), CorruptFile) << bad;
  }
}

TEST(ProducerSnapshot, EveryOneOfKafkasRoundTrips) {
  base::testing::TempDir temp;
  std::size_t count = 0;
  std::size_t producers = 0;
  for (const char* name : {"txn", "compact", "codecs"}) {
    testing::unpack_golden(name, temp.path());
    std::istringstream paths(testing::output_of("find '" + temp.path() + "' -name '*.snapshot'"));
    for (std::string path; std::getline(paths, path);) {
      base::Bytes bytes = base::read_file(base::real_file_system(), path);
      auto entries = decode_producer_snapshot(bytes);
      ++count;
      producers += entries.size();
      EXPECT_EQ(decode_producer_snapshot(encode_producer_snapshot(entries)), entries);
      EXPECT_EQ(encode_producer_snapshot(entries), bytes);
    }
  }
  EXPECT_GT(count, 30u);
  EXPECT_GT(producers, 20u);
}

TEST(ProducerSnapshot, DamageIsNoticed) {
  base::Bytes good = encode_producer_snapshot({ProducerSnapshotEntry{}, ProducerSnapshotEntry{}});
  EXPECT_EQ(encode_producer_snapshot({}).size(), 10u);
  for (std::size_t at = 0; at < good.size(); ++at) {
    base::Bytes bad = good;
    bad[at] ^= 0x40;
    EXPECT_THROW((void)decode_producer_snapshot(bad), CorruptFile) << at;
    EXPECT_THROW((void)decode_producer_snapshot(base::ByteView(good).first(at)), CorruptFile) << at;
  }
}

class Indexes : public ::testing::Test {
 protected:
  Indexes() { files_.create_directories("/d"); }
  base::MemoryFileSystem files_;
  PartitionFiles where_{files_, "/d"};
};

TEST_F(Indexes, OffsetsAreFoundInFileAndMemory) {
  auto made = std::make_unique<OffsetIndex>(where_, 1000);
  EXPECT_EQ(made->lookup(5000).position, 0u);
  for (int number = 1; number <= 2000; ++number)
    made->append(1000 + number * 10, static_cast<std::uint64_t>(number) * 100);
  made->append(1010, 7);  // too late: ignored
  for (int reopened = 0; reopened < 2; ++reopened) {
    OffsetIndex& index = *made;
    EXPECT_EQ(index.count(), 2000u);
    EXPECT_EQ(index.lookup(999).offset, 1000);
    EXPECT_EQ(index.lookup(1009).position, 0u);
    for (int number = 1; number <= 2000; ++number) {
      EXPECT_EQ(index.lookup(1000 + number * 10).position, static_cast<std::uint64_t>(number) * 100);
      EXPECT_EQ(index.lookup(1000 + number * 10 + 9).position, static_cast<std::uint64_t>(number) * 100);
    }
    EXPECT_EQ(index.last().offset, 21000);
    index.file().write_pending();
    EXPECT_EQ(files_.info("/d/00000000000000001000.index").size, 16000u);
    made = std::make_unique<OffsetIndex>(where_, 1000);
  }
}

// Wherever the search goes from single entries to a block, and from the file to what is in memory.
TEST_F(Indexes, EveryCountOfEntriesIsSearchedWhole) {
  for (const int count : {1, 2, 511, 512, 513, 1023, 1024, 1025, 1536, 1700}) {
    files_.remove("/d/00000000000000000000.timeindex");
    TimeIndex index(where_, 0);
    for (int number = 1; number <= count; ++number) index.append(number * 10, number);
    for (const bool written : {false, true}) {
      if (written) index.file().write_pending();
      EXPECT_EQ(index.lookup(9).timestamp, -1);
      for (int number = 1; number <= count; ++number) {
        EXPECT_EQ(index.lookup(number * 10).offset, number);
        EXPECT_EQ(index.lookup(number * 10 + 9).offset, number);
      }
    }
  }
}

TEST_F(Indexes, AFileThatWasShortenedFromOutsideHidesNothingBeforeItsEnd) {
  OffsetIndex index(where_, 0);
  for (int number = 1; number <= 3000; ++number) index.append(number * 10, static_cast<std::uint64_t>(number));
  index.file().write_pending();
  for (const std::uint64_t left : {16'000u, 8'004u, 12u, 0u}) {
    files_.open("/d/00000000000000000000.index", base::OpenMode::create)->truncate(left);
    for (int number = 1; number <= 3000; number += 7) {
      EXPECT_LE(index.lookup(number * 10).position, static_cast<std::uint64_t>(number)) << left;
    }
  }
}

TEST_F(Indexes, Truncate) {
  for (bool written : {false, true}) {
    files_.remove("/d/00000000000000000000.index");
    OffsetIndex index(where_, 0);
    for (int number = 1; number <= 10; ++number) index.append(number * 10, static_cast<std::uint64_t>(number));
    if (written) index.file().write_pending();
    index.truncate_to(55);
    EXPECT_EQ(index.count(), 5u);
    index.truncate_to(50);
    EXPECT_EQ(index.last().offset, 40);
    index.append(45, 45);
    EXPECT_EQ(index.lookup(100).position, 45u);
    index.clear();
    EXPECT_EQ(index.count(), 0u);
    EXPECT_FALSE(index.is_full(8));
    index.append(1, 1);
    EXPECT_TRUE(index.is_full(8));
  }
}

TEST_F(Indexes, ATornEntryDoesNotCount) {
  files_.open("/d/00000000000000000000.index", base::OpenMode::create)->write_at(0, base::Bytes(20, 0));
  OffsetIndex index(where_, 0);
  EXPECT_EQ(index.count(), 2u);
  index.append(9, 9);
  index.file().write_pending();
  EXPECT_EQ(files_.info("/d/00000000000000000000.index").size, 24u);
}

TEST_F(Indexes, TimesOnlyGrow) {
  TimeIndex index(where_, 100);
  EXPECT_EQ(index.last().timestamp, -1);
  index.append(-1, 100);
  EXPECT_EQ(index.count(), 0u);
  index.append(50, 110);
  index.append(50, 120);
  index.append(40, 130);
  index.append(60, 140);
  EXPECT_EQ(index.count(), 2u);
  EXPECT_EQ(index.lookup(49).offset, 100);
  EXPECT_EQ(index.lookup(49).timestamp, -1);
  EXPECT_EQ(index.lookup(50).offset, 110);
  EXPECT_EQ(index.lookup(1000).offset, 140);
  EXPECT_TRUE(index.is_full(36));
  EXPECT_FALSE(index.is_full(48));
  index.truncate_to(140);
  EXPECT_EQ(index.last().timestamp, 50);
}

TEST_F(Indexes, AbortedTransactions) {
  EXPECT_TRUE(read_transaction_index(where_, 0).empty());
  std::vector<TransactionIndexEntry> entries{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}};
  for (const auto& entry : entries) append_transaction_index(where_, 0, entry);
  EXPECT_EQ(read_transaction_index(where_, 0), entries);
  EXPECT_EQ(files_.info("/d/00000000000000000000.txnindex").size, 102u);
  truncate_transaction_index(where_, 0, 11);
  entries.pop_back();
  EXPECT_EQ(read_transaction_index(where_, 0), entries);
  append_transaction_index(where_, 0, {1, 1, 7, 1});
  EXPECT_THROW((void)read_transaction_index(where_, 0), CorruptFile);
  truncate_transaction_index(where_, 0, 100);
  EXPECT_FALSE(files_.exists("/d/00000000000000000000.txnindex"));
}

// As every read_committed fetch does, in the log's lock.
TEST_F(Indexes, AFewOfManyAbortedTransactions) {
  const auto between = [&](std::int64_t from, std::int64_t upper) {
    std::string text;
    const TransactionIndexPart part = read_transaction_index_between(where_, 0, from, upper);
    for (const auto& entry : part.entries) text += std::to_string(entry.producer_id) + " ";
    return text + (part.goes_on ? "…" : ".");
  };
  EXPECT_EQ(between(0, 10), "…");
  for (std::int64_t i = 0; i < 5000; ++i) append_transaction_index(where_, 0, {i, 10 * i, 10 * i + 5, 10 * i + 6});
  EXPECT_EQ(between(0, 26), "0 1 2 .");
  EXPECT_EQ(between(25'015, 25'030), "2501 2502 2503 .");
  EXPECT_EQ(between(25'016, 25'030), "2502 2503 .");
  EXPECT_EQ(between(49'990, 60'000), "4999 …");
  EXPECT_EQ(between(60'000, 70'000), "…");
  std::size_t all = 0;
  for (std::int64_t from = 0; from < 50'000; from += 333) {
    const auto part = read_transaction_index_between(where_, 0, from, 100'000);
    ASSERT_EQ(part.entries.front().producer_id, (from + 4) / 10);
    all = std::max(all, part.entries.size());
  }
  EXPECT_EQ(all, 5000u);
  const base::Bytes no_version = {0xff};
  files_.open("/d/00000000000000000000.txnindex", base::OpenMode::read_write)->write_at(34 * 100, no_version);
  EXPECT_THROW((void)read_transaction_index(where_, 0), CorruptFile);
  EXPECT_EQ(between(25'015, 25'030), "2501 2502 2503 .") << "not all of the file is read";
}

}  // namespace
}  // namespace storage
