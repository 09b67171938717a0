// Reads any bytes as a snapshot: loads or throws DataDirError. Then with its checksums put right, so that what lies
// behind the first one is reached, and that one compressed as well. The first byte chooses how the input itself is read.
#include <charconv>

#include "base/crc.h"
#include "base/memory_file_system.h"
#include "zk/server/snapshot.h"

namespace {

constexpr std::size_t kSealsMax = 3;

// The error, or nothing if it could be read.
std::string read(const std::string& path, base::ByteView bytes) {
  base::MemoryFileSystem files;
  files.open(path, base::OpenMode::create)->write_at(0, bytes);
  zk::server::has_snapshot_tail(files, path);
  zk::tree::State state;
  try {
    zk::server::read_snapshot(files, path, state);
    return "";
  } catch (const zk::server::DataDirError& error) {
    return error.what();
  }
}

// Where the checksum that the error complains of ends; 0 if it complains of something else.
std::size_t end_of_bad_checksum(std::string_view error) {
  constexpr std::string_view kOffset = "offset ";
  if (error.find("the checksum before this offset") == std::string_view::npos) return 0;
  const std::string_view number = error.substr(error.find(kOffset) + kOffset.size());
  std::size_t offset = 0;
  std::from_chars(number.data(), number.data() + number.size(), offset);
  return offset;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView input(data + 1, size - 1);
  if (data[0] % 3 == 1) read("/snapshot.1.gz", input);
  if (data[0] % 3 == 2) read("/snapshot.1.snappy", input);
  base::Bytes bytes(input.begin(), input.end());
  std::string error = read("/snapshot.1", bytes);
  for (std::size_t seal = 0; seal < kSealsMax; ++seal) {
    const std::size_t end = end_of_bad_checksum(error);
    if (end < 8) break;
    base::store_big_endian(bytes.data() + end - 8,
                           static_cast<std::int64_t>(base::adler32(base::ByteView(bytes).first(end - 8))));
    error = read("/snapshot.1", bytes);
  }
  // What is good packed is good unpacked, and the other way round.
  if (data[0] % 3 == 1 && read("/snapshot.1.gz", base::compress(base::Codec::gzip, bytes)).empty() != error.empty()) {
    __builtin_trap();
  }
  if (data[0] % 3 == 2 &&
      read("/snapshot.1.snappy", base::compress(base::Codec::snappy, bytes)).empty() != error.empty()) {
    __builtin_trap();
  }
  return 0;
}
