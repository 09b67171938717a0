#include "protocol/codec/codec.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "protocol/messages/api_versions.h"
#include "protocol/messages/create_topics.h"
#include "protocol/messages/fetch.h"
#include "protocol/messages/find_coordinator.h"
#include "protocol/messages/join_group.h"
#include "protocol/messages/metadata.h"
#include "protocol/messages/produce.h"
#include "protocol/records/consumer_group_member_metadata.h"
#include "protocol/records/offset_commit.h"

namespace protocol {
namespace {

base::Bytes hex(const char* text) { return *base::from_hex(text); }

template <class Message>
std::string error_of(const char* text, std::int16_t version) {
  const base::Bytes bytes = hex(text);
  Message message;
  return decode(message, version, bytes).error;
}

template <class Message>
Message decoded(const base::Bytes& bytes, std::int16_t version) {
  Message message;
  const Decoded result = decode(message, version, bytes);
  EXPECT_TRUE(result) << result.error;
  EXPECT_EQ(result.bytes_left, 0u);
  return message;
}

TEST(Decode, ErrorsNameTheFieldAndTheReason) { EXPECT_EQ(error_of<FetchRequest>("", 4), "replica_id: ends too early"); }

TEST(Decode, ErrorsInsideArraysTellTheIndex) {
  // replica, wait, min, max, isolation, two topics: "a" without partitions, "b" with one cut short.
  const std::string start = "ffffffff000001f4000000010000000100000000020001610000000000016200000001";
  EXPECT_EQ(error_of<FetchRequest>((start + "00000007").c_str(), 4),
            "topics[1].partitions[0].fetch_offset: ends too early");
}

TEST(Decode, CountsAreCheckedBeforeAnythingIsAllocated) {
  // A count that the bytes left can't hold, in both encodings.
  EXPECT_EQ(error_of<MetadataRequest>("7fffffff", 1), "topics: length exceeds the bytes left");
  EXPECT_EQ(error_of<MetadataRequest>("ffffffff0f", 9), "topics: length exceeds the bytes left");
  // As many elements as bytes, but each topic takes at least two: refused by the least size, not by running out.
  base::Bytes bytes = hex("00010000");
  bytes.resize(bytes.size() + 0x10000, 0);
  MetadataRequest request;
  EXPECT_EQ(decode(request, 1, bytes).error, "topics: more elements than bytes left");
}

TEST(Decode, ArraysOfEmptyElementsDoNotEatTheMemory) {
  // A hundred thousand topics without a name: two bytes each on the wire, 64 in memory.
  base::Bytes bytes = hex("a18d06");
  for (int topic = 0; topic < 100'000; ++topic) {
    bytes.push_back(1);
    bytes.push_back(0);
  }
  MetadataRequest request;
  EXPECT_EQ(decode(request, 9, bytes).error, "topics: arrays of too many elements");
  // Real ones pass: as many topics with the shortest names that so many can have.
  request = MetadataRequest();
  for (int topic = 0; topic < 100'000; ++topic) {
    request.topics->emplace_back().name = std::to_string(topic);
  }
  const base::Bytes real = encode(request, 9).to_bytes();
  EXPECT_EQ(decoded<MetadataRequest>(real, 9).topics->size(), 100'000u);
}

TEST(Decode, ArraysOfAFrameOfTheLargestSizeDoNotEatTheMemoryEither) {
  // A fetch without topics that forgets ten million partitions.
  base::Bytes bytes = hex("ffffffff000001f400000001000000010000000000000000000000000000000001000161" "00989680");
  bytes.resize(bytes.size() + 40'000'000, 0);
  FetchRequest request;
  EXPECT_EQ(decode(request, 7, bytes).error, "forgotten_topics_data[0].partitions: arrays of too many elements");
}

TEST(Decode, TaggedFieldsThatNobodyKnowsDoNotEatTheMemory) {
  // Two million of them, of two bytes each.
  base::Bytes bytes = hex("0261" "0261");
  for (std::uint32_t left = 2'000'000; left > 0; left >>= 7) {
    bytes.push_back(static_cast<std::uint8_t>((left & 0x7f) | (left > 0x7f ? 0x80 : 0)));
  }
  for (int tag = 0; tag < 2'000'000; ++tag) {
    bytes.push_back(5);
    bytes.push_back(0);
  }
  ApiVersionsRequest request;
  EXPECT_EQ(decode(request, 3, bytes).error, "tagged fields: too many that are unknown");
}

TEST(Decode, LengthsBelowZeroAreNullOrRefused) {
  EXPECT_EQ(error_of<ApiVersionsRequest>("00", 3), "client_software_name: null, but it must not be");
  EXPECT_EQ(error_of<MetadataRequest>("ffffffff", 0), "topics: null, but it must not be");
  EXPECT_FALSE(decoded<MetadataRequest>(hex("ffffffff"), 1).topics.has_value());
  EXPECT_FALSE(decoded<MetadataRequest>(hex("80000000"), 1).topics.has_value());  // Kafka takes any negative for null
  EXPECT_TRUE(decoded<MetadataRequest>(hex("00000000"), 1).topics.has_value());
}

TEST(Decode, StringsAreBoundedInFlexibleVersionsToo) {
  base::Bytes bytes = hex("818002");  // 32768
  bytes.resize(bytes.size() + 40000, 'a');
  ApiVersionsRequest request;
  EXPECT_EQ(decode(request, 3, bytes).error, "client_software_name: a string of more than 32767 bytes");
}

TEST(Decode, VarintsHaveFiveBytesAtMost) {
  EXPECT_EQ(error_of<ApiVersionsRequest>("808080808001", 3), "client_software_name: varint of more than five bytes");
}

TEST(Decode, BytesAfterTheMessageAreCounted) {
  const base::Bytes bytes = hex("0102");
  ApiVersionsRequest request;
  const Decoded result = decode(request, 0, bytes);
  EXPECT_TRUE(result);
  EXPECT_EQ(result.bytes_left, 2u);
}

TEST(Decode, UnknownVersionsAreRefused) {
  EXPECT_EQ(error_of<ApiVersionsRequest>("", 99), "version 99 is not known");
  EXPECT_EQ(error_of<ApiVersionsRequest>("", -1), "version -1 is not known");
  EXPECT_THROW((void)encode(ApiVersionsRequest(), 99), std::logic_error);
}

TEST(Tags, BadTagSectionsAreRefused) {
  EXPECT_EQ(error_of<ApiVersionsRequest>("02610262010501ff", 3), "");
  EXPECT_EQ(error_of<ApiVersionsRequest>("0261026203", 3), "tagged fields: more tagged fields than bytes left");
  EXPECT_EQ(error_of<ApiVersionsRequest>("02610262010502ff", 3), "tagged fields: length exceeds the bytes left");
  // The cluster id of Fetch says that it is longer than its tag.
  FetchRequest request;
  request.cluster_id = "c";
  base::Bytes bytes = encode(request, 15).to_bytes();
  ASSERT_EQ(base::to_hex(base::ByteView(bytes).last(5)), "0100020263");
  bytes[bytes.size() - 2] = 5;
  FetchRequest back;
  EXPECT_EQ(decode(back, 15, bytes).error, "cluster_id: length exceeds the bytes left");
}

TEST(Tags, UnknownOnesAreKeptInOrder) {
  FetchRequest request;
  request.cluster_id = "c";
  request.replica_state.replica_id = 7;
  request.unknown_tags.add(5, hex("aabb"));
  request.unknown_tags.add(70000, {});
  const base::Bytes bytes = encode(request, 15).to_bytes();
  const FetchRequest back = decoded<FetchRequest>(bytes, 15);
  EXPECT_EQ(back.cluster_id, "c");
  EXPECT_EQ(back.replica_state.replica_id, 7);
  ASSERT_EQ(back.unknown_tags.size(), 2u);
  EXPECT_EQ(back.unknown_tags[0].tag, 5u);
  EXPECT_EQ(back.unknown_tags[1].bytes.size(), 0u);
  EXPECT_EQ(encode(back, 15).to_bytes(), bytes);
  FetchRequest copy = back;
  EXPECT_EQ(copy.unknown_tags.size(), 2u);
  copy = FetchRequest();
  EXPECT_TRUE(copy.unknown_tags.empty());
}

TEST(Tags, DefaultsAreLeftOut) {
  EXPECT_EQ(encode(ConsumerGroupMemberMetadataValue(), 0).to_bytes().back(), 0);
  ConsumerGroupMemberMetadataValue value;
  value.classic_member_metadata = std::nullopt;  // its default is an empty struct, so null is told
  const base::Bytes bytes = encode(value, 0).to_bytes();
  EXPECT_EQ(base::to_hex(base::ByteView(bytes).last(4)), "01000100");
  EXPECT_FALSE(decoded<ConsumerGroupMemberMetadataValue>(bytes, 0).classic_member_metadata.has_value());
}

TEST(Encode, WhatAVersionLacksIsDroppedOrABug) {
  JoinGroupRequest ignorable;
  ignorable.reason = "restart";
  EXPECT_NO_THROW((void)encode(ignorable, 7));
  JoinGroupRequest group_instance;
  group_instance.group_instance_id = "i";
  EXPECT_THROW((void)encode(group_instance, 4), std::logic_error);
  EXPECT_NO_THROW((void)encode(group_instance, 5));
  MetadataRequest null_topics;
  null_topics.topics = std::nullopt;
  EXPECT_THROW((void)encode(null_topics, 0), std::logic_error);
  EXPECT_THROW((void)encode(
                   [] {
                     FindCoordinatorRequest request;
                     request.key = std::string(40000, 'x');
                     return request;
                   }(),
                   0),
               std::length_error);
}

FetchResponse fetch_response(Records records) {
  FetchResponse response;
  auto& topic = response.responses.emplace_back();
  topic.topic = "t";
  for (int partition = 0; partition < 2; ++partition) {
    auto& data = topic.partitions.emplace_back();
    data.partition_index = partition;
    data.records = records;
  }
  return response;
}

TEST(Encode, LargeRecordsAreNotCopied) {
  const base::Bytes bytes(5000, 0xab);
  const EncodedMessage large = encode(fetch_response(Records(bytes)), 4);
  ASSERT_EQ(large.slices().size(), 2u);
  EXPECT_EQ(large.slices()[0].records.bytes().data(), bytes.data());
  EXPECT_EQ(large.size(), large.buffer().size() + 10000);
  const base::Bytes whole = large.to_bytes();
  EXPECT_EQ(whole.size(), large.size());
  const FetchResponse back = decoded<FetchResponse>(whole, 4);
  EXPECT_EQ(back.responses[0].partitions[1].records.size(), 5000u);
  const base::ByteView view = back.responses[0].partitions[1].records.bytes();
  EXPECT_TRUE(view.data() > whole.data() && view.data() < whole.data() + whole.size());  // a view, not a copy

  const base::Bytes few(100, 0xab);
  EXPECT_FALSE(encode(fetch_response(Records(few)), 4).has_slices());
  EXPECT_EQ(encode(fetch_response(Records()), 4).size(), encode(fetch_response(Records(base::ByteView())), 4).size());
}

// Only what a slice needs.
class FileOfBytes final : public base::File {
 public:
  explicit FileOfBytes(base::Bytes bytes) : bytes_(std::move(bytes)) {}
  std::size_t read_at(std::uint64_t position, base::MutableByteView into) const override {
    const std::size_t size = std::min<std::size_t>(into.size(), bytes_.size() - position);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(position), size, into.begin());
    return size;
  }
  void write_at(std::uint64_t, base::ByteView) override { throw std::logic_error("read only"); }
  void truncate(std::uint64_t) override { throw std::logic_error("read only"); }
  void allocate(std::uint64_t) override { throw std::logic_error("read only"); }
  std::uint64_t size() const override { return bytes_.size(); }
  void sync() override {}

 private:
  base::Bytes bytes_;
};

TEST(Encode, SlicesOfFilesAreKeptAsSuch) {
  auto file = std::make_shared<FileOfBytes>(hex("00010203040506070809"));
  const EncodedMessage encoded = encode(fetch_response(Records::slice(file, 3, 4)), 4);
  ASSERT_EQ(encoded.slices().size(), 2u);
  int byte_parts = 0;
  int record_parts = 0;
  encoded.for_each_part([&](base::ByteView) { ++byte_parts; }, [&](const Records&) { ++record_parts; });
  EXPECT_EQ(byte_parts, 2);  // the second slice is the end
  EXPECT_EQ(record_parts, 2);
  EXPECT_EQ(base::to_hex(base::ByteView(encoded.to_bytes()).last(4)), "03040506");
  const EncodedMessage beyond = encode(fetch_response(Records::slice(file, 8, 4)), 4);
  EXPECT_THROW((void)beyond.to_bytes(), std::runtime_error);
}

TEST(Versioned, TheVersionStandsInFront) {
  OffsetCommitKey key;
  key.group = "g";
  key.topic = "t";
  key.partition = 3;
  const base::Bytes bytes = encode_with_version(key, 1);
  EXPECT_EQ(base::to_hex(bytes), "000100016700017400000003");
  OffsetCommitKey back;
  std::int16_t version = -1;
  EXPECT_TRUE(decode_with_version(back, bytes, &version));
  EXPECT_EQ(version, 1);
  EXPECT_EQ(back.topic, "t");
  EXPECT_EQ(decode_with_version(back, hex("00")).error, "version: ends too early");
  EXPECT_EQ(decode_with_version(back, hex("0002000167")).error, "version 2 is not known");
}

TEST(Print, IsJsonWithoutRecords) {
  const base::Bytes bytes(5000, 0xab);
  ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 30000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = "quote \" and \n";
  topic.partition_data.emplace_back().records = Records(bytes);
  EXPECT_EQ(print(request, 9),
            R"({"transactional_id":null,"acks":-1,"timeout_ms":30000,"topic_data":[{"name":"quote \" and \u000a",)"
            R"("partition_data":[{"index":0,"records":"5000 bytes"}]}]})");
}

}  // namespace
}  // namespace protocol
