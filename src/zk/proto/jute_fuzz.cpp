// Any bytes into any record of ZooKeeper's. The first byte chooses it. What can be read must be written and read back.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "zk/proto/jute.h"
#include "zk/proto/records.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <class Record>
void check(base::ByteView bytes) {
  Record record;
  zk::proto::Reader reader(bytes);
  if (!reader.read(record)) {
    require(!reader.error().empty());
    return;
  }
  const base::Bytes first = zk::proto::to_bytes(record);
  require(first.size() == bytes.size() - reader.left());
  Record again;
  zk::proto::Reader second(first);
  require(second.read(again) && second.left() == 0);
  require(zk::proto::to_bytes(again) == first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto checks = [] {
    std::vector<void (*)(base::ByteView)> all;
    zk::proto::for_each_record([&]<class Record>() { all.push_back(check<Record>); });
    return all;
  }();
  if (size == 0) return 0;
  checks[data[0] % checks.size()](base::ByteView(data + 1, size - 1));
  return 0;
}
