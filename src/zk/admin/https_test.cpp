// TLS on the ports of the AdminServer and of the metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "base/http/http_server.h"
#include "base/testing/temp_dir.h"
#include "base/tls/testing/certificates.h"
#include "zk/admin/admin_server.h"
#include "zk/server/testing/raw_client.h"

namespace zk::admin {
namespace {

using base::tls::Context;
using base::tls::testing::make_authority;
using base::tls::testing::make_identity;
using ::testing::HasSubstr;
using ::testing::Not;
using server::testing::TestSocket;

constexpr const char* kProvider =
    "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n"
    "metricsProvider.httpHost=127.0.0.1\n";

// The server's end of the one connection to its port.
int served_socket(std::uint16_t port) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int each = std::stoi(entry.path().filename());
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(each, reinterpret_cast<sockaddr*>(&address), &size) != 0 || ntohs(address.sin_port) != port) continue;
    size = sizeof address;
    if (::getpeername(each, reinterpret_cast<sockaddr*>(&address), &size) == 0) return each;
  }
  return -1;
}

// Has nothing in it, but when it is read there is no room left in the socket for what comes behind it: TLS's last words.
class FileThatFillsItsSocket final : public base::File {
 public:
  explicit FileThatFillsItsSocket(std::future<std::uint16_t> port) : port_(std::move(port)) {}
  std::size_t read_at(std::uint64_t, base::MutableByteView) const override {
    const int socket = served_socket(port_.get());
    const base::Bytes bytes(1 << 16);
    // What is on its way to the peer may still make room.
    for (int still = 0; still < 20; ++still) {
      while (::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) still = 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    full.set_value();
    return 0;
  }
  void write_at(std::uint64_t, base::ByteView) override {}
  void truncate(std::uint64_t) override {}
  void allocate(std::uint64_t) override {}
  std::uint64_t size() const override { return 1; }
  void sync() override {}

  mutable std::promise<void> full;

 private:
  mutable std::future<std::uint16_t> port_;
};

class HttpsTest : public ::testing::Test {
 protected:
  HttpsTest() {
    using namespace base::tls::testing;
    write_pem(directory_ / "server.pem", make_identity({{"CN", "server"}}, &authority_, false, "DNS:localhost"));
    write_pem(directory_ / "client.pem", make_identity({{"CN", "client"}}, &authority_, false));
    write_pem(directory_ / "stranger.pem", make_identity({{"CN", "client"}}, &other_authority_, false));
    write_trust_pem(directory_ / "trust.pem", {&authority_});
  }
  ~HttpsTest() override { stop(); }

  void start(const std::string& lines) {
    stop();
    config_ = server::ZooKeeperServerConfig::from(
        base::Properties::parse("dataDir=" + (directory_ / "data") + "\nclientPort=0\nclientPortAddress=127.0.0.1\n" +
                                "admin.serverPort=0\n4lw.commands.whitelist=*\n" + lines));
    server_ = std::make_unique<server::Server>(config_);
    admin_ = std::make_unique<AdminServer>(config_, *server_);
    server_->start();
    admin_->start();
  }
  void stop() {
    if (admin_) admin_->stop();
    if (server_) server_->stop();
    admin_.reset();
    server_.reset();
  }
  std::string stores(const std::string& prefix) const {
    return prefix + "keyStore.location=" + (directory_ / "server.pem") + "\n" + prefix +
           "trustStore.location=" + (directory_ / "trust.pem") + "\n";
  }
  std::shared_ptr<const Context> as(const std::string& name = "") const {
    base::tls::Options options;
    if (!name.empty()) options.key_store.path = directory_ / (name + ".pem");
    options.trust_store.path = directory_ / "trust.pem";
    return std::make_shared<Context>(Context::Role::client, options);
  }
  // Empty if there is no answer.
  static std::string ask(std::uint16_t port, const std::string& target, std::shared_ptr<const Context> tls,
                         const std::string& headers = "") {
    TestSocket socket(port, std::move(tls));
    if (!socket.handshake()) return "";
    socket.send_text("GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
    return socket.read_all();
  }
  std::string refusal(const std::string& lines) {
    try {
      start(lines);
      return "accepted";
    } catch (const server::StartError& error) {
      return std::to_string(static_cast<int>(error.code())) + " " + error.what();
    }
  }

  base::testing::TempDir directory_;
  base::tls::testing::Identity authority_ = make_authority("authority");
  base::tls::testing::Identity other_authority_ = make_authority("other");
  server::ZooKeeperServerConfig config_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<AdminServer> admin_;
};

TEST_F(HttpsTest, TlsAlone) {
  start("admin.forceHttps=true\n" + stores("ssl.quorum."));
  const std::string answer = ask(admin_->admin_port(), "/commands/ruok", as());
  EXPECT_THAT(answer, HasSubstr("\"command\" : \"ruok\""));
  EXPECT_THAT(answer, HasSubstr("Strict-Transport-Security: max-age=86400; includeSubDomains\r\n"));
  EXPECT_EQ(ask(admin_->admin_port(), "/commands/ruok", nullptr), "");
  // A large answer, and two requests on one connection.
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/mntr", as("client")), HasSubstr("restore_time"));
  TestSocket socket(admin_->admin_port(), as());
  ASSERT_TRUE(socket.handshake());
  socket.send_text("GET /commands/ruok HTTP/1.1\r\nHost: a\r\n\r\nGET /commands/isro HTTP/1.1\r\nHost: a\r\n"
                   "Connection: close\r\n\r\n");
  EXPECT_THAT(socket.read_all(), HasSubstr("\"read_only\" : false"));
}

TEST_F(HttpsTest, WhoReadsNoAnswerHoldsUpNobody) {
  base::http::HttpServerOptions options;
  options.name = "test";
  options.address = "127.0.0.1";
  options.plain_too = true;
  base::tls::Options tls;
  tls.key_store.path = directory_ / "server.pem";
  tls.client_auth = base::tls::ClientAuth::none;
  options.tls = std::make_shared<Context>(Context::Role::server, tls);
  std::promise<std::uint16_t> port;
  const auto filling = std::make_shared<FileThatFillsItsSocket>(port.get_future());
  base::http::HttpServer server(options, [&](const base::http::HttpRequest& request, base::http::HttpRespond respond) {
    respond([fills = request.target == "/fill", &filling] {
      base::http::HttpResponse response;
      if (fills) response.file = filling;
      return response;
    });
  });
  server.start();
  port.set_value(server.port());
  TestSocket deaf(server.port(), as());
  ASSERT_TRUE(deaf.handshake());
  deaf.send_text("GET /fill HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  filling->full.get_future().wait();
  EXPECT_THAT(ask(server.port(), "/", nullptr), HasSubstr("200 OK"));
  server.stop();
}

TEST_F(HttpsTest, OnePortForBoth) {
  start("admin.portUnification=true\n" + stores("ssl.quorum."));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/ruok", as()), HasSubstr("\"command\" : \"ruok\""));
  const std::string plain = ask(admin_->admin_port(), "/commands/mntr", nullptr);
  EXPECT_THAT(plain, HasSubstr("\"insecure_admin_count\" : 1"));
  EXPECT_THAT(plain, Not(HasSubstr("Strict-Transport-Security")));
}

TEST_F(HttpsTest, CertificatesOfClients) {
  start("admin.forceHttps=true\nadmin.needClientAuth=true\n" + stores("ssl.quorum.") +
        "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider\n");
  EXPECT_EQ(ask(admin_->admin_port(), "/commands/ruok", as()), "");
  EXPECT_EQ(ask(admin_->admin_port(), "/commands/ruok", as("stranger")), "");
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/ruok", as("client")), HasSubstr("\"command\" : \"ruok\""));
  const std::string taken = ask(admin_->admin_port(), "/commands/snapshot", as("client"), "Authorization: x509\r\n");
  EXPECT_THAT(taken, HasSubstr("ZKSN"));
}

