// Reads any bytes as a snapshot: loads or throws DataDirError.
#include "base/memory_file_system.h"
#include "zk/server/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::MemoryFileSystem files;
  files.open("/snapshot.1", base::OpenMode::create)->write_at(0, base::ByteView(data, size));
  zk::tree::State state;
  try {
    zk::server::read_snapshot(files, "/snapshot.1", state);
  } catch (const zk::server::DataDirError&) {
  }
  return 0;
}
