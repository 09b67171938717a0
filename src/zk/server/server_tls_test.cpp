// The secure port of a whole server: who gets in, as whom, and that those who don't cost nobody else anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "base/testing/temp_dir.h"
#include "base/tls/engine.h"
#include "base/tls/testing/certificates.h"
#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/coordinator.h"
#include "zk/server/four_letter.h"
#include "zk/server/server.h"
#include "zk/server/testing/test_socket.h"
#include "zk/tree/types.h"

namespace zk::server {
namespace {

using base::tls::Context;
using base::tls::testing::make_authority;
using base::tls::testing::make_identity;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using tree::Error;
using tree::OpCode;

// A blocking client; without a context it speaks plaintext.
class Client : public testing::TestSocket {
 public:
  using TestSocket::TestSocket;

  // A session; false if the server refuses.
  bool attach() {
    if (!handshake()) return false;
    proto::ConnectRequest request;
    request.time_out = 30000;
    request.passwd = std::string(16, '\0');
    send_frame(proto::to_bytes(request));
    return receive_frame().has_value();
  }
  template <class Record>
  std::pair<Error, base::Bytes> ask(OpCode op, const Record& record) {
    proto::Writer writer;
    writer.write(std::int32_t{1}).write(static_cast<std::int32_t>(op)).write(record);
    send_frame(writer.bytes());
    return answer();
  }
  std::pair<Error, base::Bytes> answer() {
    const auto frame = receive_frame();
    if (!frame) return {Error::connection_loss, {}};
    proto::Reader reader(*frame);
    proto::ReplyHeader header;
    EXPECT_TRUE(reader.read(header));
    return {static_cast<Error>(header.err), base::Bytes(reader.rest().begin(), reader.rest().end())};
  }
  Error create(const std::string& path, const std::string& scheme, const std::string& id, std::string data = "x") {
    proto::CreateRequest request;
    request.path = path;
    request.data = std::move(data);
    proto::ACL& acl = request.acl.emplace_back();
    acl.perms = tree::kAll;
    acl.id.scheme = scheme;
    acl.id.id = id;
    return ask(OpCode::create, request).first;
  }
  std::pair<Error, std::string> get(const std::string& path) {
    proto::GetDataRequest request;
    request.path = path;
    const auto [error, body] = ask(OpCode::get_data, request);
    proto::GetDataResponse response;
    proto::Reader reader(body);
    EXPECT_TRUE(error != Error::ok || reader.read(response));
    return {error, response.data.value_or("")};
  }
  std::vector<std::pair<std::string, std::string>> who_am_i() {
    proto::Writer writer;
    writer.write(std::int32_t{1}).write(static_cast<std::int32_t>(OpCode::who_am_i));
    send_frame(writer.bytes());
    const auto [error, body] = answer();
    EXPECT_EQ(error, Error::ok);
    proto::WhoAmIResponse response;
    proto::Reader reader(body);
    EXPECT_TRUE(reader.read(response));
    std::vector<std::pair<std::string, std::string>> all;
    for (const proto::ClientInfo& info : response.client_info) all.emplace_back(info.auth_scheme, info.user);
    return all;
  }
};

class ServerTls : public ::testing::Test {
 protected:
  ServerTls() {
    using namespace base::tls::testing;
    write_pem(directory_ / "server.pem", make_identity({{"CN", "server"}}, &authority_, false, "DNS:localhost"));
    write_pem(directory_ / "client.pem", make_identity({{"O", "Org"}, {"CN", "client"}}, &authority_, false));
    write_pem(directory_ / "boss.pem", make_identity({{"CN", "boss"}}, &authority_, false));
    write_pem(directory_ / "stranger.pem", make_identity({{"CN", "boss"}}, &other_authority_, false));
    write_trust_pem(directory_ / "trust.pem", {&authority_});
    config_.data_dir = config_.data_log_dir = directory_ / "data";
    config_.client_address = "127.0.0.1";
    config_.client_port = 0;
    config_.tick_ms = 50;
    config_.connections_per_address_max = 0;
    config_.preallocate_bytes = 64 * 1024;
    config_.all_commands = true;
    config_.tls.port = 0;
    config_.tls.address = "127.0.0.1";
    config_.tls.options.key_store.path = directory_ / "server.pem";
    config_.tls.options.trust_store.path = directory_ / "trust.pem";
    config_.tls.x509_super_user = "CN=boss";
  }
  void start() {
    server_ = std::make_unique<Server>(config_);
    server_->start();
  }
  std::shared_ptr<const Context> as(const std::string& name) {
    base::tls::Options options;
    if (!name.empty()) options.key_store.path = directory_ / (name + ".pem");
    options.trust_store.path = directory_ / "trust.pem";
    return std::make_shared<Context>(Context::Role::client, options);
  }
  std::uint64_t handshakes() {
    std::promise<std::uint64_t> count;
    server_->run([&](Coordinator& coordinator) { count.set_value(coordinator.stats().tls_handshakes); });
    return count.get_future().get();
  }
  bool is_served(const std::string& name) { return Client(server_->secure_port(), as(name)).attach(); }

