// Directories that real brokers have written have no faults but those that they were given; every flipped bit is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"
#include "log/inspect/dump.h"
#include "log/inspect/record_text.h"
#include "log/inspect/verify.h"
#include "log/testing/golden.h"

namespace storage::inspect {
namespace {

using ::testing::HasSubstr;

struct Found {
  VerifyTotals totals;
  std::vector<std::string> faults;
};

Found verify_all(const std::string& path, bool records = true) {
  Found found;
  VerifyOptions options;
  options.records = records;
  found.totals = verify(base::real_file_system(), path, options, [&](const Fault& fault) {
    found.faults.push_back(std::filesystem::path(fault.file).filename().string() + ":" +
                           std::to_string(fault.position) + ": " + fault.what);
  });
  EXPECT_EQ(found.totals.faults, found.faults.size());
  return found;
}

std::vector<std::string> dump_all(const std::string& path, bool records) {
  std::vector<std::string> lines;
  DumpOptions options;
  options.records = records;
  dump(base::real_file_system(), path, options, [&](const std::string& line) { lines.push_back(line); });
  return lines;
}

class Kafka : public ::testing::TestWithParam<const char*> {};

TEST_P(Kafka, WroteNoFaults) {
  base::testing::TempDir dir;
  testing::unpack_golden(GetParam(), dir.path());
  const Found found = verify_all(dir / "log");
  EXPECT_THAT(found.faults, ::testing::IsEmpty());
  EXPECT_GT(found.totals.records, 0u);
  EXPECT_GT(dump_all(dir / "log", true).size(), found.totals.records);
}
INSTANTIATE_TEST_SUITE_P(Golden, Kafka,
                         ::testing::Values("codecs", "segments", "epochs", "k4", "txn", "compact", "legacy",
                                           "internal"));

std::filesystem::path first_segment(const std::string& directory, std::uintmax_t bytes_min) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".log" && entry.file_size() >= bytes_min) return entry.path();
  }
  throw std::runtime_error("no segment");
}

void flip(const std::filesystem::path& path, std::uint64_t position, std::uint8_t bits) {
  auto file = base::real_file_system().open(path.string(), base::OpenMode::read_write);
  base::Bytes byte(1);
  file->read_at(position, byte);
  byte[0] ^= bits;
  file->write_at(position, byte);
}

TEST(Verify, EveryFlippedBitOfASegmentIsFound) {
  base::testing::TempDir dir;
  testing::unpack_golden("segments", dir.path());
  const std::filesystem::path segment = first_segment(dir / "log", 300);
  const std::string partition = segment.parent_path().string();
  ASSERT_THAT(verify_all(partition).faults, ::testing::IsEmpty());
  const base::Bytes bytes = base::read_file(base::real_file_system(), segment.string());
  const std::uint64_t batch_bytes = 12 + base::load_big_endian<std::uint32_t>(bytes.data() + 8);
  for (std::uint64_t position = 0; position < batch_bytes; ++position) {
    if (position >= 12 && position < 16) continue;  // the leader epoch: outside of the crc, and any number is right
    flip(segment, position, 0x40);
    EXPECT_FALSE(verify_all(partition, false).faults.empty()) << "byte " << position;
    flip(segment, position, 0x40);
  }
}

TEST(Verify, TornTailIsNamedWithItsPosition) {
  base::testing::TempDir dir;
  testing::unpack_golden("segments", dir.path());
  const std::filesystem::path segment = first_segment(dir / "log", 300);
  const std::uintmax_t size = std::filesystem::file_size(segment);
  auto file = base::real_file_system().open(segment.string(), base::OpenMode::read_write);
  file->write_at(size, base::Bytes(40));
  EXPECT_THAT(verify_all(segment.parent_path().string()).faults,
              ::testing::ElementsAre(HasSubstr(":" + std::to_string(size) + ": 40 bytes from here on are no batch")));
}

TEST(Verify, BrokenIndexesAndSmallFilesAreNamed) {
  base::testing::TempDir dir;
  testing::unpack_golden("badindex", dir.path());
  EXPECT_FALSE(verify_all(dir / "log").faults.empty());
  base::testing::TempDir other;
  testing::unpack_golden("epochs", other.path());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(other / "log")) {
    if (entry.path().filename() == "leader-epoch-checkpoint") std::filesystem::resize_file(entry.path(), 3);
  }
  EXPECT_THAT(verify_all(other / "log").faults, ::testing::Contains(HasSubstr("leader-epoch-checkpoint:0: ")));
}

