// One entry of the log without its checksum, so that the fuzzer gets past it: what decodes is written and read again.
#include "zk/server/txn_codec.h"
#include "zk/tree/state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zk::tree::Txn txn;
  std::string error;
  if (!zk::server::decode_txn(base::ByteView(data, size), txn, error)) return 0;
  base::Bytes record;
  zk::server::append_record(record, txn);
  base::ByteView entry(record.data() + zk::server::kRecordHeadBytes, record.size() - zk::server::kRecordHeadBytes - 1);
  zk::tree::Txn again;
  if (!zk::server::decode_txn(entry, again, error)) __builtin_trap();
  zk::tree::State state;
  state.apply(txn);
  return 0;
}
