#include "base/direct_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <tuple>
#include <vector>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "base/testing/temp_dir.h"

namespace base {
namespace {

struct alignas(DirectWriter::kBlock) Blocks {
  std::array<std::uint8_t, 2 * DirectWriter::kBlock> bytes;
};

TEST(DirectWriter, WhatIsWrittenIsReadBesideWhatWentThroughTheCache) {
  const testing::TempDir directory;
  auto file = real_file_system().open(directory / "f", OpenMode::create);
  file->write_at(0, Bytes(5 * DirectWriter::kBlock, 1));
  DirectWriter writer(*file);
  auto blocks = std::make_unique<Blocks>();
  blocks->bytes.fill(2);
  writer.write_at(DirectWriter::kBlock, blocks->bytes);
  file->write_at(2 * DirectWriter::kBlock + 5, Bytes(10, 3));
  file->sync();
  Bytes expected(5 * DirectWriter::kBlock, 1);
  std::fill_n(expected.begin() + DirectWriter::kBlock, 2 * DirectWriter::kBlock, std::uint8_t{2});
  std::fill_n(expected.begin() + 2 * DirectWriter::kBlock + 5, 10, std::uint8_t{3});
  EXPECT_EQ(read_file(real_file_system(), directory / "f"), expected);
}

TEST(DirectWriter, BytesThatAreNotInBlocksAreWrittenAllTheSame) {
  const testing::TempDir directory;
  auto file = real_file_system().open(directory / "f", OpenMode::create);
  DirectWriter(*file).write_at(3, as_bytes("abc"));
  EXPECT_EQ(as_text(read_file(real_file_system(), directory / "f")), std::string_view("\0\0\0abc", 6));
}

// What pwrite() may do, one step for each call, and then as the system does.
struct Script {
  enum class Step { short_of_a_block, one_block, interrupted, invalid, fails, full, nothing, whole };
  inline static std::vector<Step> steps;
  inline static std::size_t calls = 0;
  static ssize_t pwrite(int descriptor, const void* bytes, std::size_t size, off_t position) {
    const Step step = calls < steps.size() ? steps[calls] : Step::whole;
    ++calls;
    auto fail = [](int error) {
      errno = error;
      return ssize_t{-1};
    };
    switch (step) {
      case Step::interrupted: return fail(EINTR);
      case Step::invalid: return fail(EINVAL);
      case Step::fails: return fail(EIO);
      case Step::full: return fail(ENOSPC);
      case Step::nothing: return 0;
      case Step::one_block: return ::pwrite(descriptor, bytes, DirectWriter::kBlock, position);
      case Step::short_of_a_block: {  // the system writes whole sectors
        std::ignore = ::pwrite(descriptor, bytes, DirectWriter::kBlock, position);
        return 512;
      }
      case Step::whole: break;
    }
    return ::pwrite(descriptor, bytes, size, position);
  }
};

TEST(DirectWriter, AShortWriteGoesOnAndAFailureIsTold) {
  using Step = Script::Step;
  const std::vector<std::vector<Step>> whole = {{Step::one_block}, {Step::short_of_a_block}, {Step::interrupted, Step::interrupted},
                                                {Step::invalid}, {Step::one_block, Step::invalid}, {Step::interrupted, Step::one_block}};
  const std::vector<std::pair<std::vector<Step>, int>> failed = {
      {{Step::fails}, EIO}, {{Step::full}, ENOSPC}, {{Step::one_block, Step::full}, ENOSPC}, {{Step::nothing}, EIO}};
  const testing::TempDir directory;
  auto file = real_file_system().open(directory / "f", OpenMode::create);
  auto blocks = std::make_unique<Blocks>();
  auto write = [&](const std::vector<Step>& steps, std::uint8_t fill) {
    blocks->bytes.fill(fill);
    Script::steps = steps;
    Script::calls = 0;
    DirectWriter(*file, &Script::pwrite).write_at(0, blocks->bytes);
  };
  std::uint8_t fill = 0;
  for (const auto& steps : whole) {
    write(steps, ++fill);
    EXPECT_EQ(read_file(real_file_system(), directory / "f"), Bytes(2 * DirectWriter::kBlock, fill));
  }
  if (!DirectWriter(*file).is_direct()) return;  // then pwrite() isn't asked
  for (const auto& [steps, error] : failed) {
    try {
      write(steps, ++fill);
      ADD_FAILURE() << "it was written";
    } catch (const std::system_error& thrown) {
      EXPECT_EQ(thrown.code().value(), error);
    }
  }
}

TEST(DirectWriter, WithoutANativeHandleTheFileWritesAndFails) {
  MemoryFileSystem memory;
  FaultyFileSystem files(memory);
  auto file = files.open("/f", OpenMode::create);
  DirectWriter writer(*file);
  EXPECT_FALSE(writer.is_direct());
  auto blocks = std::make_unique<Blocks>();
  blocks->bytes.fill(7);
  writer.write_at(0, blocks->bytes);
  EXPECT_EQ(read_file(memory, "/f"), Bytes(blocks->bytes.begin(), blocks->bytes.end()));
  Fault fault;
  fault.call = 1;
  files.set_fault(fault);
  EXPECT_THROW(writer.write_at(0, blocks->bytes), std::system_error);
}

}  // namespace
}  // namespace base