TEST(Verify, IndexesThatAreMissingOrLeftOverAreNamed) {
  base::testing::TempDir dir;
  testing::unpack_golden("segments", dir.path());
  const std::filesystem::path segment = first_segment(dir / "log", 300);
  const std::string partition = segment.parent_path().string(), stem = segment.stem().string();
  for (const char* suffix : {".index", ".timeindex"}) {
    std::filesystem::path index = segment;
    index.replace_extension(suffix);
    std::filesystem::rename(index, dir / "aside");
    EXPECT_THAT(verify_all(partition).faults, ::testing::ElementsAre(stem + suffix + ":0: the file is missing"));
    std::filesystem::rename(dir / "aside", index);
  }
  for (const char* suffix : {".index", ".timeindex", ".txnindex"}) {
    const std::string name = std::string("00000000000000777777") + suffix;
    base::real_file_system().open(partition + "/" + name, base::OpenMode::create);
    EXPECT_THAT(verify_all(partition).faults,
                ::testing::ElementsAre(name + ":0: there is no segment of which it is an index"));
    std::filesystem::remove(partition + "/" + name);
  }
  EXPECT_THAT(verify_all(partition).faults, ::testing::IsEmpty());
}

// Whoever reads committed records only goes by it: what it doesn't list looks committed.
TEST(Verify, AbortedTransactionsThatArentListedAreNamed) {
  base::testing::TempDir dir;
  testing::unpack_golden("txn", dir.path());
  constexpr std::uintmax_t kEntryBytes = 34;
  std::size_t listed = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / "log")) {
    if (entry.path().extension() != ".txnindex") continue;
    const std::string partition = entry.path().parent_path().string();
    const base::Bytes whole = base::read_file(base::real_file_system(), entry.path().string());
    for (std::uintmax_t keep = whole.size(); keep > 0;) {
      std::filesystem::resize_file(entry.path(), keep -= kEntryBytes);
      const std::vector<std::string> faults = verify_all(partition).faults;
      EXPECT_EQ(faults.size(), (whole.size() - keep) / kEntryBytes) << entry.path();
      EXPECT_THAT(faults, ::testing::Each(HasSubstr("isn't listed")));
    }
    std::filesystem::remove(entry.path());
    EXPECT_EQ(verify_all(partition).faults.size(), whole.size() / kEntryBytes);
    base::real_file_system().open(entry.path().string(), base::OpenMode::create)->write_at(0, whole);
    EXPECT_THAT(verify_all(partition).faults, ::testing::IsEmpty());
    listed += whole.size() / kEntryBytes;
  }
  EXPECT_GT(listed, 3u);
}

TEST(Verify, OtherPathsAreRefused) {
  base::testing::TempDir dir;
  EXPECT_THROW(verify_all(dir.path()), std::invalid_argument);
  EXPECT_THROW(verify_all(dir / "none"), std::invalid_argument);
  EXPECT_THROW(dump_all(dir / "none", false), std::invalid_argument);
}

TEST(Dump, InternalTopicsAreDecoded) {
  base::testing::TempDir dir;
  testing::unpack_golden("internal", dir.path());
  std::string text;
  for (const std::string& line : dump_all(dir / "log", true)) text += line + "\n";
  EXPECT_THAT(text, HasSubstr(" key: OffsetCommitKey v1 {\"group\":"));
  EXPECT_THAT(text, HasSubstr(" key: TransactionLogKey v0 {\"transactional_id\":"));
  EXPECT_THAT(text, HasSubstr(" endTxnMarker: COMMIT coordinatorEpoch: 0"));
  EXPECT_THAT(text, HasSubstr(" endTxnMarker: ABORT coordinatorEpoch: 0"));
}

TEST(RecordText, NothingReachesATerminalUnescaped) {
  auto shown = [](std::string_view text) { return printable(base::as_bytes(text)); };
  EXPECT_EQ(shown("plain ~"), "plain ~");
  EXPECT_EQ(shown("\x1b[31m\n"), "\\x1b[31m\\x0a");
  EXPECT_EQ(shown("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
  EXPECT_EQ(shown("\xc2\x85"), "\\xc2\\x85");  // a control character
  EXPECT_EQ(shown("\xc0\xaf \xed\xa0\x80 \xe2\x82"), "\\xc0\\xaf \\xed\\xa0\\x80 \\xe2\\x82");
}

}  // namespace
}  // namespace storage::inspect
