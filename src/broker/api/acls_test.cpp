// The APIs of ACLs tell that there is no authorizer, which clients take for an answer; that the API isn't there they don't.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "broker/api/testing/every_version.h"
#include "protocol/messages/create_acls.h"
#include "protocol/messages/delete_acls.h"
#include "protocol/messages/describe_acls.h"

namespace broker::api {
namespace {

using namespace protocol;

class Acls : public testing::EveryVersion {
 protected:
  const std::set<ErrorCode> disabled{ErrorCode::security_disabled};
};

// Codes and words of Kafka 3.9.2.
TEST_F(Acls, AreRefusedInEveryVersion) {
  for (std::int16_t version = 0; version <= 3; ++version) {
    SCOPED_TRACE(version);
    EXPECT_EQ(good<DescribeAclsResponse>(DescribeAclsRequest(), version, disabled).error_message, "No Authorizer is configured on the broker");
    CreateAclsRequest create;
    create.creations.resize(2);
    const auto created = good<CreateAclsResponse>(create, version, disabled);
    ASSERT_EQ(created.results.size(), 2u);
    EXPECT_EQ(created.results[1].error_message, "No Authorizer is configured.");
    DeleteAclsRequest remove;
    remove.filters.resize(2);
    const auto removed = good<DeleteAclsResponse>(remove, version, disabled);
    ASSERT_EQ(removed.filter_results.size(), 2u);
    EXPECT_EQ(removed.filter_results[1].error_message, "No Authorizer is configured.");
  }
}

}  // namespace
}  // namespace broker::api
