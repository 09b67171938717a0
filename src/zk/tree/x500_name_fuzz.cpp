// Ids of the scheme x509 as clients send them.
#include "base/bytes.h"
#include "zk/tree/x500_name.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zk::tree::is_x500_name(base::as_text(base::ByteView(data, size)));
  return 0;
}
