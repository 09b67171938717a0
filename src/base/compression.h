// Kafka's codecs: gzip, snappy in xerial's framing, lz4 frames, zstd. Whole buffers, or a stream that is read piece by
// piece so that a small batch which unpacks to gigabytes costs no memory. Errors: CompressionError, for bytes that no
// writer of the codec makes; OutputTooLarge, for output beyond the caller's bound. The functions are thread-safe; a Decompressor
// belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace base {

enum class Codec : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };  // the numbers of the wire

std::string_view name_of(Codec codec);                    // "none", "gzip", …
std::optional<Codec> codec_named(std::string_view text);  // not "producer" and not "uncompressed"

class CompressionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The output is larger than the caller's bound; nothing is wrong with the bytes.
class OutputTooLarge : public CompressionError {
 public:
  using CompressionError::CompressionError;
};

// Levels are those of compression.gzip.level, .lz4.level and .zstd.level; without one, the codec's default.
Bytes compress(Codec codec, ByteView bytes, std::optional<int> level = std::nullopt);
Bytes decompress(Codec codec, ByteView bytes, std::size_t output_bytes_max);
// Into a buffer that is used again and again: it grows as need be, and keeps its size. Answers how much of it is filled.
std::size_t decompress_into(Bytes& buffer, Codec codec, ByteView bytes, std::size_t output_bytes_max);

class Decompressor {
 public:
  virtual ~Decompressor() = default;
  // Fills `into` as far as there is output; fewer bytes only at the end, then 0 for ever.
  virtual std::size_t read(MutableByteView into) = 0;
};

// `bytes` must outlive the object. Keep it short-lived: its state comes from a cache of the thread where it can.
std::unique_ptr<Decompressor> make_decompressor(Codec codec, ByteView bytes);

}  // namespace base
