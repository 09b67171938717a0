// Reads any bytes as a transaction log: ends or throws DataDirError, and applies what it got to a state. Then the same with
// the checksum and the end of each record put right, so that what records hold is reached.
#include "base/crc.h"
#include "base/memory_file_system.h"
#include "zk/server/txn_codec.h"
#include "zk/server/txn_log.h"
#include "zk/tree/state.h"

namespace {

void read(base::ByteView bytes) {
  base::MemoryFileSystem files;
  files.open("/log.1", base::OpenMode::create)->write_at(0, bytes);
  zk::tree::State state;
  try {
    zk::server::TxnLogReader reader(files, "/log.1");
    while (auto txn = reader.next()) state.apply(*txn);
  } catch (const zk::server::DataDirError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using zk::server::kFileHeaderBytes;
  using zk::server::kRecordHeadBytes;
  base::Bytes bytes(data, data + size);
  read(bytes);
  for (std::size_t at = kFileHeaderBytes; at + kRecordHeadBytes < bytes.size();) {
    const auto length = base::load_big_endian<std::int32_t>(bytes.data() + at + 8);
    const std::size_t left = bytes.size() - at - kRecordHeadBytes;
    if (length <= 0 || static_cast<std::size_t>(length) >= left) break;
    const base::ByteView entry(bytes.data() + at + kRecordHeadBytes, static_cast<std::size_t>(length));
    base::store_big_endian(bytes.data() + at, static_cast<std::int64_t>(base::adler32(entry)));
    at += kRecordHeadBytes + entry.size();
    bytes[at++] = zk::server::kRecordEnd;
  }
  read(bytes);
  return 0;
}
