// The files of the transaction log, log.<zxid in hex>. TxnLogReader reads one from its start; TxnLogWriter appends to a
// new one and never to one of an earlier run. Each belongs to one thread. I/O failures throw std::system_error; a file
// that isn't a log, or a record whose checksum is wrong, throws DataDirError.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>

#include "base/direct_writer.h"
#include "base/file_system.h"
#include "zk/server/data_dir_error.h"
#include "zk/tree/txn.h"

namespace zk::server {

inline constexpr std::int32_t kLogMagic = 0x5a4b4c47;  // ZKLG
inline constexpr std::int32_t kFileVersion = 2;
inline constexpr std::size_t kFileHeaderBytes = 16;

class TxnLogReader {
 public:
  TxnLogReader(base::FileSystem& files, std::string path);

  // The next transaction; nothing at the end. The end is a length of 0 (preallocated space), the end of the file, or a
  // record that is not whole because the writer was killed in it. (One that is damaged throws.)
  std::optional<tree::Txn> next();
  // The same into memory that is there; false at the end.
  bool next(tree::Txn& txn);
  std::uint64_t offset() const { return record_offset_; }  // of the last one returned
  std::size_t record_bytes() const { return static_cast<std::size_t>(position_ - record_offset_); }  // of the same
  // Once next() has returned nothing: where the record begins that is not whole; 0: not even the file's header is.
  std::optional<std::uint64_t> torn_at() const { return torn_at_; }
  // Whether there is nothing in the file but zeros, if torn_at() is 0.
  bool is_empty() const { return empty_; }

 private:
  bool need(std::size_t bytes);
  // For a record that isn't whole: throws, or returns if it is where the writer was killed.
  void begin_without_header();
  void refuse_damage();

  std::string path_;
  std::unique_ptr<base::File> file_;
  std::uint64_t file_size_ = 0;
  std::uint64_t position_ = 0;  // in the file, of buffer_[cursor_]
  base::Bytes buffer_;
  std::size_t cursor_ = 0;
  std::uint64_t record_offset_ = 0;
  std::optional<std::uint64_t> torn_at_;
  bool empty_ = false;
};

struct TxnLogOptions {
  std::uint64_t preallocate_bytes = 64 * 1024 * 1024;
  bool sync = true;                  // forceSync
  std::uint64_t file_bytes_max = 0;  // the write after one beyond this starts a new file; 0: no limit
  base::DirectWriter::Pwrite pwrite = nullptr;  // in the system's place, for tests
};

class TxnLogWriter {
 public:
  TxnLogWriter(base::FileSystem& files, std::string directory, TxnLogOptions options);

  // Whole records, the first of which has this zxid. They are durable after sync(). After an exception the writer must
  // not be used again.
  void append(base::ByteView records, std::int64_t first_zxid);
  void sync();
  // The next append starts a new file; what the old one has is synced.
  void roll();
  std::uint64_t position() const { return file_ ? position_ : 0; }

 private:
  struct Release {
    void operator()(std::uint8_t* memory) const { std::free(memory); }
  };
  using Blocks = std::unique_ptr<std::uint8_t[], Release>;

  void start_file(std::int64_t first_zxid);
  void make_room(std::uint64_t end);
  void write_blocks(base::ByteView records);
  void write_zeros(std::uint64_t from);
  static Blocks make_blocks(std::size_t bytes);

  base::FileSystem& files_;
  std::string directory_;
  TxnLogOptions options_;
  std::unique_ptr<base::File> file_;
  std::unique_ptr<base::DirectWriter> direct_;  // of file_
  std::uint64_t position_ = 0;
  std::uint64_t allocated_ = 0;
  std::uint64_t zeroed_ = 0;  // written, with records or zeros, up to here
  Blocks blocks_;             // begins with what the block at position_ has before it
  std::size_t blocks_bytes_ = 0;
  bool is_dirty_ = false;
};

std::string hex_name(const char* prefix, std::int64_t zxid);
// The zxid of "<prefix><hex>", nothing for other names.
std::optional<std::int64_t> zxid_of_name(std::string_view name, std::string_view prefix);

}  // namespace zk::server
