// SASL on a session: the tokens, and that nobody else waits while Kerberos asks a KDC.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <fstream>
#include <future>
#include <thread>

#include "base/testing/temp_dir.h"
#include "zk/client/session.h"
#include "zk/client/testing/scripted_server.h"
#include "zk/sasl/digest_md5.h"

namespace zk::client {
namespace {

using testing::ScriptedServer;
using testing::tcp;

std::shared_ptr<const sasl::ClientLogin> login_of(const std::string& section) {
  const base::Jaas jaas = base::Jaas::parse("Client { " + section + " };");
  sasl::ClientLoginOptions options;
  options.canonicalize_host = false;
  return std::make_shared<const sasl::ClientLogin>(*jaas.find("Client"), options);
}

// A session on a loop of its own, and the state that it comes to.
class SaslSession {
 public:
  SaslSession(std::uint16_t port, std::shared_ptr<const sasl::ClientLogin> login)
      : guard_(boost::asio::make_work_guard(loop_)), thread_([this] { loop_.run(); }) {
    SessionOptions options;
    options.connect.servers.push_back(Server{"127.0.0.1", port});
    options.session_timeout_ms = 600'000;
    options.login = std::move(login);
    SessionEvents events;
    events.state = [this](SessionState state) { state_.set_value(state); };
    session_ = std::make_unique<Session>(loop_.get_executor(), std::move(options), std::move(events));
  }
  ~SaslSession() {
    on_loop([this] { session_.reset(); });
    guard_.reset();
    thread_.join();
  }
  // Done on the loop's thread, as soon as that has time.
  template <class Work>
  void on_loop(Work work) {
    std::promise<void> done;
    boost::asio::post(loop_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  SessionState state() { return state_.get_future().get(); }

 private:
  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::promise<SessionState> state_;
  std::unique_ptr<Session> session_;
  std::thread thread_;
};

constexpr const char* kDigest = "a.DigestLoginModule required username=\"u\" password=\"p\";";

TEST(SessionSasl, TheFirstTokenIsEmptyAndARefusalEndsTheSession) {
  ScriptedServer server;
  SaslSession client(server.port(), login_of(kDigest));
  server.attach();
  EXPECT_EQ(server.receive_request(), "000000010000006600000000");
  server.send("00000001 0000000000000000 ffffff8d ffffffff");  // AUTH_FAILED
  EXPECT_EQ(client.state(), SessionState::auth_failed);
}

TEST(SessionSasl, AServerWithoutALoginIsNotTrusted) {
  ScriptedServer server;
  SaslSession client(server.port(), login_of(kDigest));
  server.attach();
  server.receive_request();
  server.send("00000001 0000000000000000 00000000 ffffffff");
  EXPECT_EQ(client.state(), SessionState::auth_failed);
}

std::string token_frame(const std::string& xid, const std::string& token) {
  base::Bytes size;
  base::append_big_endian(size, static_cast<std::int32_t>(token.size()));
  return xid + "000000000000000000000000" + base::to_hex(size) + base::to_hex(base::as_bytes(token));
}

// Else anybody who answers on the port could be the ZooKeeper that the broker obeys.
TEST(SessionSasl, TheServerMustProveThatItKnowsThePassword) {
  for (const bool knows : {true, false}) {
    ScriptedServer server;
    SaslSession client(server.port(), login_of(kDigest));
    sasl::DigestServer login("zookeeper", "zk-sasl-md5", [](const std::string& user) {
      EXPECT_EQ(user, "u");
      return std::optional<std::string>("p");
    });
    server.attach();
    EXPECT_EQ(server.receive_request(), "000000010000006600000000");
    server.send(token_frame("00000001", *login.evaluate("").token));
    const auto response = base::from_hex(server.receive_request().substr(24)).value();
    const sasl::Step proof = login.evaluate(base::as_text(response));
    ASSERT_EQ(proof.state, sasl::StepState::done);
    server.send(token_frame("00000002", knows ? *proof.token : "rspauth=00000000000000000000000000000000"));
    EXPECT_EQ(client.state(), knows ? SessionState::connected : SessionState::auth_failed);
  }
}

// One key of the type aes256-cts-hmac-sha1-96 for user@TEST, in MIT's format 5.2.
void write_key_table(const std::string& path) {
  base::Bytes entry;
  auto put_text = [&](std::string_view text) {
    base::append_big_endian(entry, static_cast<std::int16_t>(text.size()));
    entry.insert(entry.end(), text.begin(), text.end());
  };
  base::append_big_endian(entry, std::int16_t{1});
  put_text("TEST");
  put_text("user");
  base::append_big_endian(entry, std::int32_t{1});  // NT-PRINCIPAL
  base::append_big_endian(entry, std::int32_t{0});
  entry.push_back(1);
  base::append_big_endian(entry, std::int16_t{18});
  put_text(std::string(32, 'k'));
  base::Bytes file = {5, 2};
  base::append_big_endian(file, static_cast<std::int32_t>(entry.size()));
  file.insert(file.end(), entry.begin(), entry.end());
  std::ofstream(path, std::ios::binary) << base::as_text(file);
}

TEST(SessionSasl, TheLoopGoesOnWhileTheKdcIsAsked) {
  boost::asio::io_context unused;
  tcp::acceptor kdc(unused, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  base::testing::TempDir directory;
  write_key_table(directory / "user.keytab");
  std::ofstream(directory / "krb5.conf")
      << "[libdefaults]\ndefault_realm = TEST\ndns_lookup_kdc = false\ndns_lookup_realm = false\n"
      << "udp_preference_limit = 1\n"
      << "[realms]\nTEST = {\nkdc = 127.0.0.1:" << kdc.local_endpoint().port() << "\n}\n";
  ::setenv("KRB5_CONFIG", (directory / "krb5.conf").c_str(), 1);
  ScriptedServer server;
  {
    SaslSession client(server.port(),
                       login_of("com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab=\"" +
                                (directory / "user.keytab") + "\" principal=\"user@TEST\";"));
    server.attach();
    tcp::socket asked(unused);
    kdc.accept(asked);
    client.on_loop([] {});  // comes back though the KDC says nothing
    kdc.close();
    asked.close();
    EXPECT_EQ(client.state(), SessionState::auth_failed);
  }
  ::unsetenv("KRB5_CONFIG");
}

}  // namespace
}  // namespace zk::client
