#include "base/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace base {
namespace {

// States are costly to make (64 KB and more) and most batches are small, so each thread keeps one of each kind while
// nobody uses it.
template <class State, State* (*make)(), void (*destroy)(State*)>
class Cached {
 public:
  Cached() : state_(std::exchange(slot().state, nullptr)) {
    if (state_ == nullptr) state_ = make();
  }
  ~Cached() {
    if (keep && slot().state == nullptr) {
      slot().state = state_;
    } else {
      destroy(state_);
    }
  }
  Cached(const Cached&) = delete;
  Cached& operator=(const Cached&) = delete;
  State* get() const { return state_; }

  bool keep = true;

 private:
  struct Slot {
    State* state = nullptr;
    ~Slot() {
      if (state != nullptr) destroy(state);
    }
  };
  static Slot& slot() {
    thread_local Slot the_slot;
    return the_slot;
  }
  State* state_;
};

[[noreturn]] void fail(const char* codec, const std::string& reason) {
  throw CompressionError(std::string(codec) + ": " + reason);
}

// ---- none ----

class PlainReader final : public Decompressor {
 public:
  explicit PlainReader(ByteView bytes) : rest_(bytes) {}
  std::size_t read(MutableByteView into) override {
    const std::size_t count = std::min(into.size(), rest_.size());
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  ByteView rest_;
};

// ---- gzip ----

constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for gzip's header and trailer

z_stream* make_inflate() {
  auto* stream = new z_stream{};
  if (inflateInit2(stream, kGzipWindow) != Z_OK) {
    delete stream;
    fail("gzip", "no memory");
  }
  return stream;
}
void destroy_inflate(z_stream* stream) {
  inflateEnd(stream);
  delete stream;
}

class GzipReader final : public Decompressor {
 public:
  explicit GzipReader(ByteView bytes) {
    inflateReset(stream_.get());
    stream_.get()->next_in = const_cast<std::uint8_t*>(bytes.data());
    stream_.get()->avail_in = static_cast<uInt>(bytes.size());
  }

  std::size_t read(MutableByteView into) override {
    z_stream& stream = *stream_.get();
    stream.next_out = into.data();
    stream.avail_out = static_cast<uInt>(into.size());
    while (stream.avail_out > 0 && !ended_) {
      const int status = inflate(&stream, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        // Members may follow one another; anything else behind the last one is ignored, as Java does.
        ended_ = stream.avail_in < 2 || stream.next_in[0] != 0x1f || stream.next_in[1] != 0x8b;
        if (!ended_) inflateReset(&stream);
      } else if (status != Z_OK) {
        fail("gzip", stream.msg != nullptr ? stream.msg : "the stream ends too early");
      }
    }
    return into.size() - stream.avail_out;
  }

 private:
  Cached<z_stream, make_inflate, destroy_inflate> stream_;
  bool ended_ = false;
};

Bytes gzip_compress(ByteView bytes, std::optional<int> level) {
  z_stream stream{};
  if (deflateInit2(&stream, level.value_or(Z_DEFAULT_COMPRESSION), Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    fail("gzip", "level out of range");
  }
  gz_header header{};
  header.os = 255;  // unknown, as Java writes
  deflateSetHeader(&stream, &header);
  Bytes out(deflateBound(&stream, static_cast<uLong>(bytes.size())));
  stream.next_in = const_cast<std::uint8_t*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) fail("gzip", "deflate failed");
  return out;
}

// ---- snappy ----

// Xerial's framing: this header, two version numbers, then blocks of a length (int32) and raw snappy. Bytes without the
// header are one raw block: clients in C write that.
constexpr std::uint8_t kXerialMagic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr std::size_t kXerialHeaderSize = 16;
constexpr std::size_t kXerialBlockSize = std::size_t{32} << 10;
// No element of raw snappy gives more than 64 bytes for 3. A length beyond that is a lie, and isn't allocated.
constexpr std::size_t kSnappyRatioMax = 22;

bool has_xerial_header(ByteView bytes) {
  return bytes.size() >= kXerialHeaderSize &&
         std::equal(std::begin(kXerialMagic), std::end(kXerialMagic), bytes.begin());
}

class SnappyReader final : public Decompressor {
 public:
  explicit SnappyReader(ByteView bytes) : rest_(bytes), framed_(has_xerial_header(bytes)) {
    if (bytes.empty()) fail("snappy", "no bytes");
  }

  std::size_t read(MutableByteView into) override {
    std::size_t filled = 0;
    while (filled < into.size()) {
      if (used_ == block_.size() && !next_block()) break;
      const std::size_t count = std::min(into.size() - filled, block_.size() - used_);
      std::copy_n(block_.begin() + static_cast<std::ptrdiff_t>(used_), count,
                  into.begin() + static_cast<std::ptrdiff_t>(filled));
      filled += count;
      used_ += count;
    }
    return filled;
  }

