// Reads any bytes as a transaction log: ends or throws DataDirError, and applies what it got to a state.
#include "base/memory_file_system.h"
#include "zk/server/txn_log.h"
#include "zk/tree/state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::MemoryFileSystem files;
  files.open("/log.1", base::OpenMode::create)->write_at(0, base::ByteView(data, size));
  zk::tree::State state;
  try {
    zk::server::TxnLogReader reader(files, "/log.1");
    while (auto txn = reader.next()) state.apply(*txn);
  } catch (const zk::server::DataDirError&) {
  }
  return 0;
}
