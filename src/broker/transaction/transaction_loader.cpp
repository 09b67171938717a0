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
      keep(transaction->transactional_id, std::move(*transaction->image));
    } else {
      transactions_.erase(transaction->transactional_id);
    }
  }
}

// What follows the damage was decided without what was lost in it: the epochs of the same producer id are as doubtful as before.
void TransactionLoader::keep(const std::string& transactional_id, TransactionImage image) {
  const auto [found, is_new] = transactions_.try_emplace(transactional_id);
  Loaded& loaded = found->second;
  if (is_new || loaded.image.producer_id != image.producer_id) loaded.damage_before = damage_count_;
  loaded.image = std::move(image);
}

}  // namespace broker::transaction
