// Any bytes as one of the small files: a decoder takes them or says CorruptFile, and what it took is written back the
// same.
#include <cstdint>
#include <cstdlib>

#include "base/memory_file_system.h"
#include "log/checkpoint_file.h"
#include "log/meta_properties.h"
#include "log/partition_metadata.h"
#include "log/producer_snapshot.h"
#include "log/topic_partition.h"
#include "log/transaction_index.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

template <class Decode>
void attempt(Decode decode) {
  try {
    decode();
  } catch (const storage::CorruptFile&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::ByteView bytes(data, size);
  attempt([&] {
    auto offsets = storage::decode_offset_checkpoint(bytes);
    check(storage::decode_offset_checkpoint(base::as_bytes(storage::encode_offset_checkpoint(offsets))) == offsets);
  });
  attempt([&] {
    auto epochs = storage::decode_epoch_checkpoint(bytes);
    check(storage::decode_epoch_checkpoint(base::as_bytes(storage::encode_epoch_checkpoint(epochs))) == epochs);
  });
  attempt([&] {
    auto entries = storage::decode_producer_snapshot(bytes);
    base::Bytes again = storage::encode_producer_snapshot(entries);
    check(base::as_text(again) == base::as_text(bytes));
  });
  attempt([&] { (void)storage::decode_meta_properties(bytes); });
  (void)storage::parse_partition_directory(base::as_text(bytes));
  (void)storage::parse_file_name(base::as_text(bytes));
  base::MemoryFileSystem files;
  files.create_directories("/d");
  files.open("/d/00000000000000000000.txnindex", base::OpenMode::create)->write_at(0, bytes);
  files.open("/d/partition.metadata", base::OpenMode::create)->write_at(0, bytes);
  storage::PartitionFiles where{files, "/d"};
  attempt([&] { (void)storage::read_transaction_index(where, 0); });
  attempt([&] { (void)storage::read_transaction_index_between(where, 0, 1000, 2000); });
  attempt([&] { (void)storage::read_partition_metadata(files, "/d"); });
  storage::truncate_transaction_index(where, 0, 1000);
  return 0;
}
