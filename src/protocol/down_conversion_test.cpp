#include "protocol/down_conversion.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <sstream>

#include "protocol/legacy_records.h"
#include "protocol/record_batch_builder.h"

namespace protocol {
namespace {

struct Row {
  std::string name;
  base::Bytes converted;  // empty: refused
  base::Bytes source;
};

// What the code of a 3.9.2 broker makes of a batch.
std::vector<Row> rows() {
  gzFile file = gzopen(MILENA_SOURCE_DIR "/src/protocol/testdata/record-batches.tsv.gz", "rb");
  std::string text;
  char piece[65536];
  int count = 0;
  while ((count = gzread(file, piece, sizeof piece)) > 0) text.append(piece, static_cast<std::size_t>(count));
  gzclose(file);
  std::vector<Row> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("downconvert\t")) continue;
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '\t');) cells.push_back(cell);
    Row& row = result.emplace_back();
    row.name = cells.at(1);
    row.converted = *base::from_hex(cells.at(2));
    row.source = *base::from_hex(cells.at(5));
  }
  return result;
}

// With the payload of wrappers unpacked: compressors may differ in their output.
std::string shown(base::ByteView entries) {
  std::string text;
  while (!entries.empty()) {
    NextBatch next = next_batch(entries);
    if (next.frame != BatchFrame::whole) return text + "?";
    base::ByteView entry = entries.first(next.size_in_bytes);
    auto header = read_batch_header(entry);
    EXPECT_TRUE(crc_is_valid(entry));
    if (header->is_compressed()) {
      text += std::to_string(header->base_offset) + " " + std::to_string(header->attributes) + " " +
              std::to_string(header->max_timestamp) + " wraps " +
              base::to_hex(unpack_legacy_wrapper(entry, *header, 1 << 20)) + "\n";
    } else {
      text += base::to_hex(entry) + "\n";
    }
    entries = entries.subspan(entry.size());
  }
  return text;
}

// In front of what fills an answer up.
base::ByteView converted_part(base::ByteView answer) {
  for (base::ByteView rest = answer; !rest.empty();) {
    const bool filler = rest.size() < kBatchOverhead || base::load_big_endian<std::int64_t>(rest.data()) == -1;
    if (filler) return answer.first(answer.size() - rest.size());
    const NextBatch next = next_batch(rest);
    if (next.frame != BatchFrame::whole) break;
    rest = rest.subspan(next.size_in_bytes);
  }
  return answer;
}

base::Bytes batch_of(int records, std::size_t value_size = 1, base::Codec codec = base::Codec::none,
                     std::int64_t base_offset = 0) {
  RecordBatchBuilder builder;
  builder.header.base_offset = base_offset;
  const std::string value(value_size, 'v');
  for (int i = 0; i < records; ++i) {
    NewRecord record;
    record.value = base::as_bytes(value);
    builder.append(record);
  }
  return builder.build(codec);
}