  base::testing::TempDir directory_;
  base::tls::testing::Identity authority_ = make_authority("authority");
  base::tls::testing::Identity other_authority_ = make_authority("other");
  ZooKeeperServerConfig config_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTls, ACertificateIsAnIdentity) {
  start();
  Client client(server_->secure_port(), as("client"));
  ASSERT_TRUE(client.attach());
  EXPECT_THAT(client.who_am_i(), UnorderedElementsAre(Pair("ip", "127.0.0.1"), Pair("x509", "CN=client,O=Org")));
  EXPECT_EQ(client.create("/mine", "x509", "CN=client,O=Org"), Error::ok);
  EXPECT_EQ(client.create("/auth", "auth", ""), Error::ok);
  EXPECT_EQ(client.create("/bad", "x509", "client"), Error::invalid_acl);
  EXPECT_EQ(client.get("/mine"), std::pair(Error::ok, std::string("x")));
  Client boss(server_->secure_port(), as("boss"));
  ASSERT_TRUE(boss.attach());
  EXPECT_THAT(boss.who_am_i(),
              UnorderedElementsAre(Pair("ip", "127.0.0.1"), Pair("super", ""), Pair("x509", "CN=boss")));
  EXPECT_EQ(boss.get("/mine").first, Error::ok);
  EXPECT_EQ(boss.create("/auth/of-boss", "auth", ""), Error::ok);
  EXPECT_EQ(client.get("/auth/of-boss").first, Error::no_auth);
  Client plain(server_->port());
  ASSERT_TRUE(plain.attach());
  EXPECT_EQ(plain.get("/mine").first, Error::no_auth);
  EXPECT_THAT(plain.who_am_i(), UnorderedElementsAre(Pair("ip", "127.0.0.1")));
}

TEST_F(ServerTls, WhoIsRefused) {
  start();
  EXPECT_TRUE(is_served("client"));
  EXPECT_FALSE(is_served("stranger"));
  EXPECT_FALSE(is_served(""));
  EXPECT_FALSE(Client(server_->secure_port()).attach());
  EXPECT_FALSE(Client(server_->port(), as("client")).attach());
  EXPECT_TRUE(is_served("client"));
  // ZooKeeper counts a handshake that fails under both names.
  std::promise<std::string> words;
  server_->run([&](Coordinator& coordinator) { words.set_value(answer_four_letter_word("mntr", {}, coordinator)); });
  const std::string told = words.get_future().get();
  for (const char* line : {"zk_unsuccessful_handshake\t3\n", "zk_auth_failed_count\t3\n", "zk_non_mtls_local_conn_count\t1\n"}) {
    EXPECT_NE(told.find(line), std::string::npos) << line;
  }
}

TEST_F(ServerTls, ClientAuthWantAndNone) {
  config_.tls.options.client_auth = base::tls::ClientAuth::want;
  start();
  EXPECT_TRUE(is_served("client"));
  EXPECT_TRUE(is_served(""));
  EXPECT_FALSE(is_served("stranger"));
  server_.reset();
  config_.tls.options.client_auth = base::tls::ClientAuth::none;
  start();
  Client stranger(server_->secure_port(), as("stranger"));
  EXPECT_TRUE(stranger.attach());
  EXPECT_THAT(stranger.who_am_i(), UnorderedElementsAre(Pair("ip", "127.0.0.1")));
}

TEST_F(ServerTls, OnePortForBoth) {
  config_.tls.port.reset();
  config_.tls.port_unification = true;
  start();
  EXPECT_EQ(server_->secure_port(), 0);
  EXPECT_TRUE(Client(server_->port(), as("client")).attach());
  EXPECT_TRUE(Client(server_->port()).attach());
  EXPECT_FALSE(Client(server_->port(), as("")).attach());
  Client word(server_->port());
  word.send_bytes(base::as_bytes("ruok"));
  EXPECT_EQ(word.read_all(), "imok");
}

TEST_F(ServerTls, WithoutAPlainPort) {
  config_.serves_client_port = false;
  start();
  EXPECT_EQ(server_->port(), 0);
  EXPECT_TRUE(is_served("client"));
}

TEST_F(ServerTls, WordsAreAnsweredAndTheEndIsTold) {
  start();
  Client client(server_->secure_port(), as("client"));
  ASSERT_TRUE(client.handshake());
  client.send_bytes(base::as_bytes("ruok"));
  EXPECT_EQ(client.read_all(), "imok");
}

// Question and goodbye in one go, even together with the end of the handshake.
TEST_F(ServerTls, WordsOfThoseWhoSayGoodbyeAtOnce) {
  start();
  base::tls::Engine engine(as("client"), "localhost");
  Client raw(server_->secure_port());
  raw.send_raw(engine.take_output());
  base::Bytes plain;
  while (!engine.established()) {
    ASSERT_TRUE(raw.receive_some());
    ASSERT_TRUE(engine.receive(raw.take(), plain));
    if (!engine.established()) raw.send_raw(engine.take_output());
  }
  engine.send(base::as_bytes("ruok"));
  engine.close();
  raw.send_raw(engine.take_output());
  while (raw.receive_some()) {
  }
  engine.receive(raw.take(), plain);
  EXPECT_EQ(base::as_text(plain), "imok");
}

// More than a socket takes at once, and many requests before the first answer is read.
TEST_F(ServerTls, LargeAnswers) {
  start();
  Client client(server_->secure_port(), as("client"));
  ASSERT_TRUE(client.attach());
  const std::string data(900'000, 'd');
  ASSERT_EQ(client.create("/large", "world", "anyone", data), Error::ok);
  constexpr int kRequests = 20;
  for (int i = 0; i < kRequests; ++i) {
    proto::GetDataRequest request;
    request.path = "/large";
    proto::Writer writer;
    writer.write(i).write(static_cast<std::int32_t>(OpCode::get_data)).write(request);
    client.send_frame(writer.bytes());
  }
  for (int i = 0; i < kRequests; ++i) {
    const auto [error, body] = client.answer();
    ASSERT_EQ(error, Error::ok) << i;
    proto::GetDataResponse response;
    proto::Reader reader(body);
    ASSERT_TRUE(reader.read(response));
    ASSERT_EQ(response.data, data);
  }
}

// Whoever is slow, silent or sends rubbish is closed in the end, and others are served meanwhile.
TEST_F(ServerTls, HalfOpenHandshakesEnd) {
  config_.handshake_timeout_ms = 300;
  start();
  Client silent(server_->secure_port());
  Client half(server_->secure_port());
  const base::Bytes hello = base::tls::Engine(as("client"), "localhost").take_output();
  half.send_raw(base::ByteView(hello).first(hello.size() / 2));
  Client after_hello(server_->secure_port());
  after_hello.send_raw(hello);
  Client rubbish(server_->secure_port());
  rubbish.send_raw(base::Bytes(100, 0x16));
  EXPECT_TRUE(is_served("client"));
  silent.read_all();
  half.read_all();
  after_hello.read_all();
  rubbish.read_all();
  EXPECT_TRUE(is_served("client"));
}

TEST_F(ServerTls, HandshakesCountAsConnections) {
  config_.connections_per_address_max = 3;
  config_.handshake_timeout_ms = 3'600'000;
  start();
  {
    Client first(server_->secure_port());
    Client second(server_->secure_port());
    Client third(server_->secure_port());
    Client fourth(server_->secure_port());
    EXPECT_EQ(fourth.read_all(), "");  // the others are there, or it would wait for ever
    EXPECT_FALSE(Client(server_->port()).attach());
    EXPECT_EQ(handshakes(), 3U);
  }
  while (!is_served("client")) {  // the server hears a little later that they have gone
  }
}

// Amid the handshake, or right behind it, or having turned out to be a plain client.
TEST_F(ServerTls, ClientsThatResetGiveTheirSlotsBack) {
  config_.connections_per_address_max = 1;
  config_.tls.port_unification = true;
  start();
  const auto context = as("client");
  const base::Bytes hello = base::tls::Engine(context, "localhost").take_output();
  for (int i = 0; i < 60; ++i) {
    Client client(i % 3 == 0 ? server_->port() : server_->secure_port(), context);
    if (i % 3 == 0) client.send_raw(base::as_bytes("x"));
    if (i % 3 == 1) client.send_raw(hello);
    if (i % 3 == 2) client.handshake();
    client.reset();
  }
  while (!is_served("client")) {
  }
}

TEST_F(ServerTls, TooManyHandshakesAtOnce) {
  config_.tls.handshakes_max = 1;
  config_.handshake_timeout_ms = 3'600'000;
  start();
  Client first(server_->secure_port());
  Client second(server_->secure_port());
  second.read_all();
  EXPECT_TRUE(Client(server_->port()).attach());
}

TEST_F(ServerTls, ManyAtOnce) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  const auto context = as("client");
  for (int i = 0; i < 50; ++i) clients.push_back(std::make_unique<Client>(server_->secure_port(), context));
  for (auto& client : clients) ASSERT_TRUE(client->attach());
  for (auto& client : clients) ASSERT_EQ(client->get("/").first, Error::ok);
}

TEST_F(ServerTls, StopsAmidHandshakes) {
  start();
  Client silent(server_->secure_port());
  Client after_hello(server_->secure_port());
  after_hello.send_raw(base::tls::Engine(as("client"), "localhost").take_output());
  ASSERT_TRUE(is_served("client"));
  server_->stop();
  silent.read_all();
}

TEST_F(ServerTls, NewStoresWithoutARestart) {
  config_.tls.reload = true;
  start();
  Client before(server_->secure_port(), as("client"));
  ASSERT_TRUE(before.attach());
  EXPECT_FALSE(is_served("stranger"));
  const auto client = as("client");                      // read before the file changes
  std::ofstream(directory_ / "trust.pem") << "half of";  // which must not harm
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Client(server_->secure_port(), client).attach());
  base::tls::testing::write_trust_pem(directory_ / "new.pem", {&authority_, &other_authority_});
  std::filesystem::rename(directory_ / "new.pem", directory_ / "trust.pem");
  while (!is_served("stranger")) {  // it looks once a tick
  }
  EXPECT_EQ(before.get("/").first, Error::ok);
}

TEST_F(ServerTls, StoresThatAreMissingOrWrong) {
  config_.tls.options.key_store.path.clear();
  EXPECT_THROW(start(), base::tls::TlsError);
  config_.tls.options.key_store.path = directory_ / "none.pem";
  EXPECT_THROW(start(), base::tls::TlsError);
}

TEST_F(ServerTls, WhatIsWrongWithAStoreIsToldWithItsKeyAndLine) {
  const auto refusal = [&](const std::string& lines) -> std::string {
    const auto properties = base::Properties::parse("dataDir=/d\n" + lines);
    try {
      check_tls_files(ZooKeeperServerConfig::from(properties).tls, properties);
      return "accepted";
    } catch (const ConfigError& error) {
      return std::to_string(error.line()) + ": " + error.what();
    }
  };
  const std::string port = "secureClientPort=2182\n", keys = "ssl.keyStore.location=" + (directory_ / "server.pem") + "\n";
  EXPECT_EQ(refusal("clientPort=2181\nssl.keyStore.location=/none\n"), "accepted") << "no port needs it";
  EXPECT_EQ(refusal(port + keys + "ssl.trustStore.location=" + (directory_ / "trust.pem") + "\n"), "accepted");
  EXPECT_EQ(refusal(port),
            "2: ssl.keyStore.location is missing: a port that speaks TLS needs a key and its certificate");
  EXPECT_EQ(refusal(port + "ssl.keyStore.location=/none.p12\n"),
            "3: ssl.keyStore.location: Cannot read /none.p12: No such file or directory");
  EXPECT_EQ(refusal(port + keys + "ssl.trustStore.location=/none.pem\n"),
            "4: ssl.trustStore.location: Cannot read /none.pem: No such file or directory");
  EXPECT_EQ(refusal(port + keys + "ssl.keyStore.passwordPath=/none\n"),
            "4: ssl.keyStore.passwordPath: Cannot read /none: No such file or directory");
  EXPECT_EQ(refusal(port + keys + "ssl.ciphersuites=TLS_NONE\n"), "4: TLS cipher suite TLS_NONE is unknown");
}

TEST(TlsConfig, Keys) {
  auto parse = [](const std::string& text) {
    return ZooKeeperServerConfig::from(base::Properties::parse("dataDir=/d\nadmin.enableServer=false\n" + text));
  };
  const auto config = parse(
      "secureClientPort=2182\nsecureClientPortAddress=127.0.0.1\nssl.keyStore.location=/k\nssl.keyStore.password=kp\n"
      "ssl.trustStore.location=/t\nssl.trustStore.password=tp\nssl.keyStore.type=PKCS12\n"
      "ssl.enabledProtocols=TLSv1.2,TLSv1.3\nssl.protocol=TLSv1.3\nssl.ciphersuites=A, B\nssl.clientAuth=WANT\n"
      "ssl.hostnameVerification=false\nX509AuthenticationProvider.superUser=CN=boss\nfips-mode=false\n"
      "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider\nssl.quorum.keyStore.location=/q\n"
      "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n");
  EXPECT_EQ(config.tls.port, 2182);
  EXPECT_FALSE(config.serves_client_port);
  EXPECT_EQ(config.tls.options.key_store.password, "kp");
  EXPECT_EQ(config.tls.options.trust_store.path, "/t");
  EXPECT_THAT(config.tls.options.protocols, ::testing::ElementsAre("TLSv1.2", "TLSv1.3"));
  EXPECT_THAT(config.tls.options.cipher_suites, ::testing::ElementsAre("A", "B"));
  EXPECT_EQ(config.tls.options.client_auth, base::tls::ClientAuth::want);
  EXPECT_EQ(config.tls.x509_super_user, "CN=boss");
  EXPECT_TRUE(config.warnings.empty()) << config.warnings.front();
  EXPECT_TRUE(parse("secureClientPort=2182\nclientPort=2181\n").serves_client_port);
  EXPECT_FALSE(parse("clientPort=2181\n").tls.x509_enabled());
  const auto revocation = [&](const std::string& text) { return parse(text).tls.options.revocation; };
  EXPECT_EQ(revocation("ssl.crl=false\nssl.ocsp=\n"), base::tls::Revocation::none);
  EXPECT_EQ(revocation("ssl.crl=TRUE\n"), base::tls::Revocation::lists);
  EXPECT_EQ(revocation("ssl.ocsp=true\nssl.crl=true\n"), base::tls::Revocation::ocsp);
  EXPECT_EQ(revocation("ssl.crl=true\nssl.ocsp=true\n"), base::tls::Revocation::ocsp);
  EXPECT_EQ(revocation("ssl.quorum.crl=true\nssl.quorum.ocsp=true\n"), base::tls::Revocation::none);
  for (const char* refused :
       {"secureClientPort=x", "ssl.clientAuth=maybe", "ssl.crl=yes", "ssl.ocsp=1", "ssl.keyStore.type=BCFKS",
        "ssl.clientHostnameVerification=true", "ssl.context.supplier.class=a.B", "ssl.unknown=1",
        "X509AuthenticationProvider.clientCertIdType=SAN", "secureClientPortAddress=127.0.0.1",
        "authProvider.1=org.example.Provider"}) {
    EXPECT_THROW(parse(std::string(refused) + "\n"), ConfigError) << refused;
  }
}

}  // namespace
}  // namespace zk::server