TEST_F(HttpsTest, StoresThatAreMissingOrWrong) {
  EXPECT_THAT(refusal("admin.forceHttps=true\n"), HasSubstr("4 Unable to start AdminServer"));
  EXPECT_THAT(refusal("admin.portUnification=true\n"), HasSubstr("ssl.quorum.keyStore.location"));
  EXPECT_THAT(refusal("admin.forceHttps=true\nssl.quorum.keyStore.location=/none.pem\n"), HasSubstr("/none.pem"));
  const std::string key = "ssl.quorum.keyStore.location=" + (directory_ / "server.pem") + "\n";
  EXPECT_THAT(refusal("admin.forceHttps=true\nadmin.needClientAuth=true\n" + key),
              HasSubstr("ssl.quorum.trustStore.location"));
  EXPECT_THAT(refusal(std::string(kProvider) + "metricsProvider.httpsPort=0\n"),
              HasSubstr("metricsProvider.ssl.keyStore.location is missing"));
}

TEST_F(HttpsTest, MetricsOverTls) {
  start(std::string(kProvider) + "metricsProvider.httpsPort=0\n" + stores("metricsProvider.ssl."));
  EXPECT_EQ(admin_->metrics_port(), 0);  // no plain port unless it is asked for
  EXPECT_EQ(ask(admin_->secure_metrics_port(), "/metrics", as()), "");
  EXPECT_THAT(ask(admin_->secure_metrics_port(), "/metrics", as("client")), HasSubstr("# TYPE znode_count gauge\n"));
  EXPECT_EQ(ask(admin_->secure_metrics_port(), "/metrics", nullptr), "");

  start(std::string(kProvider) + "metricsProvider.httpPort=0\nmetricsProvider.httpsPort=0\n" +
        "metricsProvider.ssl.need.client.auth=false\n" + stores("metricsProvider.ssl."));
  EXPECT_THAT(ask(admin_->secure_metrics_port(), "/metrics", as()), HasSubstr("znode_count"));
  EXPECT_THAT(ask(admin_->secure_metrics_port(), "/metrics", nullptr), HasSubstr("znode_count"));
}

TEST_F(HttpsTest, StopAmidAHandshake) {
  start("admin.forceHttps=true\n" + stores("ssl.quorum."));
  TestSocket half(admin_->admin_port());
  const base::Bytes hello = base::tls::Engine(as(), "localhost").take_output();
  half.send_raw(base::ByteView(hello).first(hello.size() / 2));
  TestSocket silent(admin_->admin_port());
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/ruok", as()), HasSubstr("ruok"));
  stop();
  EXPECT_EQ(half.read_all(), "");
}

}  // namespace
}  // namespace zk::admin
