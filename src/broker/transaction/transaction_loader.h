// Replays one partition of __transaction_state, batch by batch in log order, into what each transactional id is at its
// end. Lives for one load, on one thread. Records that can't be read are skipped and counted; so is the rest of a batch in
// which records can't be told apart.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "broker/transaction/transaction_types.h"

namespace broker::transaction {

class TransactionLoader {
 public:
  void add(base::ByteView batches);
  // Here lay batches that can't be read: the last records of all that were known before may have been in them.
  void pass_over_damage() { ++damage_count_; }

  struct Loaded {
    TransactionImage image;
    std::size_t damage_before = 0;
  };
  std::map<std::string, Loaded>& transactions() { return transactions_; }
  // There may have been a later record of it.
  bool may_be_outdated(const Loaded& one) const { return one.damage_before < damage_count_; }
  std::size_t record_count() const { return record_count_; }
  std::size_t unknown_count() const { return unknown_count_; }
  std::size_t damage_count() const { return damage_count_; }  // records, batches, or stretches of them

 private:
  void add_batch(base::ByteView batch);
  void keep(const std::string& transactional_id, TransactionImage image);

  std::map<std::string, Loaded> transactions_;
  std::size_t record_count_ = 0;
  std::size_t unknown_count_ = 0;
  std::size_t damage_count_ = 0;
};

}  // namespace broker::transaction
