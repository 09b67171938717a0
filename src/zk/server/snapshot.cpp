#include "zk/server/snapshot.h"

#include <algorithm>
#include <array>

#include "base/crc.h"
#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/convert.h"
#include "zk/server/txn_log.h"
#include "zk/tree/digest.h"

namespace zk::server {

namespace {

constexpr std::size_t kBufferBytesMin = 4096, kBufferBytes = 1024 * 1024;
constexpr std::size_t kWrittenAtOnce = 128 * 1024;  // a piece of so many bytes isn't copied first
constexpr std::uint64_t kLikelyRatio = 8;  // of what is unpacked to what is packed
constexpr std::size_t kStatBytes = 60;
// Of a znode in a compressed file: what it unpacks to is bounded by nothing else. Far above any jute.maxbuffer in use.
constexpr std::size_t kPackedRecordBytesMax = 256 * 1024 * 1024;
constexpr const char* kPrefix = "snapshot.";
constexpr const char* kTemporaryName = "unfinished-snapshot.tmp";
constexpr const char* kAdvice = "An older snapshot is tried if there is one";

void put_text(base::Bytes& to, std::string_view text) {
  base::append_big_endian(to, static_cast<std::int32_t>(text.size()));
  to.insert(to.end(), text.begin(), text.end());
}

constexpr std::string_view kGzipEnding = ".gz";
constexpr std::string_view kSnappyEnding = ".snappy";

base::Codec codec_of(std::string_view path) {
  if (path.ends_with(kGzipEnding)) return base::Codec::gzip;
  if (path.ends_with(kSnappyEnding)) return base::Codec::snappy;
  return base::Codec::none;
}

// Reads a file in pieces, unpacked, with the checksum over all that was taken. A compressed file is in memory as it is.
class Stream {
 public:
  Stream(base::FileSystem& files, const std::string& path) : path_(path) {
    if (codec_of(path) == base::Codec::none) {
      file_ = files.open(path, base::OpenMode::read);
      size_ = file_->size();
    } else {
      packed_ = base::read_file(files, path);
      guard([&] { decompressor_ = base::make_decompressor(codec_of(path), packed_); });
    }
  }

  [[noreturn]] void fail(const std::string& reason) const { throw DataDirError(path_, position_, reason, kAdvice); }
  std::uint64_t position() const { return position_; }  // in what is unpacked
  bool at_end() { return !fill(1); }
  bool ends_after(std::size_t bytes) { return fill(bytes) && !fill(bytes + 1); }

  base::ByteView peek(std::size_t bytes) {
    if (!fill(bytes)) fail("the file ends within a record");
    return base::ByteView(buffer_).subspan(cursor_, bytes);
  }
  void skip(std::size_t bytes) {
    cursor_ += bytes;
    position_ += bytes;
  }
  template <class T>
  T take() {
    T value = base::load_big_endian<T>(peek(sizeof(T)).data());
    skip(sizeof(T));
    return value;
  }
  std::string take_text() {
    auto length = take<std::int32_t>();
    if (length < 0) return {};
    std::string text(base::as_text(peek(static_cast<std::size_t>(length))));
    skip(text.size());
    return text;
  }
  std::int32_t take_count() {
    auto count = take<std::int32_t>();
    if (count < 0 || (file_ && static_cast<std::uint64_t>(count) > size_ - position_)) fail("a count is out of range");
    return count;
  }
  void check_seal() {
    sum();
    const std::uint32_t expected = checksum_;
    auto found = take<std::int64_t>();
    if (found != static_cast<std::int64_t>(expected)) fail("the checksum before this offset is wrong");
    if (take_text() != "/") fail("the mark behind a checksum is missing");
  }

 private:
  void sum() {
    checksum_ = base::adler32(base::ByteView(buffer_).subspan(summed_, cursor_ - summed_), checksum_);
    summed_ = cursor_;
  }

  // Whether so many bytes are there. What a damaged length asks for is read piece by piece, not allocated.
  bool fill(std::size_t bytes) {
    if (buffer_.size() - cursor_ >= bytes) return true;
    if (file_ && size_ - position_ < bytes) return false;
    if (!file_ && bytes > kPackedRecordBytesMax) fail("a record is too large for a compressed file");
    sum();
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(cursor_));
    cursor_ = summed_ = 0;
    while (buffer_.size() < bytes) {
      std::size_t have = buffer_.size();
      buffer_.resize(have + step_of(have));
      std::size_t got = read(position_ + have, base::MutableByteView(buffer_).subspan(have));
      buffer_.resize(have + got);
      if (got == 0) return false;
    }
    return true;
  }

  // No more than there can be: many a file is small.
  std::size_t step_of(std::size_t have) const {
    const std::uint64_t left = file_ ? size_ - position_ - have : packed_.size() * kLikelyRatio;
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(left, kBufferBytesMin, kBufferBytes));
  }

  std::size_t read(std::uint64_t position, base::MutableByteView into) {
    if (file_) return file_->read_at(position, into);
    std::size_t got = 0;
    guard([&] { got = decompressor_->read(into); });
    return got;
  }

