// The client's TLS from configuration to a coordinator that asks for certificates.
#include "broker/app/zookeeper_tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <deque>
#include <fstream>
#include <future>
#include <thread>

#include "base/testing/temp_dir.h"
#include "base/tls/testing/certificates.h"
#include "base/tls/testing/revocation_list.h"
#include "broker/app/broker_settings.h"
#include "zk/client/session.h"
#include "zk/server/server.h"

namespace broker::app {
namespace {

using base::tls::testing::make_authority;
using base::tls::testing::make_identity;
using ::testing::HasSubstr;
using zk::client::Error;

class ZooKeeperTls : public ::testing::Test {
 protected:
  ZooKeeperTls() : guard_(boost::asio::make_work_guard(loop_)), thread_([this] { loop_.run(); }) {
    using namespace base::tls::testing;
    write_pkcs12(directory_ / "server.p12", "server-secret",
                 &(identities_.emplace_back(make_identity({{"CN", "s"}}, &authority_, false, "DNS:localhost"))));
    write_pkcs12(directory_ / "client.p12", "client-secret",
                 &(identities_.emplace_back(make_identity({{"CN", "broker"}}, &authority_, false))));
    write_pem(directory_ / "stranger.pem", make_identity({{"CN", "broker"}}, &other_authority_, false));
    write_trust_pem(directory_ / "trust.pem", {&authority_});
    write_trust_pem(directory_ / "other-trust.pem", {&other_authority_});
    start_server(0);
    set("zookeeper.ssl.client.enable", "true");
    set("zookeeper.clientCnxnSocket", "org.apache.zookeeper.ClientCnxnSocketNetty");
    set("zookeeper.ssl.keystore.location", directory_ / "client.p12");
    set("zookeeper.ssl.keystore.password", "client-secret");
    set("zookeeper.ssl.truststore.location", directory_ / "trust.pem");
    connect_to("localhost");
  }
  ~ZooKeeperTls() override {
    drop_session();
    guard_.reset();
    thread_.join();
  }

  void start_server(std::uint16_t port) {
    zk::server::ZooKeeperServerConfig config;
    config.data_dir = config.data_log_dir = directory_ / "data";
    config.serves_client_port = false;
    config.preallocate_bytes = 65536;
    config.tls.port = port;
    config.tls.options.key_store = {directory_ / "server.p12", "server-secret"};
    config.tls.options.trust_store.path = directory_ / "trust.pem";
    server_ = std::make_unique<zk::server::Server>(config);
    server_->start();
  }
  void set(const std::string& key, const std::string& value) { file_.set(key, value); }
  void connect_to(const std::string& host) {
    set("zookeeper.connect", host + ":" + std::to_string(server_->secure_port()));
  }
  zk::client::SessionOptions options() { return session_options(*config::BrokerConfig::create(file_), base::JavaOptions()); }
  std::string refusal() {
    try {
      options();
      return "accepted";
    } catch (const config::ConfigError& error) {
      return error.what();
    }
  }
  template <class T>
  T run(base::Task<T> task) {
    return boost::asio::co_spawn(loop_, std::move(task), boost::asio::use_future).get();
  }
  void drop_session() {  // on its own thread, as it must be
    std::promise<void> done;
    boost::asio::post(loop_, [&] {
      session_.reset();
      done.set_value();
    });
    done.get_future().wait();
  }
  void open() {
    drop_session();
    zk::client::SessionEvents events;
    session_ = std::make_unique<zk::client::Session>(loop_.get_executor(), options(), std::move(events));
  }
  // Whether a session is there in time; without one that is as long as it has to wait.
  bool connects(std::int32_t wait_ms = 60'000) {
    open();
    return run(session_->wait_connected(wait_ms));
  }
  Error create(const std::string& path) {
    return run(zk::client::execute(*session_, zk::client::create(path, "data"))).error;
  }