 private:
  bool next_block() {
    // The header comes first, and again where streams were put behind one another.
    while (framed_ && has_xerial_header(rest_)) rest_ = rest_.subspan(kXerialHeaderSize);
    if (rest_.empty()) return false;
    ByteView packed = rest_;
    if (framed_) {
      if (rest_.size() < 4) fail("snappy", "a block's length is cut off");
      const auto length = load_big_endian<std::uint32_t>(rest_.data());
      rest_ = rest_.subspan(4);
      if (length > rest_.size()) fail("snappy", "a block is cut off");
      packed = rest_.first(length);
    }
    rest_ = rest_.subspan(packed.size());
    const char* from = reinterpret_cast<const char*>(packed.data());
    std::size_t unpacked_size = 0;
    if (!snappy::GetUncompressedLength(from, packed.size(), &unpacked_size) ||
        unpacked_size > packed.size() * kSnappyRatioMax) {
      fail("snappy", "a block's length is wrong");
    }
    block_.resize(unpacked_size);
    used_ = 0;
    if (!snappy::RawUncompress(from, packed.size(), reinterpret_cast<char*>(block_.data()))) {
      fail("snappy", "a block is corrupt");
    }
    return true;
  }

  ByteView rest_;
  bool framed_;
  Bytes block_;
  std::size_t used_ = 0;
};

Bytes snappy_compress(ByteView bytes) {
  Bytes out(std::begin(kXerialMagic), std::end(kXerialMagic));
  append_big_endian<std::int32_t>(out, 1);
  append_big_endian<std::int32_t>(out, 1);
  while (!bytes.empty()) {
    const ByteView block = bytes.first(std::min(bytes.size(), kXerialBlockSize));
    bytes = bytes.subspan(block.size());
    const std::size_t length_at = out.size();
    std::size_t packed_size = 0;
    out.resize(length_at + 4 + snappy::MaxCompressedLength(block.size()));
    snappy::RawCompress(reinterpret_cast<const char*>(block.data()), block.size(),
                        reinterpret_cast<char*>(out.data() + length_at + 4), &packed_size);
    store_big_endian(out.data() + length_at, static_cast<std::uint32_t>(packed_size));
    out.resize(length_at + 4 + packed_size);
  }
  return out;
}

// ---- lz4 ----

LZ4F_dctx* make_lz4() {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) fail("lz4", "no memory");
  return context;
}
void destroy_lz4(LZ4F_dctx* context) { LZ4F_freeDecompressionContext(context); }

class Lz4Reader final : public Decompressor {
 public:
  explicit Lz4Reader(ByteView bytes) : rest_(bytes) {
    LZ4F_resetDecompressionContext(context_.get());
    constexpr std::size_t kFlagsAt = 4;
    constexpr std::uint8_t kBlocksIndependent = 0x20;
    // Kafka's own reader can't read dependent blocks, so no consumer could.
    if (bytes.size() <= kFlagsAt || (bytes[kFlagsAt] & kBlocksIndependent) == 0)
      fail("lz4", "not a frame of Kafka's kind");
  }

  std::size_t read(MutableByteView into) override {
    std::size_t filled = 0;
    while (filled < into.size() && !ended_) {
      std::size_t produced = into.size() - filled;
      std::size_t consumed = rest_.size();
      const std::size_t status =
          LZ4F_decompress(context_.get(), into.data() + filled, &produced, rest_.data(), &consumed, nullptr);
      if (LZ4F_isError(status)) fail("lz4", LZ4F_getErrorName(status));
      filled += produced;
      rest_ = rest_.subspan(consumed);
      ended_ = status == 0;
      if (!ended_ && produced == 0 && consumed == 0) fail("lz4", "the frame ends too early");
    }
    return filled;
  }

 private:
  Cached<LZ4F_dctx, make_lz4, destroy_lz4> context_;
  ByteView rest_;
  bool ended_ = false;
};

Bytes lz4_compress(ByteView bytes, std::optional<int> level) {
  constexpr int kKafkaDefaultLevel = 9;  // stands for the fast compressor; all others for the high one
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  if (level && *level != kKafkaDefaultLevel) preferences.compressionLevel = std::clamp(*level, 3, 12);
  // The bound is that of whole blocks of 64 KB, and most batches are small: each thread keeps the room for a few.
  constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20;
  thread_local Bytes kept;
  Bytes large;
  const std::size_t bound = LZ4F_compressFrameBound(bytes.size(), &preferences);
  Bytes& room = bound <= kKeptBytesMax ? kept : large;
  if (room.size() < bound) room.resize(bound);
  const std::size_t size = LZ4F_compressFrame(room.data(), room.size(), bytes.data(), bytes.size(), &preferences);
  if (LZ4F_isError(size)) fail("lz4", LZ4F_getErrorName(size));
  return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size)};
}

// ---- zstd ----

void destroy_zstd(ZSTD_DCtx* context) { ZSTD_freeDCtx(context); }

