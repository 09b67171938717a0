#include "base/compression.h"

#include <gtest/gtest.h>

#include <random>

namespace base {
namespace {

constexpr Codec kPacking[] = {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};
constexpr std::size_t kPlenty = std::size_t{1} << 26;

Bytes text_of(std::size_t size) {
  Bytes bytes;
  while (bytes.size() < size) {
    for (const char c : "record number " + std::to_string(bytes.size() % 977) + "\n")
      bytes.push_back(static_cast<std::uint8_t>(c));
  }
  bytes.resize(size);
  return bytes;
}

TEST(Compression, EveryCodecGivesBackWhatItGot) {
  for (const Codec codec : kPacking) {
    for (const std::size_t size : {0U, 1U, 100U, 32768U, 65537U, 3000000U}) {
      const Bytes bytes = text_of(size);
      const Bytes packed = compress(codec, bytes);
      EXPECT_EQ(decompress(codec, packed, kPlenty), bytes) << name_of(codec) << " " << size;
      if (size > 1000) {
        EXPECT_LT(packed.size(), size);
      }
    }
  }
}

TEST(Compression, Levels) {
  const Bytes bytes = text_of(200000);
  for (const int level : {1, 9}) {
    for (const Codec codec : kPacking) EXPECT_EQ(decompress(codec, compress(codec, bytes, level), kPlenty), bytes);
  }
}

// States are used again: what they were used for before leaves no trace.
TEST(Compression, TheSameBytesWhateverWasPackedBefore) {
  const Bytes bytes = text_of(100'000);
  for (const Codec codec : kPacking) {
    const Bytes packed = compress(codec, bytes);
    compress(codec, text_of(3'000'000), 9);
    compress(codec, text_of(10), 1);
    EXPECT_EQ(compress(codec, bytes), packed) << name_of(codec);
  }
}

TEST(Compression, SmallReadsGiveTheSame) {
  const Bytes bytes = text_of(100000);
  for (const Codec codec : kPacking) {
    const Bytes packed = compress(codec, bytes);
    const auto reader = make_decompressor(codec, packed);
    Bytes out;
    Bytes piece(777);
    while (const std::size_t count = reader->read(piece)) {
      out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    }
    EXPECT_EQ(reader->read(piece), 0U);
    EXPECT_EQ(out, bytes) << name_of(codec);
  }
}

TEST(Compression, OutputIsBounded) {
  const Bytes zeros(std::size_t{16} << 20);
  for (const Codec codec : kPacking) {
    const Bytes packed = compress(codec, zeros);
    EXPECT_THROW(decompress(codec, packed, zeros.size() - 1), OutputTooLarge) << name_of(codec);
    EXPECT_EQ(decompress(codec, packed, zeros.size()).size(), zeros.size());
  }
}

TEST(Compression, EveryCutIsNoticed) {
  const Bytes bytes = text_of(5000);
  for (const Codec codec : kPacking) {
    const Bytes packed = compress(codec, bytes);
    for (std::size_t cut = 1; cut < packed.size(); ++cut) {
      try {
        EXPECT_LT(decompress(codec, ByteView(packed).first(packed.size() - cut), kPlenty).size(), bytes.size())
            << name_of(codec) << " " << cut;
      } catch (const CompressionError&) {
      }
    }
  }
}

TEST(Compression, GarbageThrows) {
  std::mt19937 random(7);
  for (const Codec codec : kPacking) {
    EXPECT_THROW(decompress(codec, {}, kPlenty), CompressionError) << name_of(codec);
    for (int i = 0; i < 200; ++i) {
      Bytes bytes(random() % 300 + 1);
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
      try {
        // Two random bytes can be a raw block of snappy.
        EXPECT_LE(decompress(codec, bytes, kPlenty).size(), bytes.size() * 22);
      } catch (const CompressionError&) {
      }
    }
  }
}

TEST(Compression, SnappyFramedRawAndJoined) {
  const Bytes framed =
      *from_hex("82534e4150505900000000010000000100000018165414000000046b300476300014000202046b3104763100");
  const Bytes expected = *from_hex("14000000046b300476300014000202046b3104763100");
  EXPECT_EQ(decompress(Codec::snappy, framed, kPlenty), expected);
  EXPECT_EQ(decompress(Codec::snappy, ByteView(framed).subspan(20), kPlenty), expected);
  Bytes twice = framed;
  twice.insert(twice.end(), framed.begin(), framed.end());
  EXPECT_EQ(decompress(Codec::snappy, twice, kPlenty).size(), 2 * expected.size());
  // A raw block that promises 4 GB.
  EXPECT_THROW(decompress(Codec::snappy, *from_hex("ffffffff0f00"), kPlenty), CompressionError);
}

TEST(Compression, Lz4FrameIsKafkas) {
  const Bytes packed = compress(Codec::lz4, text_of(10));
  EXPECT_EQ(to_hex(ByteView(packed).first(7)), "04224d18604082");  // independent blocks of 64 KB, no checksums
  Bytes dependent = packed;
  dependent[4] = 0x40;
  EXPECT_THROW(decompress(Codec::lz4, dependent, kPlenty), CompressionError);
}

TEST(Compression, GzipHeaderIsJavas) {
  EXPECT_EQ(to_hex(ByteView(compress(Codec::gzip, text_of(10))).first(10)), "1f8b08000000000000ff");
  Bytes joined = compress(Codec::gzip, text_of(10));
  const Bytes second = joined;
  joined.insert(joined.end(), second.begin(), second.end());
  EXPECT_EQ(decompress(Codec::gzip, joined, kPlenty).size(), 20U);
}

TEST(Compression, Names) {
  EXPECT_EQ(codec_named("zstd"), Codec::zstd);
  EXPECT_EQ(codec_named("none"), Codec::none);
  EXPECT_FALSE(codec_named("producer"));
}

}  // namespace
}  // namespace base
