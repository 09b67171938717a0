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

TEST(DownConversion, MakesWhatABrokerMakes) {
  int checked = 0;
  for (const Row& row : rows()) {
    auto converted = down_convert(row.source, row.name.ends_with("v0") ? 0 : 1, 0);
    if (row.converted.empty()) {
      EXPECT_EQ(converted.error(), ErrorCode::unsupported_compression_type) << row.name;
    } else {
      ASSERT_TRUE(converted) << row.name;
      EXPECT_EQ(shown(*converted), shown(row.converted)) << row.name;
      if (row.name.find("none") != std::string::npos || row.name == "v2-lz4-to-v0") {
        EXPECT_EQ(base::to_hex(*converted), base::to_hex(row.converted)) << row.name;
      }
    }
    ++checked;
  }
  EXPECT_EQ(checked, 10);
}

TEST(DownConversion, LeavesOutWhatHasNoPlace) {
  base::Bytes control = build_control_batch(1, 0, ControlType::commit, 0, 0);
  EXPECT_TRUE(down_convert(control, 1, 0)->empty());
  RecordBatchBuilder builder;
  for (int i = 0; i < 3; ++i) {
    NewRecord record;
    record.value = base::as_bytes("v");
    builder.append(record);
  }
  base::Bytes batch = builder.build();
  base::Bytes all = *down_convert(batch, 1, 0);
  EXPECT_EQ(down_convert(batch, 1, 2)->size() * 3, all.size());
  EXPECT_EQ(*down_convert(all, 1, 0), all);  // old enough already
  batch.insert(batch.end(), 30, 0x55);       // the next one is cut off
  EXPECT_EQ(down_convert(base::ByteView(batch).first(batch.size() - 20), 1, 0)->size(), all.size());
  EXPECT_TRUE(down_convert({}, 0, 0)->empty());
}

}  // namespace
}  // namespace protocol
