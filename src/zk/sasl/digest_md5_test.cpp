#include "zk/sasl/digest_md5.h"

#include <gtest/gtest.h>

namespace zk::sasl {
namespace {

// RFC 2831, section 4: the exchange of the IMAP server elwood.innosoft.com, user chris, password "secret".
DigestInput rfc_imap() {
  DigestInput input;
  input.username = "chris";
  input.realm = "elwood.innosoft.com";
  input.password = "secret";
  input.nonce = "OA6MG9tEQGm2hh";
  input.cnonce = "OA6MHXh6VqTrRk";
  input.digest_uri = "imap/elwood.innosoft.com";
  return input;
}

TEST(DigestMd5, VectorsOfRfc2831) {
  EXPECT_EQ(digest_response(rfc_imap()), "d388dad90d4bbd760a152321f2143af7");
  EXPECT_EQ(digest_proof(rfc_imap()), "ea40f60335c427b5527b84dbabcdfffd");
  DigestInput acap = rfc_imap();  // the second exchange, ACAP
  acap.nonce = "OA9BSXrbuRhWay";
  acap.cnonce = "OA9BSuZWMSpW8m";
  acap.digest_uri = "acap/elwood.innosoft.com";
  EXPECT_EQ(digest_response(acap), "6084c6db3fede7352c551284490fd0fc");
  EXPECT_EQ(digest_proof(acap), "2f0b3d7c3c2e486600ef710726aa2eae");
}

DigestServer server_of(std::string user, std::string password) {
  return DigestServer("zookeeper", "zk-sasl-md5", [user, password](const std::string& name) {
    return name == user ? std::optional(password) : std::nullopt;
  });
}

Step run(DigestServer& server, DigestClient& client) {
  EXPECT_EQ(client.start().token, "");
  Step challenge = server.evaluate("");
  EXPECT_EQ(challenge.state, StepState::more);
  Step response = client.evaluate(*challenge.token);
  EXPECT_EQ(response.state, StepState::more);
  Step answer = server.evaluate(*response.token);
  if (answer.state != StepState::done) return answer;
  EXPECT_EQ(client.evaluate(*answer.token).state, StepState::done);
  return answer;
}

TEST(DigestMd5, ClientAndServerAgree) {
  for (std::string name : {"kafka", "a b", "qu\"ote\\d", "Jos\xc3\xa9", "\xe5\xb1\xb1", "k/h@R"}) {
    DigestServer server = server_of(name, name + "-secret");
    DigestClient client("zookeeper", "zk-sasl-md5", name, name + "-secret");
    EXPECT_EQ(run(server, client).state, StepState::done) << name;
    EXPECT_EQ(server.authentication_id(), name);
    EXPECT_EQ(server.evaluate("").state, StepState::failed);
  }
}

TEST(DigestMd5, TheChallengeIsJavas) {
  DigestServer server = server_of("a", "b");
  std::string challenge = *server.evaluate("").token;
  EXPECT_TRUE(challenge.starts_with("realm=\"zk-sasl-md5\",nonce=\"")) << challenge;
  EXPECT_TRUE(challenge.ends_with("\",charset=utf-8,algorithm=md5-sess")) << challenge;
  DigestServer other = server_of("a", "b");
  EXPECT_NE(*other.evaluate("").token, challenge);
}

TEST(DigestMd5, WrongPasswordAndUnknownUserFailWithoutTellingSecrets) {
  DigestServer server = server_of("kafka", "right-secret");
  DigestClient client("zookeeper", "zk-sasl-md5", "kafka", "wrong-secret");
  Step answer = run(server, client);
  EXPECT_EQ(answer.state, StepState::failed);
  EXPECT_EQ(answer.failure, "wrong password of user kafka");
  EXPECT_EQ(answer.token, std::nullopt);
  DigestServer other = server_of("other", "right-secret");
  DigestClient again("zookeeper", "zk-sasl-md5", "kafka", "right-secret");
  EXPECT_EQ(run(other, again).failure, "no such user: kafka");
}

TEST(DigestMd5, TheServerChecksEveryPart) {
  auto answer_to = [](auto change) {
    DigestServer server = server_of("kafka", "secret");
    DigestClient client("zookeeper", "zk-sasl-md5", "kafka", "secret");
    std::string response = *client.evaluate(*server.evaluate("").token).token;
    change(response);
    return server.evaluate(response).failure;
  };
  auto replaced = [](std::string from, std::string to) {
    return [from, to](std::string& text) {
      std::size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << from;
      text.replace(at, from.size(), to);
    };
  };
  EXPECT_EQ(answer_to([](std::string&) {}), "");
  EXPECT_EQ(answer_to(replaced("nonce=\"", "nonce=\"x")), "a nonce that isn't of this connection");
  // As Java's provider: a nonce is good for one response, so that it counts as 1 whatever is said.
  EXPECT_EQ(answer_to(replaced("nc=00000001,", "")), "");
  EXPECT_EQ(answer_to(replaced("nc=00000001", "nc=00000002")), "");
  EXPECT_EQ(answer_to(replaced("cnonce=\"", "x=\"")), "no cnonce");
  EXPECT_EQ(answer_to(replaced("qop=auth", "qop=auth-conf")), "a qop that isn't offered");
  EXPECT_EQ(answer_to(replaced("realm=\"zk", "realm=\"sk")), "realm sk-sasl-md5 instead of zk-sasl-md5");
  EXPECT_EQ(answer_to(replaced("zookeeper/zk", "zookeeper/sk")),
            "digest-uri zookeeper/sk-sasl-md5 instead of zookeeper/zk-sasl-md5");
  EXPECT_EQ(answer_to(replaced("charset=utf-8", "charset=x")), "unknown charset");
  EXPECT_EQ(answer_to(replaced("username=\"kafka\"", "x=y")), "no username");
  EXPECT_EQ(answer_to(replaced("authzid=\"kafka\"", "authzid=\"super\"")), "wrong password of user kafka");
  EXPECT_EQ(answer_to(replaced(",qop=auth", "")), "");
  EXPECT_EQ(answer_to(replaced(",qop=auth", ",qop=auth,qop=auth")), "malformed DIGEST-MD5 response");
  EXPECT_EQ(answer_to([](std::string& text) { text += '\0'; }), "malformed DIGEST-MD5 response");
  EXPECT_EQ(answer_to([](std::string& text) { text.append(kDigestMessageBytesMax, ','); }),
            "malformed DIGEST-MD5 response");
}

// Else one challenge would do for as many passwords as somebody likes to try.
TEST(DigestMd5, AChallengeIsGoodForOneResponse) {
  DigestServer server = server_of("kafka", "secret");
  DigestClient client("zookeeper", "zk-sasl-md5", "kafka", "secret");
  const Step response = client.evaluate(*server.evaluate("").token);
  EXPECT_EQ(server.evaluate("username=\"kafka\"").state, StepState::failed);
  EXPECT_EQ(server.evaluate(*response.token).failure, "a token after the authentication was over");
}

TEST(DigestMd5, AnInitialResponseIsIgnored) {
  DigestServer server = server_of("a", "b");
  EXPECT_EQ(server.evaluate("x").state, StepState::more);
  EXPECT_EQ(server.evaluate("").state, StepState::failed);
}

TEST(DigestMd5, TheClientChecksTheServer) {
  auto client = [] { return DigestClient("zookeeper", "zk-sasl-md5", "kafka", "secret"); };
  EXPECT_EQ(client().evaluate("").state, StepState::failed);
  EXPECT_EQ(client().evaluate("nonce=\"x\",algorithm=md5").state, StepState::failed);
  EXPECT_EQ(client().evaluate("nonce=\"x\",algorithm=md5-sess,qop=\"auth-int,auth-conf\"").state, StepState::failed);
  DigestClient one = client();
  EXPECT_EQ(one.evaluate("nonce=\"x\",algorithm=md5-sess,qop=\"auth-int, auth\"").state, StepState::more);
  EXPECT_EQ(one.evaluate("rspauth=00000000000000000000000000000000").failure,
            "the server doesn't prove that it knows the password");
}

TEST(Directives, Syntax) {
  auto parsed = parse_directives(" a=b ,, C=\"d\\\"e,f\" ,", {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->find("a")->second, "b");
  EXPECT_EQ(parsed->find("c")->second, "d\"e,f");
  EXPECT_EQ(parsed->size(), 2U);
  for (const char* wrong : {"a", "=b", "a=", "a=\"b", "a=b c=d", "a=\"b\\", "a=b,a=c", "\"a\"=b"}) {
    EXPECT_FALSE(parse_directives(wrong, {})) << wrong;
  }
  EXPECT_EQ(parse_directives("a=b,a=c", {"a"})->size(), 2U);
}

}  // namespace
}  // namespace zk::sasl
