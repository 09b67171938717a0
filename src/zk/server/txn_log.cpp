#include "zk/server/txn_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crc.h"
#include "zk/server/log_tail.h"
#include "zk/server/txn_codec.h"

namespace zk::server {

namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;
constexpr std::uint64_t kPreallocateMargin = 4096;
constexpr std::uint64_t kZeroedAhead = 256 * 1024;
constexpr std::size_t kWrittenAtOnce = 256 * 1024;
constexpr std::uint64_t kBlock = base::DirectWriter::kBlock;

std::uint64_t block_begin(std::uint64_t position) { return position - position % kBlock; }
std::uint64_t block_end(std::uint64_t position) { return block_begin(position + kBlock - 1); }

constexpr std::uint64_t kTailBytesMax = 128 * 1024 * 1024;  // more than one write to the log has
constexpr const char* kRestoreAdvice =
    "Nothing was changed. Restore this file from a backup or another copy, or, if what it held may be lost, move it "
    "and "
    "every later log file out of the directory";

}  // namespace

std::string hex_name(const char* prefix, std::int64_t zxid) {
  return fmt::format("{}{:x}", prefix, static_cast<std::uint64_t>(zxid));
}

std::optional<std::int64_t> zxid_of_name(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return std::nullopt;
  std::uint64_t zxid = 0;
  auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), zxid, 16);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return static_cast<std::int64_t>(zxid);
}

TxnLogReader::TxnLogReader(base::FileSystem& files, std::string path)
    : path_(std::move(path)), file_(files.open(path_, base::OpenMode::read)), file_size_(file_->size()) {
  if (!need(kFileHeaderBytes)) {  // killed before it was written
    begin_without_header();
    return;
  }
  const std::uint8_t* header = buffer_.data() + cursor_;
  auto magic = base::load_big_endian<std::int32_t>(header);
  if (magic == 0 && file_size_ > 0 &&
      std::all_of(header, header + kFileHeaderBytes, [](std::uint8_t byte) { return byte == 0; })) {
    begin_without_header();  // preallocated, and killed before the header reached the disk
    return;
  }
  if (magic != kLogMagic) {
    throw DataDirError(path_, 0, "this is no transaction log: it doesn't begin with ZKLG", kRestoreAdvice);
  }
  auto version = base::load_big_endian<std::int32_t>(header + 4);
  if (version != kFileVersion) {
    throw DataDirError(path_, 4, "the format version is " + std::to_string(version) + ", not 2", kRestoreAdvice);
  }
  cursor_ += kFileHeaderBytes;
  position_ += kFileHeaderBytes;
}

void TxnLogReader::begin_without_header() {
  base::Bytes part(kReadBytes);
  empty_ = true;
  for (std::uint64_t at = 0; at < file_size_ && empty_; at += part.size()) {
    part.resize(static_cast<std::size_t>(std::min<std::uint64_t>(file_size_ - at, kReadBytes)));
    part.resize(file_->read_at(at, part));
    empty_ = !part.empty() && std::ranges::all_of(part, [](std::uint8_t byte) { return byte == 0; });
  }
  file_size_ = 0;
  torn_at_ = 0;
}

bool TxnLogReader::need(std::size_t bytes) {
  if (buffer_.size() - cursor_ >= bytes) return true;
  if (file_size_ - position_ < bytes) return false;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(cursor_));
  cursor_ = 0;
  std::size_t have = buffer_.size();
  std::uint64_t left = file_size_ - position_ - have;
  std::size_t more = static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(kReadBytes, bytes)));
  buffer_.resize(have + more);
  buffer_.resize(have + file_->read_at(position_ + have, base::MutableByteView(buffer_).subspan(have)));
  return buffer_.size() >= bytes;
}

std::optional<tree::Txn> TxnLogReader::next() {
  std::optional<tree::Txn> txn(std::in_place);
  if (!next(*txn)) txn.reset();
  return txn;
}

bool TxnLogReader::next(tree::Txn& txn) {
  record_offset_ = position_;
  if (file_size_ < position_ + kRecordHeadBytes || !need(kRecordHeadBytes)) return false;
  auto checksum = base::load_big_endian<std::int64_t>(buffer_.data() + cursor_);
  auto length = base::load_big_endian<std::int32_t>(buffer_.data() + cursor_ + 8);
  if (length == 0 && checksum == 0) return false;
  const std::size_t size = length > 0 ? static_cast<std::size_t>(length) : 0;
  if (length <= 0 || !need(kRecordHeadBytes + size + 1)) {
    refuse_damage();
    return false;
  }
  base::ByteView entry(buffer_.data() + cursor_ + kRecordHeadBytes, size);
  if (buffer_[cursor_ + kRecordHeadBytes + size] != kRecordEnd ||
      checksum != static_cast<std::int64_t>(base::adler32(entry))) {
    refuse_damage();
    return false;
  }
  std::string error;
  if (!decode_txn(entry, txn, error)) throw DataDirError(path_, position_, error, kRestoreAdvice);
  cursor_ += kRecordHeadBytes + size + 1;
  position_ += kRecordHeadBytes + size + 1;
  return true;
}

