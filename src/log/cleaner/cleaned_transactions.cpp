#include "log/cleaner/cleaned_transactions.h"

#include "protocol/record.h"

namespace storage {

void CleanedTransactions::begin_up_to(std::int64_t offset) {
  while (next_aborted_ < aborted_.size() && aborted_[next_aborted_].first_offset <= offset) {
    const TransactionIndexEntry& entry = aborted_[next_aborted_++];
    open_aborted_.try_emplace(entry.producer_id, Aborted{entry});
  }
}

bool CleanedTransactions::on_data(const protocol::BatchHeader& batch) {
  begin_up_to(batch.last_offset());
  if (!batch.is_transactional()) return false;
  auto aborted = open_aborted_.find(batch.producer_id);
  if (aborted == open_aborted_.end()) {
    open_committed_.insert(batch.producer_id);
    return false;
  }
  aborted->second.batch_met = true;
  return true;
}

CleanedTransactions::Marker CleanedTransactions::on_marker(const protocol::BatchHeader& batch, base::ByteView bytes) {
  begin_up_to(batch.last_offset());
  Marker marker;
  protocol::RecordReader reader(bytes);
  protocol::Record record;
  if (!reader.next(record)) {
    marker.transaction_is_gone = true;  // an earlier pass has emptied it
    return marker;
  }
  const auto type = protocol::control_type(record);
  if (type == protocol::ControlType::commit) {
    marker.transaction_is_gone = open_committed_.erase(batch.producer_id) == 0;
  } else if (type == protocol::ControlType::abort) {
    auto aborted = open_aborted_.find(batch.producer_id);
    marker.transaction_is_gone = aborted == open_aborted_.end() || !aborted->second.batch_met;
    if (!marker.transaction_is_gone) marker.index_entry = aborted->second.entry;
    if (aborted != open_aborted_.end()) open_aborted_.erase(aborted);
  }
  return marker;
}

}  // namespace storage
