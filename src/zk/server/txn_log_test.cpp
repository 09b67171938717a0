// The writer's bytes, as they are in the file after each sync: past the page cache, through it, and in memory.
#include "zk/server/txn_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <system_error>
#include <tuple>

#include "base/memory_file_system.h"
#include "base/testing/temp_dir.h"

namespace zk::server {
namespace {

constexpr std::size_t kPreallocated = 256 * 1024 + 1024;  // no multiple of a block

struct Case {
  bool in_memory;
  bool sync;
  std::uint64_t preallocate_bytes;
};

class WrittenLog : public ::testing::TestWithParam<Case> {};

TEST_P(WrittenLog, HoldsWhatWasAppendedAndThenZeros) {
  const base::testing::TempDir directory;
  base::MemoryFileSystem memory;
  base::FileSystem& files = GetParam().in_memory ? memory : base::real_file_system();
  const std::string folder = GetParam().in_memory ? "/log" : directory.path();
  files.create_directories(folder);
  TxnLogOptions options;
  options.sync = GetParam().sync;
  options.preallocate_bytes = GetParam().preallocate_bytes;
  TxnLogWriter writer(files, folder, options);
  base::Bytes expected;
  std::mt19937 random(7);
  // Small groups, groups that end with a block, and such as take more than one write.
  for (const std::size_t size : {1UL, 200UL, 3879UL, 1UL, 4095UL, 4096UL, 4097UL, 100'000UL, 300'000UL, 5UL, 900'000UL, 12'000UL}) {
    base::Bytes records(size);
    for (std::uint8_t& byte : records) byte = static_cast<std::uint8_t>(random() | 1U);
    writer.append(records, 1);
    writer.sync();
    expected.insert(expected.end(), records.begin(), records.end());
    const base::Bytes written = base::read_file(files, folder + "/log.1");
    ASSERT_EQ(writer.position(), kFileHeaderBytes + expected.size());
    ASSERT_GE(written.size(), writer.position());
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), written.begin() + kFileHeaderBytes)) << size;
    ASSERT_TRUE(std::all_of(written.begin() + static_cast<std::ptrdiff_t>(writer.position()), written.end(),
                            [](std::uint8_t byte) { return byte == 0; }))
        << size;
    ASSERT_EQ(base::load_big_endian<std::int32_t>(written.data()), kLogMagic);
    if (options.preallocate_bytes > 0) {
      ASSERT_EQ(written.size() % options.preallocate_bytes, 0U);
    } else {
      ASSERT_EQ(written.size(), writer.position());
    }
  }
  // A new file begins anew.
  writer.roll();
  writer.append(base::Bytes(10, 9), 2);
  writer.sync();
  const base::Bytes second = base::read_file(files, folder + "/log.2");
  EXPECT_EQ(base::load_big_endian<std::int32_t>(second.data()), kLogMagic);
  EXPECT_EQ(base::Bytes(second.begin() + kFileHeaderBytes, second.begin() + kFileHeaderBytes + 10), base::Bytes(10, 9));
}

INSTANTIATE_TEST_SUITE_P(Ways, WrittenLog,
                         ::testing::Values(Case{false, true, kPreallocated}, Case{false, true, 0}, Case{false, false, kPreallocated},
                                           Case{true, true, kPreallocated}));

// Fails at one call, and may have written a part of what it was given.
struct FailingWrites {
  inline static int calls = 0, failing = 0, error = 0;
  inline static bool half = false;
  static ssize_t pwrite(int descriptor, const void* bytes, std::size_t size, off_t position) {
    if (++calls != failing) return ::pwrite(descriptor, bytes, size, position);
    const std::size_t part = size / 2 / base::DirectWriter::kBlock * base::DirectWriter::kBlock;
    if (half && part > 0) std::ignore = ::pwrite(descriptor, bytes, part, position);
    errno = error;
    return -1;
  }
};

// ZooKeeper's rule: a file grows once less than 4 KiB are left of it, to a multiple of preAllocSize.
TEST(PreallocatedLog, GrowsBeforeItIsFull) {
  base::MemoryFileSystem files;
  files.create_directories("/log");
  TxnLogOptions options;
  options.preallocate_bytes = 65536;
  TxnLogWriter writer(files, "/log", options);
  const auto size_after = [&](std::size_t bytes) {
    writer.append(base::Bytes(bytes, 1), 1);
    writer.sync();
    return files.info("/log/log.1").size;
  };
  EXPECT_EQ(size_after(65536 - kFileHeaderBytes - 4096), 65536u);
  EXPECT_EQ(size_after(1), 131072u);
  EXPECT_EQ(size_after(65536), 196608u);
}

// The next sync is of another file.
TEST(FullLog, IsSyncedBeforeTheNextOneBegins) {
  base::MemoryFileSystem files;
  files.create_directories("/log");
  files.sync_directory("/");
  TxnLogOptions options;
  options.file_bytes_max = 100;
  TxnLogWriter writer(files, "/log", options);
  writer.append(base::Bytes(200, 1), 1);
  writer.append(base::Bytes(10, 1), 2);
  writer.sync();
  files.lose_power();
  EXPECT_EQ(base::read_file(files, "/log/log.1")[kFileHeaderBytes + 199], 1);
  EXPECT_EQ(base::read_file(files, "/log/log.2")[kFileHeaderBytes + 9], 1);
}

// Past the page cache: whichever write fails, append() says so, and what was synced before is whole.
TEST(FailingLog, KeepsWhatWasSynced) {
  for (const auto& [error, half] : {std::pair(EIO, false), std::pair(ENOSPC, true)}) {
    bool failed = true;
    for (int call = 1; failed; ++call) {
      SCOPED_TRACE(::testing::Message() << "call " << call << ", error " << error);
      const base::testing::TempDir directory;
      FailingWrites::calls = 0;
      FailingWrites::failing = call;
      FailingWrites::error = error;
      FailingWrites::half = half;
      TxnLogOptions options;
      options.preallocate_bytes = kPreallocated;
      options.pwrite = &FailingWrites::pwrite;
      TxnLogWriter writer(base::real_file_system(), directory.path(), options);
      base::Bytes synced;
      failed = false;
      for (const std::size_t size : {100UL, 5000UL, 300'000UL, 4096UL}) {
        const base::Bytes records(size, static_cast<std::uint8_t>(size % 251 + 1));
        try {
          writer.append(records, 1);
        } catch (const std::system_error& thrown) {
          EXPECT_EQ(thrown.code().value(), error);
          failed = true;
          break;
        }
        writer.sync();
        synced.insert(synced.end(), records.begin(), records.end());
      }
      EXPECT_EQ(failed, FailingWrites::calls >= call);
      const base::Bytes written = base::read_file(base::real_file_system(), directory / "log.1");
      ASSERT_GE(written.size(), kFileHeaderBytes + synced.size());
      EXPECT_TRUE(std::equal(synced.begin(), synced.end(), written.begin() + kFileHeaderBytes));
    }
  }
}

}  // namespace
}  // namespace zk::server
