#include "protocol/codec/frame.h"

#include <gtest/gtest.h>

#include "protocol/messages/api_versions.h"
#include "protocol/messages/controlled_shutdown.h"
#include "protocol/messages/fetch.h"
#include "protocol/messages/metadata.h"

namespace protocol {
namespace {

base::Bytes hex(const char* text) { return *base::from_hex(text); }

TEST(RequestHead, OfEveryHeaderVersion) {
  const base::Bytes v1 = hex("0003000100000007000161ffffffff");
  const RequestHead head = decode_request_head(v1);
  ASSERT_TRUE(head) << head.error;
  EXPECT_EQ(head.api->key, ApiKey::metadata);
  EXPECT_EQ(head.header.request_api_version, 1);
  EXPECT_EQ(head.header.correlation_id, 7);
  EXPECT_EQ(head.header.client_id, "a");
  EXPECT_EQ(base::to_hex(head.body), "ffffffff");

  // Version 2 has tags; the client id keeps its two-byte length.
  const base::Bytes v2 = hex("0003000900000007000161010501ffaa");
  const RequestHead tagged = decode_request_head(v2);
  ASSERT_TRUE(tagged) << tagged.error;
  EXPECT_EQ(tagged.header.client_id, "a");
  EXPECT_EQ(tagged.header.unknown_tags.size(), 1u);
  EXPECT_EQ(base::to_hex(tagged.body), "aa");

  // ControlledShutdown v0 has no client id.
  const base::Bytes v0 = hex("000700000000000700000001");
  const RequestHead oldest = decode_request_head(v0);
  ASSERT_TRUE(oldest) << oldest.error;
  EXPECT_EQ(base::to_hex(oldest.body), "00000001");
}

TEST(RequestHead, NullClientId) {
  const base::Bytes frame = hex("0012000000000007ffff");
  const RequestHead head = decode_request_head(frame);
  ASSERT_TRUE(head);
  EXPECT_FALSE(head.header.client_id.has_value());
}

TEST(RequestHead, BadOnes) {
  EXPECT_EQ(decode_request_head({}).error, "header: ends too early");
  const base::Bytes short_client_id = hex("00030001000000070005616263");
  EXPECT_EQ(decode_request_head(short_client_id).error, "header.client_id: length exceeds the bytes left");
  const base::Bytes unknown = hex("03e7000000000007000161");
  const RequestHead head = decode_request_head(unknown);
  EXPECT_FALSE(head);
  EXPECT_TRUE(head.error.empty());
  EXPECT_EQ(head.api, nullptr);
  EXPECT_EQ(head.header.request_api_key, 999);
}

TEST(RequestHead, ApiVersionsOfTheFutureHasTheNewestHeader) {
  const base::Bytes good = hex("0012006300000007000161000261026200");
  const RequestHead head = decode_request_head(good);
  ASSERT_TRUE(head) << head.error;
  EXPECT_EQ(head.header.request_api_version, 99);
  const base::Bytes without_tags = hex("0012006300000007000161ffffff");
  EXPECT_FALSE(decode_request_head(without_tags).error.empty());
}

TEST(Frame, Responses) {
  ApiVersionsResponse versions;
  EXPECT_EQ(base::to_hex(encode_response(versions, 3, 7).to_bytes()),
            "0000000c"
            "00000007"
            "0000"
            "01"
            "00000000"
            "00");
  MetadataResponse metadata;
  const base::Bytes flexible = encode_response(metadata, 9, 7).to_bytes();
  EXPECT_EQ(base::load_big_endian<std::int32_t>(flexible.data()), static_cast<std::int32_t>(flexible.size() - 4));
  EXPECT_EQ(base::to_hex(base::ByteView(flexible).subspan(4, 5)), "0000000700");
}

TEST(Frame, SizeCountsRecords) {
  const base::Bytes bytes(5000, 1);
  FetchResponse response;
  response.responses.emplace_back().partitions.emplace_back().records = Records(bytes);
  const EncodedMessage encoded = encode_response(response, 12, 7);
  EXPECT_TRUE(encoded.has_slices());
  const base::Bytes whole = encoded.to_bytes();
  EXPECT_EQ(base::load_big_endian<std::int32_t>(whole.data()), static_cast<std::int32_t>(whole.size() - 4));
}

TEST(Frame, RequestsAreReadBack) {
  MetadataRequest request;
  request.topics->emplace_back().name = "t";
  for (const std::int16_t version : {std::int16_t{1}, std::int16_t{12}}) {
    const base::Bytes frame = encode_request(request, version, 42, "me").to_bytes();
    EXPECT_EQ(base::load_big_endian<std::int32_t>(frame.data()), static_cast<std::int32_t>(frame.size() - 4));
    const RequestHead head = decode_request_head(base::ByteView(frame).subspan(4));
    ASSERT_TRUE(head) << head.error;
    EXPECT_EQ(head.header.client_id, "me");
    EXPECT_EQ(head.header.correlation_id, 42);
    MetadataRequest back;
    const Decoded decoded = decode(back, version, head.body);
    ASSERT_TRUE(decoded) << decoded.error;
    EXPECT_EQ(decoded.bytes_left, 0u);
    EXPECT_EQ(back.topics->at(0).name, "t");
  }
  const base::Bytes oldest = encode_request(ControlledShutdownRequest(), 0, 42, "").to_bytes();
  EXPECT_EQ(base::to_hex(oldest), "0000000c000700000000002a00000000");
}

}  // namespace
}  // namespace protocol
