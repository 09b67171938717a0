// The APIs of ACLs tell that there is no authorizer, those of SASL that nobody logs in here: clients take that for an answer, and
// that the API isn't there they don't.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "broker/api/testing/every_version.h"
#include "protocol/messages/create_acls.h"
#include "protocol/messages/delete_acls.h"
#include "protocol/messages/describe_acls.h"
#include "protocol/messages/sasl_authenticate.h"
#include "protocol/messages/sasl_handshake.h"

namespace broker::api {
namespace {

using namespace protocol;

using RefusedApis = testing::EveryVersion;

// Of one thing each: READ, ALLOW, LITERAL, TOPIC.
template <class Acl>
void name_elements(Acl& acl) {
  acl.operation = acl.permission_type = 3;
  if constexpr (requires { acl.resource_type; }) acl.resource_type = 2;
  if constexpr (requires { acl.resource_type_filter; }) acl.resource_type_filter = 2;
}

// Codes and words of Kafka 3.9.2.
TEST_F(RefusedApis, Acls) {
  const std::set<ErrorCode> disabled{ErrorCode::security_disabled};
  for (std::int16_t version = 0; version <= 3; ++version) {
    SCOPED_TRACE(version);
    DescribeAclsRequest describe;
    name_elements(describe);
    EXPECT_EQ(good<DescribeAclsResponse>(describe, version, disabled).error_message, "No Authorizer is configured on the broker");
    CreateAclsRequest create;
    create.creations.resize(2);
    for (auto& each : create.creations) name_elements(each);
    const auto created = good<CreateAclsResponse>(create, version, disabled);
    ASSERT_EQ(created.results.size(), 2u);
    EXPECT_EQ(created.results[1].error_message, "No Authorizer is configured.");
    DeleteAclsRequest remove;
    remove.filters.resize(2);
    for (auto& each : remove.filters) name_elements(each);
    const auto removed = good<DeleteAclsResponse>(remove, version, disabled);
    ASSERT_EQ(removed.filter_results.size(), 2u);
    EXPECT_EQ(removed.filter_results[1].error_message, "No Authorizer is configured.");
  }
}

TEST_F(RefusedApis, AnAclOfAnUnknownElementClosesTheConnection) {
  const auto closes = [&](const auto& request) {
    const Reply reply = broker.serve(testing::TestBroker::frame_of(request, 3));
    return reply.kind == Reply::Kind::none && reply.close_after;
  };
  DescribeAclsRequest describe;
  name_elements(describe);
  EXPECT_FALSE(closes(describe));
  describe.pattern_type_filter = 0;
  EXPECT_TRUE(closes(describe));
  CreateAclsRequest create;
  for (int i = 0; i < 2; ++i) name_elements(create.creations.emplace_back());
  EXPECT_FALSE(closes(create));
  create.creations[1].operation = 0;
  EXPECT_TRUE(closes(create));
  DeleteAclsRequest remove;
  for (int i = 0; i < 2; ++i) name_elements(remove.filters.emplace_back());
  EXPECT_FALSE(closes(remove));
  remove.filters[1].resource_type_filter = 0;
  EXPECT_TRUE(closes(remove));
}

// As of Kafka 3.9.2 on a listener without SASL.
TEST_F(RefusedApis, Sasl) {
  const std::set<ErrorCode> illegal{ErrorCode::illegal_sasl_state};
  for (std::int16_t version = 0; version <= 1; ++version) {
    SaslHandshakeRequest handshake;
    handshake.mechanism = "SCRAM-SHA-256";
    EXPECT_TRUE(good<SaslHandshakeResponse>(handshake, version, illegal).mechanisms.empty());
  }
  for (std::int16_t version = 0; version <= 2; ++version) {
    EXPECT_EQ(good<SaslAuthenticateResponse>(SaslAuthenticateRequest(), version, illegal).error_message,
              "SaslAuthenticate request received after successful authentication");
  }
}

}  // namespace
}  // namespace broker::api
