// Producer ids for idempotent and transactional producers, out of blocks that the cluster hands out. Owned by the app,
// thread-safe; set_cluster() comes before the first call. Ids that were left over when the broker stops are never used.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/task.h"
#include "broker/controller/cluster.h"
#include "broker/transaction/transaction_ports.h"
#include "protocol/error.h"

namespace broker::api {

class ProducerIds final : public transaction::ProducerIdSource {
 public:
  ProducerIds() {}
  explicit ProducerIds(controller::Cluster& cluster) : cluster_(&cluster) {}
  void set_cluster(controller::Cluster& cluster) { cluster_ = &cluster; }

  // The error is that of a block which couldn't be had.
  base::Task<protocol::Result<std::int64_t>> next() override;

 private:
  controller::Cluster* cluster_ = nullptr;
  std::mutex mutex_;
  std::int64_t next_ = 0;
  std::int64_t end_ = 0;
  bool allocating_ = false;  // somebody asks for a block; the others wait for it
  std::vector<base::OneShot<bool>> waiting_;
};

}  // namespace broker::api
