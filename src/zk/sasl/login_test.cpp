#include "zk/sasl/login.h"

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace zk::sasl {
namespace {

std::vector<base::JaasModule> section(const std::string& body) {
  return *base::Jaas::parse("S { " + body + " };").find("S");
}

constexpr const char* kDigest = "org.apache.zookeeper.server.auth.DigestLoginModule required ";
constexpr const char* kKerberos = "com.sun.security.auth.module.Krb5LoginModule required ";

template <class Login, class Options>
std::string error_of(const std::string& body, Options options) {
  try {
    Login login(section(body), std::move(options));
  } catch (const LoginError& error) {
    return error.what();
  }
  return "none";
}

std::string server_error(const std::string& body) { return error_of<ServerLogin>(body, ServerLoginOptions()); }
std::string client_error(const std::string& body) { return error_of<ClientLogin>(body, ClientLoginOptions()); }

bool login(const ServerLogin& server, const ClientLogin& client) {
  auto from = client.start("localhost", "127.0.0.1");
  auto to = server.start();
  Step token = from->start();
  for (;;) {
    Step answer = to->evaluate(token.token.value_or(""));
    if (answer.state == StepState::failed) return false;
    token = from->evaluate(answer.token.value_or(""));
    if (token.state == StepState::failed) return false;
    if (answer.state == StepState::done) return token.state == StepState::done;
  }
}

TEST(Login, UsersOfTheServersSection) {
  ServerLogin server(section(std::string(kDigest) + "user_kafka=\"k\" user_super=\"s\";"), ServerLoginOptions());
  EXPECT_EQ(server.mechanism(), "DIGEST-MD5");
  auto client = [](const std::string& user, const std::string& password) {
    return ClientLogin(section(kDigest + ("username=\"" + user + "\" password=\"" + password + "\";")),
                       ClientLoginOptions());
  };
  EXPECT_TRUE(login(server, client("kafka", "k")));
  EXPECT_TRUE(login(server, client("super", "s")));
  EXPECT_FALSE(login(server, client("kafka", "s")));
  EXPECT_FALSE(login(server, client("other", "k")));
  ServerLoginOptions options;
  options.super_password = "better";
  ServerLogin other(section(std::string(kDigest) + "user_super=\"s\";"), options);
  EXPECT_FALSE(login(other, client("super", "s")));
  EXPECT_TRUE(login(other, client("super", "better")));
  ServerLogin without(section(std::string(kDigest) + "user_kafka=\"k\";"), options);
  EXPECT_FALSE(login(without, client("super", "better")));  // who is no user has no password
}

TEST(Login, SectionsThatCannotBeUsed) {
  EXPECT_EQ(server_error("a.B required;"),
            "the login module a.B is not supported: use org.apache.zookeeper.server.auth.DigestLoginModule or "
            "com.sun.security.auth.module.Krb5LoginModule");
  EXPECT_EQ(server_error(std::string(kKerberos) + "useKeyTab=true;"), "the Krb5LoginModule names no principal");
  EXPECT_EQ(server_error(std::string(kKerberos) + "principal=\"zookeeper/h@R\";"),
            "a server needs useKeyTab=true and a keyTab in its Krb5LoginModule");
  EXPECT_EQ(client_error(std::string(kDigest) + "password=x;"), "the login module names no username");
  EXPECT_EQ(client_error(std::string(kKerberos) + "principal=\"k@R\";"),
            "the Krb5LoginModule has neither useKeyTab=true nor useTicketCache=true, and can't ask for a password");
  EXPECT_EQ(client_error(std::string(kKerberos) + "useKeyTab=true;"), "the Krb5LoginModule names no principal");
}

TEST(Login, AMissingKeyTableIsNamed) {
  base::testing::TempDir directory;
  std::string path = directory.path() + "/none.keytab";
  std::string error = server_error(kKerberos + ("useKeyTab=true keyTab=\"" + path + "\" principal=\"zookeeper/h@R\";"));
  EXPECT_EQ(error, "the key table " + path + " can't be read");
  ClientLogin client(section(kKerberos + ("useKeyTab=true keyTab=\"" + path + "\" principal=\"k@R\";")),
                     ClientLoginOptions());
  EXPECT_EQ(client.mechanism(), "GSSAPI");
  Step step = client.start("localhost", "127.0.0.1")->start();
  EXPECT_EQ(step.state, StepState::failed);
  EXPECT_TRUE(step.failure.starts_with("no Kerberos login as k@R: ")) << step.failure;
}

TEST(KerberosName, Ids) {
  NameRules rules;
  rules.default_realm = "R";
  EXPECT_EQ(authorized_id("kafka", rules), "kafka");
  EXPECT_EQ(authorized_id("a/b", rules), "a/b");
  EXPECT_EQ(authorized_id("k/h@R", rules), "k/h@R");
  EXPECT_EQ(authorized_id("k/h@S", rules), "k/h@S");
  EXPECT_EQ(authorized_id("k/h/x@R", rules), std::nullopt);
  EXPECT_EQ(authorized_id("k@h@R", rules), std::nullopt);
  rules.remove_host = true;
  EXPECT_EQ(authorized_id("k/h@R", rules), "k@R");
  rules.remove_realm = true;
  EXPECT_EQ(authorized_id("k/h@R", rules), "k");
  EXPECT_EQ(authorized_id("k/h@S", rules), "k/h@S");
  rules.remove_host = false;
  EXPECT_EQ(authorized_id("k/h@R", rules), "k/h");
}

}  // namespace
}  // namespace zk::sasl
