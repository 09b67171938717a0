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

// Codes and words of Kafka 3.9.2.
TEST_F(RefusedApis, Acls) {
  const std::set<ErrorCode> disabled{ErrorCode::security_disabled};
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
