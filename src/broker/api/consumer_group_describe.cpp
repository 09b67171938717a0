// ConsumerGroupDescribe v0-1: newer consumer groups (KIP-848) with epochs, members and what each has and shall have.
// v1: which protocol a member speaks.
#include "protocol/messages/consumer_group_describe.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::ConsumerGroupDescribeResponse;

// What anybody may do to a group while there is no authorizer: Read, Delete, Describe.
constexpr std::int32_t kAllGroupOperations = 1 << 3 | 1 << 6 | 1 << 8;
constexpr std::int8_t kClassicMember = 0, kConsumerMember = 1;

ConsumerGroupDescribeResponse::Assignment to_wire(const group::Partitions& partitions,
                                                  const metadata::ClusterMetadata& cluster) {
  ConsumerGroupDescribeResponse::Assignment assignment;
  for (const auto& [topic_id, of_topic] : partitions) {
    const metadata::Topic* topic = cluster.topic(topic_id);
    if (topic == nullptr) continue;  // deleted meanwhile
    auto& one = assignment.topic_partitions.emplace_back();
    one.topic_id = topic_id;
    one.topic_name = topic->name;
    one.partitions = {of_topic.begin(), of_topic.end()};
  }
  return assignment;
}

void fill(ConsumerGroupDescribeResponse::DescribedGroup& to, group::ConsumerGroupSummary from,
          const metadata::ClusterMetadata& cluster) {
  to.error_code = from.error;
  if (!from.error_message.empty()) to.error_message = std::move(from.error_message);
  to.group_state = std::move(from.state);
  to.group_epoch = from.group_epoch;
  to.assignment_epoch = from.assignment_epoch;
  to.assignor_name = std::move(from.assignor);
  for (const group::ConsumerMemberSummary& member : from.members) {
    auto& one = to.members.emplace_back();
    one.member_id = member.member_id;
    one.instance_id = member.metadata.instance_id;
    one.rack_id = member.metadata.rack_id;
    one.member_epoch = member.member_epoch;
    one.client_id = member.metadata.client_id;
    one.client_host = member.metadata.client_host;
    one.subscribed_topic_names = {member.metadata.topic_names.begin(), member.metadata.topic_names.end()};
    one.subscribed_topic_regex = member.metadata.topic_regex;
    one.assignment = to_wire(member.assignment, cluster);
    one.target_assignment = to_wire(member.target_assignment, cluster);
    one.member_type = member.metadata.classic ? kClassicMember : kConsumerMember;
  }
}

}  // namespace

Answer<ConsumerGroupDescribeResponse> handle(RequestContext& context, protocol::ConsumerGroupDescribeRequest request) {
  const auto cluster = context.services.metadata.get();
  ConsumerGroupDescribeResponse response;
  for (std::string& group_id : request.group_ids) {
    group::ConsumerGroupSummary summary = co_await context.services.groups.describe_consumer(group_id);
    auto& one = response.groups.emplace_back();
    one.group_id = std::move(group_id);
    fill(one, std::move(summary), *cluster);
    if (request.include_authorized_operations && one.error_code == protocol::ErrorCode::none) {
      one.authorized_operations = kAllGroupOperations;
    }
  }
  co_return response;
}

}  // namespace broker::api