  base::testing::TempDir directory_;
  base::tls::testing::Identity authority_ = make_authority("authority");
  base::tls::testing::Identity other_authority_ = make_authority("other");
  std::deque<base::tls::testing::Identity> identities_;
  std::unique_ptr<zk::server::Server> server_;
  base::Properties file_;
  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread thread_;
  std::unique_ptr<zk::client::Session> session_;
};

TEST_F(ZooKeeperTls, ASessionWithACertificate) {
  ASSERT_TRUE(connects());
  std::vector<zk::client::Acl> acl(1);
  acl[0].scheme = "x509";
  acl[0].id = "CN=broker";
  zk::client::Request request = zk::client::create("/mine", std::string(300'000, 'm'));
  request.acl = acl;
  EXPECT_EQ(run(zk::client::execute(*session_, std::move(request))).error, Error::ok);
  EXPECT_EQ(run(zk::client::execute(*session_, zk::client::get_data("/mine"))).data, std::string(300'000, 'm'));
  run(session_->close());
}

TEST_F(ZooKeeperTls, AChrootIsMade) {
  set("zookeeper.connect", file_.find("zookeeper.connect")->value + "/kafka/one");
  EXPECT_TRUE(run(zk::client::create_chroot(loop_.get_executor(), options(), 60'000)));
  ASSERT_TRUE(connects());
  EXPECT_EQ(create("/below"), Error::ok);
}

TEST_F(ZooKeeperTls, TheSessionOutlivesItsConnection) {
  ASSERT_TRUE(connects());
  const std::int64_t session_id = session_->session_id();
  const std::uint16_t port = server_->secure_port();
  server_->stop();
  server_.reset();
  start_server(port);
  EXPECT_EQ(create("/after"), Error::ok);
  EXPECT_EQ(session_->session_id(), session_id);
}

TEST_F(ZooKeeperTls, OneProtocolOnly) {
  set("zookeeper.ssl.protocol", "TLSv1.2");
  EXPECT_TRUE(connects());
}

TEST_F(ZooKeeperTls, NoSessionWith) {
  constexpr std::int32_t kWaitMs = 300;
  set("zookeeper.ssl.truststore.location", directory_ / "other-trust.pem");
  EXPECT_FALSE(connects(kWaitMs));  // a server that it doesn't trust
  set("zookeeper.ssl.truststore.location", directory_ / "trust.pem");
  connect_to("127.0.0.1");
  EXPECT_FALSE(connects(kWaitMs));  // a server of another name
  set("zookeeper.ssl.endpoint.identification.algorithm", "");
  EXPECT_TRUE(connects());
  set("zookeeper.ssl.keystore.location", directory_ / "stranger.pem");
  EXPECT_FALSE(connects(kWaitMs));  // a certificate that the server doesn't trust
  set("zookeeper.ssl.client.enable", "false");
  EXPECT_FALSE(connects(kWaitMs));  // a server that speaks TLS alone
}

// Its certificate needs a verdict, as in Kafka; here from the list that it names.
TEST_F(ZooKeeperTls, ARevokedServerIsLeftAlone) {
  using namespace base::tls::testing;
  constexpr std::int32_t kWaitMs = 300;
  const std::string list = directory_ / "revoked.crl";
  const auto give_out = [&](const std::vector<const Identity*>& revoked) {
    std::ofstream(list, std::ios::binary) << list_of(authority_, revoked);
  };
  const Identity& server = identities_.emplace_back(make_identity(
      {{"CN", "s"}}, &authority_, false, "DNS:localhost", -kHour, kHour, {{NID_crl_distribution_points, "URI:file://" + list}}));
  for (const std::string key : {"zookeeper.ssl.crl.enable", "zookeeper.ssl.ocsp.enable"}) {
    set(key, "true");
    EXPECT_FALSE(connects(kWaitMs)) << key << ": nobody says anything of it";
    drop_session();
    server_->stop();
    write_pkcs12(directory_ / "server.p12", "server-secret", &server);
    server_.reset();
    start_server(0);
    connect_to("localhost");
    give_out({});
    EXPECT_TRUE(connects()) << key;
    give_out({&server});
    EXPECT_FALSE(connects(kWaitMs)) << key;
    set(key, "false");
    EXPECT_TRUE(connects()) << key;
    // As it was before, for the next key.
    drop_session();
    server_->stop();
    write_pkcs12(directory_ / "server.p12", "server-secret", &identities_.front());
    server_.reset();
    start_server(0);
    connect_to("localhost");
  }
}

TEST_F(ZooKeeperTls, ConfigurationsThatAreRefused) {
  set("zookeeper.ssl.keystore.password", "wrong-secret");
  EXPECT_THAT(refusal(), ::testing::StartsWith("zookeeper.ssl.keystore.location: "));
  EXPECT_THAT(refusal(), HasSubstr("client.p12"));
  EXPECT_THAT(refusal(), ::testing::Not(HasSubstr("wrong-secret")));
  set("zookeeper.ssl.keystore.password", "client-secret");
  EXPECT_EQ(refusal(), "accepted");
  set("zookeeper.ssl.truststore.location", "/none.pem");
  EXPECT_EQ(refusal(), "zookeeper.ssl.truststore.location: Cannot read /none.pem: No such file or directory");
  set("zookeeper.ssl.truststore.location", directory_ / "trust.pem");
  set("zookeeper.ssl.cipher.suites", "TLS_NONE");
  EXPECT_THAT(refusal(), HasSubstr("TLS_NONE is unknown"));
  set("zookeeper.ssl.cipher.suites", "TLS_AES_128_GCM_SHA256");
}

// As in Kafka, ZooKeeper's own properties count where Kafka's keys aren't set.
TEST_F(ZooKeeperTls, PropertiesOfTheJvm) {
  base::Properties file;
  file.set("zookeeper.connect", "z");
  const auto config = config::BrokerConfig::create(file);
  base::JavaOptions options;
  EXPECT_EQ(zookeeper_tls(*config, options), nullptr);
  options.add("-Dzookeeper.client.secure=true -Dzookeeper.ssl.keyStore.location=" + (directory_ / "client.p12") +
              " -Dzookeeper.ssl.keyStore.password=client-secret");
  EXPECT_NE(zookeeper_tls(*config, options), nullptr);
  file.set("zookeeper.ssl.client.enable", "false");
  EXPECT_EQ(zookeeper_tls(*config::BrokerConfig::create(file), options), nullptr);
  EXPECT_FALSE(zookeeper_tls(*config, options)->checks_revocation());
  for (const std::string key : {"crl", "ocsp"}) {
    base::JavaOptions with = options;
    with.add("-Dzookeeper.ssl." + key + "=true");
    EXPECT_TRUE(zookeeper_tls(*config, with)->checks_revocation()) << key;
  }
}

}  // namespace
}  // namespace broker::app
