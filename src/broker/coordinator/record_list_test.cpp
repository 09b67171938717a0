#include "broker/coordinator/record_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "protocol/record.h"

namespace broker::coordinator {
namespace {

base::Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST(RecordList, ABatchHasWhatWasAdded) {
  RecordList records({KeyAndValue{bytes_of("a"), bytes_of("1")}, KeyAndValue{bytes_of("deleted"), std::nullopt}});
  records.add(KeyAndValue{bytes_of("b"), bytes_of("")});
  std::ranges::copy(std::string_view("key-and-value"), records.add(4, 9));
  EXPECT_EQ(records.size(), 4U);
  EXPECT_EQ(records.bytes(), 2U + 7U + 1U + 13U);
  BatchSender sender;
  sender.base_sequence = 0;
  sender.producer_id = 5;
  sender.producer_epoch = 2;
  sender.transactional = true;
  const base::Bytes batch = records.build_batch(99, sender);
  EXPECT_LE(batch.size(), protocol::kBatchHeaderSize + records.bytes_in_batch_max());
  protocol::RecordReader reader(batch);
  EXPECT_EQ(reader.header().producer_id, 5);
  EXPECT_EQ(reader.header().producer_epoch, 2);
  EXPECT_EQ(reader.header().base_sequence, 0);
  EXPECT_TRUE(reader.header().is_transactional());
  protocol::Record record;
  std::vector<std::string> seen;
  while (reader.next(record)) {
    EXPECT_EQ(record.timestamp, 99);
    seen.push_back(std::string(base::as_text(*record.key)) + "=" + (record.value ? std::string(base::as_text(*record.value)) : "null"));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a=1", "deleted=null", "b=", "key-=and-value"}));
}

TEST(RecordList, OneOfNothingIsEmpty) {
  EXPECT_TRUE(RecordList().empty());
  EXPECT_TRUE(RecordList(std::vector<KeyAndValue>()).empty());
  EXPECT_FALSE(RecordList(KeyAndValue{}).empty());
}

TEST(RecordList, WhatWasMovedIsGone) {
  RecordList first(KeyAndValue{bytes_of("a"), bytes_of("1")});
  RecordList second(std::move(first));
  for (const RecordList* one : {&first, &second}) EXPECT_EQ(one->bytes(), one == &first ? 0U : 2U);
  EXPECT_EQ(first.size(), 0U);
  first = std::move(second);
  EXPECT_EQ(first.size(), 1U);
  EXPECT_EQ(second.size(), 0U);
  EXPECT_EQ(second.bytes(), 0U);
}

}  // namespace
}  // namespace broker::coordinator
