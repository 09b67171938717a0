// Records of __transaction_state, to bytes and back. Written is version 0, which every Kafka since 0.11 reads, or version 1
// for producers of transaction.version 2, as Kafka 4 does. Read are both. Stateless.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "broker/transaction/transaction_types.h"
#include "protocol/record.h"

namespace broker::transaction {

struct TransactionRecord {
  std::string transactional_id;
  std::optional<TransactionImage> image;  // nothing: the id is forgotten
};
struct UnknownRecord {  // skipped with a warning
  std::string reason;
  bool of_an_id = false;  // damaged, not of a newer kind: what is known of an id may be older than it
};
std::variant<UnknownRecord, TransactionRecord> read_transaction_record(const protocol::Record& record);

coordinator::KeyAndValue to_record(const TransactionRecord& record);

}  // namespace broker::transaction