void TxnLogReader::refuse_damage() {
  std::uint64_t end = file_size_;
  base::Bytes part(static_cast<std::size_t>(std::min<std::uint64_t>(end - position_, kReadBytes)));
  while (end > position_) {
    auto size = static_cast<std::size_t>(std::min<std::uint64_t>(end - position_, part.size()));
    file_->read_at(end - size, base::MutableByteView(part).first(size));
    std::size_t used = size;
    while (used > 0 && part[used - 1] == 0) --used;
    end -= size - used;
    if (used > 0) break;
  }
  base::Bytes tail(static_cast<std::size_t>(std::min<std::uint64_t>(end - position_, kTailBytesMax)));
  file_->read_at(position_, tail);
  if (auto damage = damage_in_tail(tail, position_)) throw DataDirError(path_, position_, *damage, kRestoreAdvice);
  torn_at_ = position_;
}

TxnLogWriter::TxnLogWriter(base::FileSystem& files, std::string directory, TxnLogOptions options)
    : files_(files), directory_(std::move(directory)), options_(options) {}

// The header reaches the disk with the first records, before anybody is told of these.
void TxnLogWriter::start_file(std::int64_t first_zxid) {
  const std::string path = directory_ + "/" + hex_name("log.", first_zxid);
  file_ = files_.open(path, base::OpenMode::create);
  file_->truncate(0);
  base::Bytes header;
  base::append_big_endian(header, kLogMagic);
  base::append_big_endian(header, kFileVersion);
  base::append_big_endian(header, std::int64_t{0});
  position_ = header.size();
  allocated_ = position_;
  zeroed_ = 0;
  if (options_.sync && options_.preallocate_bytes > 0) {
    direct_ = std::make_unique<base::DirectWriter>(*file_, options_.pwrite);
    blocks_bytes_ = kBlock;
    blocks_ = make_blocks(kBlock);
    std::copy(header.begin(), header.end(), blocks_.get());
  } else {
    file_->write_at(0, header);
  }
  if (options_.sync) files_.sync_directory(directory_);
}

void TxnLogWriter::make_room(std::uint64_t end) {
  if (options_.preallocate_bytes == 0 || end + kPreallocateMargin <= allocated_) return;
  while (allocated_ < end + kPreallocateMargin) allocated_ += options_.preallocate_bytes;
  allocated_ -= allocated_ % options_.preallocate_bytes;
  if (allocated_ < end + kPreallocateMargin) allocated_ += options_.preallocate_bytes;
  file_->allocate(allocated_);
}

TxnLogWriter::Blocks TxnLogWriter::make_blocks(std::size_t bytes) {
  Blocks blocks(static_cast<std::uint8_t*>(std::aligned_alloc(kBlock, bytes)));
  if (!blocks) throw std::bad_alloc();
  return blocks;
}

// The zeros behind the records are what ends the file for its readers. They are written, not only allocated: a sync of
// bytes in blocks that were written before is one write of the disk; in fresh blocks it has the file's extents to write, too
// (measured on ext4: 80 to 95 us of CPU a sync against 40).
void TxnLogWriter::write_zeros(std::uint64_t from) {
  zeroed_ = std::min(block_begin(allocated_), (from / kZeroedAhead + 1) * kZeroedAhead);
  if (zeroed_ <= from) return;
  const auto size = static_cast<std::size_t>(zeroed_ - from);
  const Blocks zeros = make_blocks(size);
  std::fill_n(zeros.get(), size, std::uint8_t{0});
  direct_->write_at(from, base::ByteView(zeros.get(), size));
}

// Whole blocks past the page cache, the last of them filled up with zeros and written again with the next records. Through the
// cache, a sync would have to look for what to write there, and to wait for it twice (measured on ext4: 33 to 43 us of CPU for
// write and sync, this way 28 to 30, and the sooner done the more there is to write).
void TxnLogWriter::write_blocks(base::ByteView records) {
  while (!records.empty()) {
    const base::ByteView piece = records.first(std::min(records.size(), kWrittenAtOnce));
    records = records.subspan(piece.size());
    const std::uint64_t begin = block_begin(position_), end = position_ + piece.size();
    const auto before = static_cast<std::size_t>(position_ - begin);
    const auto size = static_cast<std::size_t>(block_end(end) - begin);
    if (size > blocks_bytes_) {
      Blocks larger = make_blocks(size);
      std::copy_n(blocks_.get(), before, larger.get());
      blocks_ = std::move(larger);
      blocks_bytes_ = size;
    }
    std::copy(piece.begin(), piece.end(), blocks_.get() + before);
    std::fill(blocks_.get() + before + piece.size(), blocks_.get() + size, std::uint8_t{0});
    if (begin + size > zeroed_) write_zeros(begin + size);
    direct_->write_at(begin, base::ByteView(blocks_.get(), size));
    position_ = end;
    std::copy_n(blocks_.get() + (block_begin(end) - begin), end - block_begin(end), blocks_.get());
  }
}

void TxnLogWriter::append(base::ByteView records, std::int64_t first_zxid) {
  if (!file_) start_file(first_zxid);
  make_room(position_ + records.size());
  is_dirty_ = true;
  if (direct_) {
    write_blocks(records);
  } else {
    file_->write_at(position_, records);
    position_ += records.size();
  }
  if (options_.file_bytes_max > 0 && position_ > options_.file_bytes_max) roll();
}

void TxnLogWriter::sync() {
  if (is_dirty_ && options_.sync) file_->sync();
  is_dirty_ = false;
}

void TxnLogWriter::roll() {
  if (!file_) return;
  sync();
  direct_.reset();
  file_.reset();
}

}  // namespace zk::server
