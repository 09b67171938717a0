// KIP-890: before the first batch of a transaction goes into a partition, the transaction's coordinator is asked whether
// it knows of that partition; a late batch of a transaction that is over is refused, where it would open one that nobody
// ends. With transactions v2 the broker that is produced to adds the partition itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_types.h"
#include "protocol/messages/produce.h"

namespace broker::api {

// What a client of this version understands: 0, TRANSACTION_ABORTABLE, or that partitions are added for it.
enum class TransactionClient { plain, knows_abortable, adds_implicitly };

struct TransactionCheck {
  TransactionCheck() {}
  std::string transactional_id;
  transaction::ProducerIdentity producer;
  std::vector<transaction::TopicPartition> partitions;
  TransactionClient client = TransactionClient::plain;
};
// One error for each partition, in order.
base::Task<std::vector<protocol::ErrorCode>> check_transaction(RequestContext& context, TransactionCheck check);

// The verdicts over the partitions of one Produce request, in the order of the request.
class ProduceTransactions {
 public:
  struct Verdict {
    protocol::ErrorCode error = protocol::ErrorCode::none;
    std::string message;
    bool is_of_request = false;          // whatever is wrong with a partition
    std::optional<std::uint64_t> guard;  // for the append
  };

  ProduceTransactions() {}
  // Whether any batch is transactional; if not, there is nothing to check.
  static bool concerns(const protocol::ProduceRequest& request);
  // Asks the coordinator if it must.
  base::Task<void> check(RequestContext& context, const protocol::ProduceRequest& request);
  // The next partition's; null: nothing is transactional.
  const Verdict* next() { return verdicts_.empty() ? nullptr : &verdicts_[at_++]; }

 private:
  std::vector<Verdict> verdicts_;
  std::size_t at_ = 0;
};

}  // namespace broker::api
