// Any bytes as a partition of __transaction_state, or, after a byte 255, as the key (its size first) and the value of one
// record of it: what can be read is written again as it was, the rest is counted or refused.
#include <cstdint>
#include <cstdlib>

#include "base/compression.h"
#include "broker/transaction/transaction_loader.h"
#include "broker/transaction/transaction_records.h"
#include "protocol/record_batch.h"

namespace {

using namespace broker::transaction;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_round_trip(const std::string& id, TransactionImage image) {
  TransactionRecord record;
  record.transactional_id = id;
  record.image = image;
  const auto bytes = to_record(record);
  protocol::Record stored;
  stored.key = bytes.key;
  stored.value = *bytes.value;
  const auto again = read_transaction_record(stored);
  const auto* read = std::get_if<TransactionRecord>(&again);
  check(read != nullptr && read->image && read->transactional_id == id);
  if (image.state == TransactionState::empty) image.partitions.clear();  // Kafka's rule: there are none
  if (image.client_version == 0) image.previous_producer_id = image.next_producer_id = kNoProducerId;
  check(*read->image == image);
}

void one_record(base::ByteView bytes) {
  if (bytes.empty()) return;
  const std::size_t key_size = std::min<std::size_t>(bytes[0], bytes.size() - 1);
  protocol::Record record;
  record.key = bytes.subspan(1, key_size);
  record.value = bytes.subspan(1 + key_size);
  const auto stored = read_transaction_record(record);
  if (const auto* known = std::get_if<TransactionRecord>(&stored)) {
    check_round_trip(known->transactional_id, *known->image);
  } else {
    check(!std::get<UnknownRecord>(stored).reason.empty());
  }
}

void whole_partition(base::ByteView bytes) {
  TransactionLoader loader;
  loader.add(bytes);
  check(loader.unknown_count() <= loader.record_count());
  check(loader.transactions().size() <= loader.record_count());
  for (const auto& [id, loaded] : loader.transactions()) check_round_trip(id, loaded.image);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint8_t kOneRecord = 255;
  if (size > 0 && data[0] == kOneRecord) {
    one_record({data + 1, size - 1});
  } else {
    whole_partition({data, size});
  }
  return 0;
}