base::Bytes joined(std::initializer_list<base::Bytes> parts) {
  base::Bytes all;
  for (const base::Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(DownConversion, MakesWhatABrokerMakes) {
  int checked = 0;
  for (const Row& row : rows()) {
    auto converted = down_convert(row.source, row.name.ends_with("v0") ? 0 : 1, 0);
    if (row.converted.empty()) {
      EXPECT_EQ(converted.error(), ErrorCode::unsupported_compression_type) << row.name;
    } else {
      ASSERT_TRUE(converted) << row.name;
      EXPECT_EQ(converted->size(), std::max(row.source.size(), converted_part(*converted).size())) << row.name;
      EXPECT_EQ(shown(converted_part(*converted)), shown(row.converted)) << row.name;
      if (row.name.find("none") != std::string::npos || row.name == "v2-lz4-to-v0") {
        EXPECT_EQ(base::to_hex(converted_part(*converted)), base::to_hex(row.converted)) << row.name;
      }
    }
    ++checked;
  }
  EXPECT_EQ(checked, 10);
}

TEST(DownConversion, LeavesOutWhatHasNoPlace) {
  const base::Bytes control = build_control_batch(1, 0, ControlType::commit, 0, 0);
  const base::Bytes batch = batch_of(3);
  const base::Bytes all = *down_convert(batch, 1, 0);
  EXPECT_EQ(converted_part(*down_convert(batch, 1, 2)).size() * 3, converted_part(all).size());
  const base::ByteView old = converted_part(all);
  EXPECT_EQ(*down_convert(old, 1, 0), base::Bytes(old.begin(), old.end()));  // old enough already
  EXPECT_EQ(converted_part(*down_convert(joined({control, batch}), 1, 0)).size(), old.size());
  EXPECT_TRUE(down_convert({}, 0, 0)->empty());
}

TEST(DownConversion, AnswersAsManyBytesAsWereRead) {
  const base::Bytes one = batch_of(1, 100);
  const base::Bytes converted = *down_convert(one, 0, 0);
  const std::size_t size = converted_part(converted).size();
  EXPECT_EQ(size, 12u + 14 + 100);
  ASSERT_EQ(converted.size(), one.size());
  // What is missing claims to go on for one byte more than there is, and for no less than a batch has.
  const base::ByteView filler = base::ByteView(converted).subspan(size);
  EXPECT_EQ(base::load_big_endian<std::int64_t>(filler.data()), -1);
  EXPECT_EQ(base::load_big_endian<std::int32_t>(filler.data() + 8), 61);
  const base::Bytes with_tail = joined({one, base::Bytes(500, 0x55)});  // of a batch that is cut off
  const base::Bytes longer = *down_convert(with_tail, 0, 0);
  EXPECT_EQ(longer.size(), with_tail.size());
  EXPECT_EQ(base::load_big_endian<std::int32_t>(longer.data() + size + 8),
            static_cast<std::int32_t>(with_tail.size() - size + 1));
  EXPECT_EQ(next_batch(base::ByteView(longer).subspan(size)).frame, BatchFrame::partial);
}

TEST(DownConversion, FillsUpInPieces) {
  const base::Bytes large = batch_of(1, 300'000);
  const base::Bytes small = batch_of(1);
  const base::Bytes read = joined({small, base::Bytes(large.begin(), large.end() - 1)});
  const base::Bytes answer = *down_convert(read, 1, 0);
  ASSERT_EQ(answer.size(), read.size());
  const std::size_t from = converted_part(answer).size();
  const std::size_t piece = 128u << 10;
  for (std::size_t at = from; at < answer.size(); at += piece) {
    EXPECT_EQ(base::load_big_endian<std::int64_t>(answer.data() + at), -1);
    EXPECT_EQ(base::load_big_endian<std::int32_t>(answer.data() + at + 8),
              static_cast<std::int32_t>(answer.size() - at + 1));
  }
}

TEST(DownConversion, CutsWhatIsMoreThanWasRead) {
  const base::Bytes small = batch_of(20);  // its records take less room than in older formats
  const base::Bytes first = *down_convert(small, 1, 0);
  EXPECT_GT(first.size(), small.size());  // the first batch is always whole
  const base::Bytes two = joined({small, small});
  const base::Bytes answer = *down_convert(two, 1, 0);
  EXPECT_EQ(answer.size(), first.size());
  const base::Bytes four = joined({small, small, small, small});
  const base::Bytes cut = *down_convert(four, 1, 0);
  EXPECT_EQ(cut.size(), std::max(four.size(), first.size()));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), cut.begin()));
}

TEST(DownConversion, OfNothingButMarkersIsAnEmptyMessage) {
  const base::Bytes control = build_control_batch(1, 0, ControlType::commit, 0, 0);
  EXPECT_EQ(base::to_hex(*down_convert(control, 1, 0)), "ffffffffffffffff0000003d");
  EXPECT_TRUE(down_convert(base::ByteView(control).first(control.size() - 1), 1, 0)->empty());
}

TEST(DownConversion, ErrorsComeOnceNothingIsInFront) {
  const base::Bytes good = batch_of(1, 100);
  const base::Bytes zstd = batch_of(3, 100, base::Codec::zstd);
  base::Bytes broken = batch_of(1, 100);
  broken[kBatchHeaderSize] = 0x02;  // a record of one byte
  EXPECT_EQ(down_convert(zstd, 1, 0).error(), ErrorCode::unsupported_compression_type);
  EXPECT_EQ(down_convert(broken, 1, 0).error(), ErrorCode::corrupt_message);
  for (const base::Bytes& bad : {zstd, broken, base::Bytes(100, 0)}) {
    const base::Bytes answer = *down_convert(joined({good, bad, good}), 1, 0);
    EXPECT_EQ(answer.size(), 2 * good.size() + bad.size());
    EXPECT_EQ(converted_part(answer).size(), 12u + 22 + 100);
  }
  EXPECT_EQ(down_convert(base::Bytes(100, 0), 1, 0).error(), ErrorCode::corrupt_message);
}

TEST(DownConversion, InsideOfAWrapperCountsFromTheFirstRecordThatIsThere) {
  RecordBatchBuilder builder;  // as the cleaner leaves it
  builder.header.base_offset = 10;
  NewRecord record;
  record.value = base::as_bytes("v");
  builder.append_at(3, record);
  builder.append_at(5, record);
  const base::Bytes answer = *down_convert(builder.build(base::Codec::gzip), 1, 0);
  RecordReader reader(converted_part(answer));
  Record read;
  for (std::int64_t offset : {13, 15}) {
    ASSERT_TRUE(reader.next(read));
    EXPECT_EQ(read.offset, offset);
  }
  const auto header = read_batch_header(answer);
  const base::Bytes inner = unpack_legacy_wrapper(converted_part(answer), *header, 1 << 20);
  EXPECT_EQ(base::load_big_endian<std::int64_t>(inner.data()), 0);
}

}  // namespace
}  // namespace protocol
