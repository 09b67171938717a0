// DescribeLogDirs v0-5. v3: an error for the whole answer. v4: size and free space of the volume. v5: whether the
// directory takes no new partitions (never).
#include "protocol/messages/describe_log_dirs.h"

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/partition/partition_manager.h"
#include "broker/partition/read_ahead.h"

namespace broker::api {

using protocol::DescribeLogDirsRequest;
using protocol::DescribeLogDirsResponse;

Answer<DescribeLogDirsResponse> handle(RequestContext& context, DescribeLogDirsRequest request) {
  std::set<std::pair<std::string, std::int32_t>> wanted;
  if (request.topics) {
    for (const auto& topic : *request.topics) {
      for (std::int32_t partition : topic.partitions) wanted.emplace(topic.topic, partition);
    }
  }
  // Each volume is asked for its space, which may not answer for long.
  auto directories = std::make_shared<std::vector<partition::DirectoryDescription>>();
  partition::PartitionManager& partitions = context.services.partitions;
  std::function<void()> work = [directories, &partitions] { *directories = partitions.describe_directories(); };
  co_await partition::run_aside(std::move(work));
  DescribeLogDirsResponse response;
  for (const partition::DirectoryDescription& directory : *directories) {
    DescribeLogDirsResponse::DescribeLogDirsResult& result = response.results.emplace_back();
    result.error_code = directory.error;
    result.log_dir = directory.path;
    result.total_bytes = directory.total_bytes;
    result.usable_bytes = directory.usable_bytes;
    for (const auto& replica : directory.replicas) {
      const auto& [topic, partition] = replica.name;
      if (request.topics && !wanted.contains({topic, partition})) continue;
      if (result.topics.empty() || result.topics.back().name != topic) result.topics.emplace_back().name = topic;
      auto& answer = result.topics.back().partitions.emplace_back();
      answer.partition_index = partition;
      answer.partition_size = replica.size_bytes;
      answer.offset_lag = replica.offset_lag;
      answer.is_future_key = replica.is_future;
    }
  }
  co_return response;
}

}  // namespace broker::api
