// AlterReplicaLogDirs v0-2. v2: flexible.
#include "protocol/messages/alter_replica_log_dirs.h"

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/partition/partition_manager.h"
#include "broker/partition/read_ahead.h"

namespace broker::api {

using protocol::AlterReplicaLogDirsRequest;
using protocol::AlterReplicaLogDirsResponse;
using protocol::ErrorCode;

namespace {

struct Move {
  storage::TopicPartition name;
  std::string directory;
  bool known = false;
  ErrorCode error = ErrorCode::kafka_storage_error;  // until it is begun
};

}  // namespace

Answer<AlterReplicaLogDirsResponse> handle(RequestContext& context, AlterReplicaLogDirsRequest request) {
  // The last directory named for a partition counts, as in Kafka, which makes a map of them.
  std::map<storage::TopicPartition, std::string> wanted;
  for (const auto& directory : request.dirs) {
    for (const auto& topic : directory.topics) {
      for (std::int32_t partition : topic.partitions) wanted[{std::string(topic.name), partition}] = directory.path;
    }
  }
  const auto cluster = context.services.metadata.get();
  auto moves = std::make_shared<std::vector<Move>>();
  for (auto& [name, directory] : wanted) {
    const metadata::Topic* topic = cluster->topic(name.topic);
    Move& move = moves->emplace_back();
    move.name = name;
    move.directory = std::move(directory);
    move.known = topic != nullptr && topic->partitions.contains(name.partition);
  }
  partition::PartitionManager& partitions = context.services.partitions;
  std::function<void()> work = [moves, &partitions] {
    for (Move& move : *moves) move.error = partitions.move_to(move.name, move.directory, move.known);
  };
  co_await partition::run_aside(std::move(work));
  AlterReplicaLogDirsResponse response;
  for (const Move& move : *moves) {
    if (response.results.empty() || response.results.back().topic_name != move.name.topic) {
      response.results.emplace_back().topic_name = move.name.topic;
    }
    auto& answer = response.results.back().partitions.emplace_back();
    answer.partition_index = move.name.partition;
    answer.error_code = move.error;
  }
  co_return response;
}

}  // namespace broker::api
