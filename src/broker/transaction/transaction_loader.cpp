#include "broker/transaction/transaction_loader.h"

#include <utility>

#include "broker/transaction/transaction_records.h"

namespace broker::transaction {

void TransactionLoader::add(base::ByteView batches) {
  while (true) {
    const protocol::NextBatch next = protocol::next_batch(batches);
    if (next.frame != protocol::BatchFrame::whole) return;
    try {
      add_batch(batches.first(next.size_in_bytes));
    } catch (const protocol::InvalidRecord&) {
      pass_over_damage();
    } catch (const base::CompressionError&) {
      pass_over_damage();
    }
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
      if (std::get<UnknownRecord>(stored).of_an_id) pass_over_damage();
    } else if (transaction->image) {
      transactions_[transaction->transactional_id] = Loaded{std::move(*transaction->image), damage_count_};
    } else {
      transactions_.erase(transaction->transactional_id);
    }
  }
}

}  // namespace broker::transaction
