// A broker's login at ZooKeeper: the real session at the real coordinator, by a JAAS file.
#include "broker/app/zookeeper_login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <fstream>
#include <future>
#include <thread>

#include "base/testing/temp_dir.h"
#include "zk/server/server.h"

namespace broker::app {
namespace {

using ::testing::HasSubstr;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kModule = "org.apache.zookeeper.server.auth.DigestLoginModule required ";

class Coordinator {
 public:
  Coordinator(const std::string& directory, const std::string& users, const std::string& more) {
    base::Properties properties = base::Properties::parse(
        "dataDir=" + directory + "\nclientPort=0\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n" +
        "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n" + more);
    auto config = zk::server::ZooKeeperServerConfig::from(properties);
    if (!users.empty()) {
      const base::Jaas jaas = base::Jaas::parse("Server { " + (kModule + users) + "; };");
      config.security.login =
          std::make_shared<const zk::sasl::ServerLogin>(*jaas.find("Server"), zk::sasl::ServerLoginOptions());
    }
    server_ = std::make_unique<zk::server::Server>(std::move(config));
    server_->start();
  }
  ~Coordinator() { server_->stop(); }
  std::uint16_t port() const { return server_->port(); }

 private:
  std::unique_ptr<zk::server::Server> server_;
};

// One session on a loop of its own.
class Client {
 public:
  Client(std::uint16_t port, zk::client::SessionOptions options)
      : guard_(boost::asio::make_work_guard(loop_)), thread_([this] { loop_.run(); }) {
    options.connect.servers = {zk::client::Server{"127.0.0.1", port}};
    options_ = options;
    zk::client::SessionEvents events;
    events.state = [this](zk::client::SessionState state) {
      if (state == zk::client::SessionState::auth_failed) auth_failed_ = true;
    };
    session_ = std::make_unique<zk::client::Session>(loop_.get_executor(), std::move(options), std::move(events));
  }
  ~Client() {
    std::promise<void> gone;
    boost::asio::post(loop_, [&] {
      session_.reset();
      gone.set_value();
    });
    gone.get_future().wait();
    guard_.reset();
    thread_.join();
  }
  bool connected() {
    return boost::asio::co_spawn(loop_, session_->wait_connected(60000), boost::asio::use_future).get();
  }
  bool auth_failed() const { return auth_failed_; }
  Response ask(Request request) {
    std::vector<Request> requests;
    requests.push_back(std::move(request));
    return boost::asio::co_spawn(loop_, session_->execute(std::move(requests)), boost::asio::use_future).get().at(0);
  }
  std::string rules_of(const std::string& path) {
    std::string text;
    for (const auto& acl : ask(zk::client::get_acl(path)).acl) {
      text += std::to_string(acl.perms) + ":" + acl.scheme + ":" + acl.id + " ";
    }
    return text;
  }
  bool make_chroot(const std::string& chroot) {
    zk::client::SessionOptions options = options_;
    options.connect.chroot = chroot;
    return boost::asio::co_spawn(loop_, zk::client::create_chroot(loop_.get_executor(), std::move(options), 60000),
                                 boost::asio::use_future)
        .get();
  }

 private:
  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread thread_;
  std::atomic<bool> auth_failed_{false};
  zk::client::SessionOptions options_;
  std::unique_ptr<zk::client::Session> session_;
};

class ZooKeeperLogin : public ::testing::Test {
 protected:
  void write_jaas(const std::string& text) {
    std::ofstream(directory_ / "jaas.conf") << text;
    options_ = base::JavaOptions();
    options_.add("-Djava.security.auth.login.config=" + (directory_ / "jaas.conf"));
  }
  zk::client::SessionOptions session(const std::string& lines) {
    zk::client::SessionOptions session;
    add_login(session, *config::BrokerConfig::create(base::Properties::parse(kLines + lines)), options_);
    return session;
  }
  std::string error_of(const std::string& lines) {
    try {
      session(lines);
      return "none";
    } catch (const config::ConfigError& error) {
      return error.what();
    }
  }

