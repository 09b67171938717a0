#include "broker/transaction/transaction_loader.h"

#include <utility>

#include "broker/transaction/transaction_records.h"

namespace broker::transaction {

void TransactionLoader::add(base::ByteView batches) {
  while (true) {
    const protocol::NextBatch next = protocol::next_batch(batches);
    if (next.frame != protocol::BatchFrame::whole) return;
    add_batch(batches.first(next.size_in_bytes));
    batches = batches.subspan(next.size_in_bytes);
  }
}

void TransactionLoader::add_batch(base::ByteView batch) {
  protocol::RecordReader reader(batch);
  if (reader.header().is_control()) return;
  protocol::Record record;
  while (reader.next(record)) {
    ++record_count_;
    auto stored = read_transaction_record(record);
    auto* transaction = std::get_if<TransactionRecord>(&stored);
    if (transaction == nullptr) {
      ++unknown_count_;
    } else if (transaction->image) {
      transactions_[transaction->transactional_id] = std::move(*transaction->image);
    } else {
      transactions_.erase(transaction->transactional_id);
    }
  }
}

}  // namespace broker::transaction
