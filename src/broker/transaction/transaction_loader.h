// Replays one partition of __transaction_state, batch by batch in log order, into what each transactional id is at its
// end. Lives for one load, on one thread. Records that can't be read are skipped and counted; a batch that can't be read
// throws (protocol::InvalidRecord, base::CompressionError).
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "broker/transaction/transaction_types.h"

namespace broker::transaction {

class TransactionLoader {
 public:
  void add(base::ByteView batches);

  std::map<std::string, TransactionImage>& transactions() { return transactions_; }
  std::size_t record_count() const { return record_count_; }
  std::size_t unknown_count() const { return unknown_count_; }

 private:
  void add_batch(base::ByteView batch);

  std::map<std::string, TransactionImage> transactions_;
  std::size_t record_count_ = 0;
  std::size_t unknown_count_ = 0;
};

}  // namespace broker::transaction