  template <class Work>
  void guard(Work&& work) {
    try {
      work();
    } catch (const base::CompressionError& error) {
      fail(error.what());
    }
  }

  std::string path_;
  std::unique_ptr<base::File> file_;  // null if compressed
  std::uint64_t size_ = 0;            // of the file, if plain
  base::Bytes packed_;
  std::unique_ptr<base::Decompressor> decompressor_;
  std::uint64_t position_ = 0;
  base::Bytes buffer_;
  std::size_t cursor_ = 0;
  std::size_t summed_ = 0;
  std::uint32_t checksum_ = 1;
};

void read_sessions(Stream& stream, tree::State& state) {
  for (std::int32_t left = stream.take_count(); left > 0; --left) {
    auto id = stream.take<std::int64_t>();
    state.load_session(id, stream.take<std::int32_t>());
  }
}

void read_acls(Stream& stream, tree::State& state) {
  for (std::int32_t left = stream.take_count(); left > 0; --left) {
    auto id = stream.take<std::int64_t>();
    tree::AclList acl;
    for (std::int32_t entries = stream.take_count(); entries > 0; --entries) {
      tree::AclEntry& entry = acl.emplace_back();
      entry.permissions = stream.take<std::int32_t>();
      entry.identity.scheme = stream.take_text();
      entry.identity.id = stream.take_text();
    }
    if (id != tree::AclCache::kOpenId) state.tree().acls().load(id, std::move(acl));
  }
}

tree::StatPersisted load_stat(const std::uint8_t* from) {
  auto take = [&from]<class T>(T& value) {
    value = base::load_big_endian<T>(from);
    from += sizeof(T);
  };
  tree::StatPersisted stat;
  take(stat.czxid);
  take(stat.mzxid);
  take(stat.ctime);
  take(stat.mtime);
  take(stat.version);
  take(stat.cversion);
  take(stat.aversion);
  take(stat.ephemeral_owner);
  take(stat.pzxid);
  return stat;
}

void read_nodes(Stream& stream, tree::State& state) {
  for (;;) {
    auto path_size = base::load_big_endian<std::int32_t>(stream.peek(4).data());
    if (path_size < 0) stream.fail("a path is null");
    const std::size_t path_bytes = static_cast<std::size_t>(path_size);
    if (path_bytes == 1 && stream.peek(5)[4] == '/') {
      stream.skip(5);
      return;
    }
    auto data_size = base::load_big_endian<std::int32_t>(stream.peek(8 + path_bytes).data() + 4 + path_bytes);
    if (data_size < -1) stream.fail("a negative data length");
    const std::size_t data_bytes = data_size < 0 ? 0 : static_cast<std::size_t>(data_size);
    const std::size_t whole = 4 + path_bytes + 4 + data_bytes + 8 + kStatBytes;
    base::ByteView bytes = stream.peek(whole);
    std::string_view path = base::as_text(bytes.subspan(4, path_bytes));
    std::optional<std::string_view> data;
    if (data_size >= 0) data = base::as_text(bytes.subspan(8 + path_bytes, data_bytes));
    const std::uint8_t* rest = bytes.data() + 8 + path_bytes + data_bytes;
    if (!state.tree().load(path, data, base::load_big_endian<std::int64_t>(rest), load_stat(rest + 8))) {
      stream.fail("the znode " + std::string(path) + " has no parent, or comes twice");
    }
    stream.skip(whole);
  }
}

}  // namespace

base::Bytes encode_snapshot_head(const std::map<std::int64_t, std::int32_t>& sessions,
                                 const std::map<std::int64_t, tree::SharedAcl>& acls) {
  base::Bytes head;
  base::append_big_endian(head, kSnapshotMagic);
  base::append_big_endian(head, kFileVersion);
  base::append_big_endian(head, std::int64_t{-1});
  base::append_big_endian(head, static_cast<std::int32_t>(sessions.size()));
  for (const auto& [id, timeout_ms] : sessions) {
    base::append_big_endian(head, id);
    base::append_big_endian(head, timeout_ms);
  }
  base::append_big_endian(head, static_cast<std::int32_t>(acls.size()));
  for (const auto& [id, acl] : acls) {
    base::append_big_endian(head, id);
    base::append_big_endian(head, static_cast<std::int32_t>(acl->size()));
    for (const tree::AclEntry& entry : *acl) {
      base::append_big_endian(head, entry.permissions);
      put_text(head, entry.identity.scheme);
      put_text(head, entry.identity.id);
    }
  }
  return head;
}

void append_snapshot_node(base::Bytes& to, std::string_view path, const tree::Znode& node) {
  proto::Writer writer(std::move(to));
  if (path == "/") path = {};
  if (node.data.is_null()) {
    writer.write(path, std::int32_t{-1}, node.acl_id, node.stat);
  } else {
    writer.write(path, node.data.view(), node.acl_id, node.stat);
  }
  to = writer.take();
}