  static inline const std::string kLines = "broker.id=1\nlog.dirs=/tmp/none\nzookeeper.connect=localhost:2181\n";
  base::testing::TempDir directory_;
  base::JavaOptions options_;
};

TEST_F(ZooKeeperLogin, OwnsWhatItCreates) {
  Coordinator coordinator(directory_ / "data", "user_kafka=\"ks\"", "");
  write_jaas(std::string("Client { ") + kModule + "username=kafka password=ks; };");
  Client client(coordinator.port(), session("zookeeper.set.acl=true\n"));
  ASSERT_TRUE(client.connected());
  EXPECT_TRUE(client.ask(zk::client::create("/config", std::nullopt)).ok());
  EXPECT_TRUE(client.ask(zk::client::create("/consumers", std::nullopt)).ok());
  EXPECT_TRUE(client
                  .ask(zk::client::multi(zk::client::create("/config/users", std::nullopt),
                                         zk::client::create("/config/topics", std::nullopt)))
                  .ok());
  EXPECT_EQ(client.rules_of("/config"), "31:sasl:kafka 1:world:anyone ");
  EXPECT_EQ(client.rules_of("/config/topics"), "31:sasl:kafka 1:world:anyone ");
  EXPECT_EQ(client.rules_of("/config/users"), "31:sasl:kafka ");
  EXPECT_EQ(client.rules_of("/consumers"), "31:world:anyone ");
  EXPECT_TRUE(client.make_chroot("/deep/root"));
  EXPECT_EQ(client.rules_of("/deep/root"), "31:sasl:kafka 1:world:anyone ");

  Client plain(coordinator.port(), zk::client::SessionOptions());
  ASSERT_TRUE(plain.connected());
  EXPECT_EQ(plain.ask(zk::client::get_data("/config/users")).error, Error::no_auth);
  EXPECT_TRUE(plain.ask(zk::client::get_data("/config")).ok());
}

TEST_F(ZooKeeperLogin, WithoutSetAclZnodesAreOpen) {
  Coordinator coordinator(directory_ / "data", "user_kafka=\"ks\"", "sessionRequireClientSASLAuth=true\n");
  write_jaas(std::string("Client { ") + kModule + "username=kafka password=ks; };");
  Client client(coordinator.port(), session(""));
  ASSERT_TRUE(client.connected());
  EXPECT_TRUE(client.ask(zk::client::create("/config", std::nullopt)).ok());
  EXPECT_EQ(client.rules_of("/config"), "31:world:anyone ");
}

TEST_F(ZooKeeperLogin, AWrongPasswordEndsTheSession) {
  Coordinator coordinator(directory_ / "data", "user_kafka=\"ks\"", "");
  write_jaas(std::string("Client { ") + kModule + "username=kafka password=wrong; };");
  Client client(coordinator.port(), session(""));
  EXPECT_FALSE(client.connected());
  EXPECT_TRUE(client.auth_failed());
  EXPECT_THROW(client.make_chroot("/root"), zk::client::AuthFailed);
}

TEST_F(ZooKeeperLogin, AServerWithoutALoginIsAFailureToo) {
  Coordinator coordinator(directory_ / "data", "", "");
  write_jaas(std::string("Client { ") + kModule + "username=kafka password=ks; };");
  Client client(coordinator.port(), session(""));
  EXPECT_FALSE(client.connected());
  EXPECT_TRUE(client.auth_failed());
}

// Kafka's KafkaConfig.zkTlsClientAuthEnabled takes both from server.properties or from the system properties.
TEST_F(ZooKeeperLogin, ACertificateByConfigOrBySystemPropertiesOwnsZnodes) {
  EXPECT_EQ(error_of("zookeeper.set.acl=true\nzookeeper.ssl.client.enable=true\nzookeeper.ssl.keystore.location=/k\n"), "none");
  options_.add("-Dzookeeper.client.secure=true");
  EXPECT_THAT(error_of("zookeeper.set.acl=true\n"), HasSubstr("neither"));
  EXPECT_EQ(error_of("zookeeper.set.acl=true\nzookeeper.ssl.keystore.location=/k\n"), "none");
  options_.add("-Dzookeeper.ssl.keyStore.location=/k");
  EXPECT_EQ(error_of("zookeeper.set.acl=true\n"), "none");
  EXPECT_THAT(error_of("zookeeper.set.acl=true\nzookeeper.ssl.client.enable=false\n"), HasSubstr("neither"));
}

TEST_F(ZooKeeperLogin, FilesThatCannotBeUsed) {
  EXPECT_EQ(error_of(""), "none");
  EXPECT_THAT(error_of("zookeeper.set.acl=true\n"), HasSubstr("zookeeper.set.acl is true, but there is neither"));
  write_jaas("KafkaServer { a.B required; };");
  EXPECT_EQ(session("").login, nullptr);
  EXPECT_THAT(error_of("zookeeper.set.acl=true\n"), HasSubstr("neither"));
  options_.add("-Dzookeeper.sasl.clientconfig=Mine");
  EXPECT_THAT(error_of(""), HasSubstr("zookeeper.sasl.clientconfig=Mine names no section"));
  write_jaas("Client { a.B required; };");
  EXPECT_THAT(error_of(""), HasSubstr("the login module a.B is not supported"));
  write_jaas(std::string("Client { ") + kModule + "username=a password=b; };");
  options_.add("-Dzookeeper.sasl.client=false");
  EXPECT_THAT(error_of(""), HasSubstr("disables SASL"));
  write_jaas("Client {\n a.B password=\"hunter2\"; };");
  EXPECT_THAT(error_of(""), HasSubstr("jaas.conf:2: "));
  EXPECT_EQ(error_of("").find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace broker::app
