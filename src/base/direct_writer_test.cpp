#include "base/direct_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

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