SnapshotWriter::SnapshotWriter(base::FileSystem& files, std::string directory, SnapshotOptions options)
    : files_(files), directory_(std::move(directory)), options_(options) {
  file_ = files_.open(directory_ + "/" + kTemporaryName, base::OpenMode::create);
  file_->truncate(0);
}

void SnapshotWriter::append(base::ByteView bytes) {
  checksum_ = base::adler32(bytes, checksum_);
  if (options_.codec == base::Codec::none && bytes.size() >= kWrittenAtOnce) {
    flush();
    file_->write_at(position_, bytes);
    position_ += bytes.size();
    return;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) flush();
}

void SnapshotWriter::flush() {
  if (buffer_.empty()) return;
  // Pieces packed one by one are one stream to the readers of both codecs.
  if (options_.codec != base::Codec::none) buffer_ = base::compress(options_.codec, buffer_);
  file_->write_at(position_, buffer_);
  position_ += buffer_.size();
  buffer_.clear();
}

void SnapshotWriter::seal() {
  base::Bytes bytes;
  base::append_big_endian(bytes, static_cast<std::int64_t>(checksum_));
  put_text(bytes, "/");
  append(bytes);
}

void SnapshotWriter::finish(std::int64_t zxid, std::optional<std::uint64_t> digest) {
  base::Bytes bytes;
  put_text(bytes, "/");
  append(bytes);
  seal();
  if (digest) {
    bytes.clear();
    base::append_big_endian(bytes, zxid);
    base::append_big_endian(bytes, tree::kDigestVersion);
    base::append_big_endian(bytes, static_cast<std::int64_t>(*digest));
    append(bytes);
    seal();
    if (options_.last_zxid) {
      bytes.clear();
      base::append_big_endian(bytes, zxid);
      append(bytes);
      seal();
    }
  }
  flush();
  file_->sync();
  file_.reset();
  files_.rename(directory_ + "/" + kTemporaryName, directory_ + "/" + snapshot_name(zxid, options_.codec));
  files_.sync_directory(directory_);
}

SnapshotInfo read_snapshot(base::FileSystem& files, const std::string& path, tree::State& state) {
  state.clear();
  Stream stream(files, path);
  if (stream.take<std::int32_t>() != kSnapshotMagic) stream.fail("this is no snapshot: it doesn't begin with ZKSN");
  if (stream.take<std::int32_t>() != kFileVersion) stream.fail("the format version is not 2");
  stream.take<std::int64_t>();
  read_sessions(stream, state);
  read_acls(stream, state);
  read_nodes(stream, state);
  stream.check_seal();
  SnapshotInfo info;
  // Each by its own switch (digest.enabled, serializeLastProcessedZxid.enabled), so only the length tells which is
  // there.
  constexpr std::size_t kLastZxidBytes = 8 + 8 + 5;
  if (!stream.at_end() && !stream.ends_after(kLastZxidBytes)) {
    info.digest_offset = stream.position();
    info.digest_zxid = stream.take<std::int64_t>();
    auto version = stream.take<std::int32_t>();
    info.digest = static_cast<std::uint64_t>(stream.take<std::int64_t>());
    if (version != tree::kDigestVersion) info.digest_zxid = -1;
    stream.check_seal();
  }
  if (!stream.at_end()) {
    info.last_zxid = stream.take<std::int64_t>();
    stream.check_seal();
  }
  state.tree().finish_load();
  return info;
}

void require_acls(const std::string& path, const tree::State& state) {
  auto without = state.tree().path_without_acl();
  if (without) throw DataDirError(path + ": the znode " + *without + " names an ACL that isn't there. " + kAdvice);
}

std::string snapshot_name(std::int64_t zxid, base::Codec codec) {
  std::string name = hex_name(kPrefix, zxid);
  if (codec == base::Codec::gzip) name += kGzipEnding;
  if (codec == base::Codec::snappy) name += kSnappyEnding;
  return name;
}

std::optional<std::int64_t> zxid_of_snapshot(std::string_view name) {
  if (name.ends_with(kGzipEnding)) name.remove_suffix(kGzipEnding.size());
  if (name.ends_with(kSnappyEnding)) name.remove_suffix(kSnappyEnding.size());
  return zxid_of_name(name, kPrefix);
}

bool has_snapshot_tail(base::FileSystem& files, const std::string& path) {
  auto file = files.open(path, base::OpenMode::read);
  std::uint64_t size = file->size();
  if (codec_of(path) == base::Codec::gzip) {
    std::array<std::uint8_t, 2> head{};
    return file->read_at(0, head) == head.size() && head == std::array<std::uint8_t, 2>{0x1f, 0x8b};
  }
  if (codec_of(path) == base::Codec::snappy) {
    std::array<std::uint8_t, 8> head{};
    return file->read_at(0, head) == head.size() &&
           head == std::array<std::uint8_t, 8>{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
  }
  if (size < 10) return false;
  std::array<std::uint8_t, 5> tail{};
  return file->read_at(size - tail.size(), tail) == tail.size() && tail == std::array<std::uint8_t, 5>{0, 0, 0, 1, '/'};
}

}  // namespace zk::server