class ZstdReader final : public Decompressor {
 public:
  explicit ZstdReader(ByteView bytes) : input_{bytes.data(), bytes.size(), 0} {
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
  }
  ~ZstdReader() override {
    // A frame of level 22 asks for a window of 128 MB. That isn't kept.
    constexpr std::size_t kKeepBytesMax = std::size_t{9} << 20;
    context_.keep = ZSTD_sizeof_DCtx(context_.get()) <= kKeepBytesMax;
  }
  ZstdReader(const ZstdReader&) = delete;
  ZstdReader& operator=(const ZstdReader&) = delete;

  std::size_t read(MutableByteView into) override {
    ZSTD_outBuffer output{into.data(), into.size(), 0};
    while (output.pos < output.size) {
      if (frame_ended_ && input_.pos == input_.size) break;
      const std::size_t output_before = output.pos;
      const std::size_t input_before = input_.pos;
      const std::size_t status = ZSTD_decompressStream(context_.get(), &output, &input_);
      if (ZSTD_isError(status)) fail("zstd", ZSTD_getErrorName(status));
      frame_ended_ = status == 0;
      if (!frame_ended_ && output.pos == output_before && input_.pos == input_before) {
        fail("zstd", "the frame ends too early");
      }
    }
    return output.pos;
  }

 private:
  Cached<ZSTD_DCtx, ZSTD_createDCtx, destroy_zstd> context_;
  ZSTD_inBuffer input_;
  bool frame_ended_ = false;
};

ZSTD_CCtx* make_zstd_packer() {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  if (context == nullptr) fail("zstd", "no memory");
  return context;
}
void destroy_zstd_packer(ZSTD_CCtx* context) { ZSTD_freeCCtx(context); }

Bytes zstd_compress(ByteView bytes, std::optional<int> level) {
  // 64 KB take 700 KB at the default level, larger ones 1.3 MB, and at level 22 some 260 MB. That isn't kept.
  constexpr std::size_t kKeepBytesMax = std::size_t{2} << 20;
  Cached<ZSTD_CCtx, make_zstd_packer, destroy_zstd_packer> context;
  Bytes out(ZSTD_compressBound(bytes.size()));
  const std::size_t size = ZSTD_compressCCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size(),
                                             level.value_or(ZSTD_CLEVEL_DEFAULT));
  context.keep = ZSTD_sizeof_CCtx(context.get()) <= kKeepBytesMax;
  if (ZSTD_isError(size)) fail("zstd", ZSTD_getErrorName(size));
  out.resize(size);
  return out;
}

}  // namespace

std::string_view name_of(Codec codec) {
  switch (codec) {
    case Codec::none:
      return "none";
    case Codec::gzip:
      return "gzip";
    case Codec::snappy:
      return "snappy";
    case Codec::lz4:
      return "lz4";
    case Codec::zstd:
      return "zstd";
  }
  return "unknown";
}

std::optional<Codec> codec_named(std::string_view text) {
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    if (name_of(codec) == text) return codec;
  }
  return std::nullopt;
}

Bytes compress(Codec codec, ByteView bytes, std::optional<int> level) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    fail("compress", "more than 2 GB at once");
  }
  switch (codec) {
    case Codec::none:
      break;
    case Codec::gzip:
      return gzip_compress(bytes, level);
    case Codec::snappy:
      return snappy_compress(bytes);
    case Codec::lz4:
      return lz4_compress(bytes, level);
    case Codec::zstd:
      return zstd_compress(bytes, level);
  }
  return {bytes.begin(), bytes.end()};
}

Bytes decompress(Codec codec, ByteView bytes, std::size_t output_bytes_max) {
  Bytes out;
  out.resize(decompress_into(out, codec, bytes, output_bytes_max));
  return out;
}

std::size_t decompress_into(Bytes& buffer, Codec codec, ByteView bytes, std::size_t output_bytes_max) {
  constexpr std::size_t kFirstGuessMin = 1024;
  const auto reader = make_decompressor(codec, bytes);
  std::size_t room = std::min(output_bytes_max, std::max({kFirstGuessMin, buffer.size(), bytes.size() * 4}));
  std::size_t filled = 0;
  while (true) {
    if (buffer.size() < room) buffer.resize(room);
    filled += reader->read(MutableByteView(buffer).first(room).subspan(filled));
    if (filled < room) return filled;
    if (room == output_bytes_max) {
      std::uint8_t one_more = 0;
      if (reader->read({&one_more, 1}) == 0) return filled;
      throw OutputTooLarge("decompress: more than " + std::to_string(output_bytes_max) + " bytes come out");
    }
    room = std::min(output_bytes_max, room * 2);
  }
}

std::unique_ptr<Decompressor> make_decompressor(Codec codec, ByteView bytes) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    fail("decompress", "more than 2 GB at once");
  }
  switch (codec) {
    case Codec::none:
      break;
    case Codec::gzip:
      return std::make_unique<GzipReader>(bytes);
    case Codec::snappy:
      return std::make_unique<SnappyReader>(bytes);
    case Codec::lz4:
      return std::make_unique<Lz4Reader>(bytes);
    case Codec::zstd:
      return std::make_unique<ZstdReader>(bytes);
  }
  return std::make_unique<PlainReader>(bytes);
}

}  // namespace base
