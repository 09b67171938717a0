#include "base/tls/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>

#include "base/testing/temp_dir.h"
#include "base/tls/testing/certificates.h"

namespace base::tls {
namespace {

using ::testing::HasSubstr;
using testing::Identity;
using testing::make_authority;
using testing::make_identity;

// An authority, a server's and a client's certificate from it, and a client of another authority.
class Tls : public ::testing::Test {
 protected:
  Tls() {
    testing::write_pem(directory_ / "server.pem", server_);
    testing::write_pem(directory_ / "client.pem", client_);
    testing::write_pem(directory_ / "stranger.pem", stranger_);
    testing::write_trust_pem(directory_ / "trust.pem", {&authority_});
    server_options_.key_store.path = directory_ / "server.pem";
    server_options_.trust_store.path = directory_ / "trust.pem";
    client_options_.key_store.path = directory_ / "client.pem";
    client_options_.trust_store.path = directory_ / "trust.pem";
  }

  struct Outcome {
    bool both = false;
    std::string server_failure;
    std::string client_failure;
    std::string subject;
  };

  // Bytes go to and fro until nothing moves.
  static void shuttle(Engine& client, Engine& server, Bytes& to_client, Bytes& to_server) {
    for (bool moved = true; moved;) {
      const Bytes up = client.take_output();
      if (!up.empty()) server.receive(up, to_server);
      const Bytes down = server.take_output();
      if (!down.empty()) client.receive(down, to_client);
      moved = !up.empty() || !down.empty();
    }
  }

  Outcome connect(const std::string& host = "localhost") {
    Engine server(std::make_shared<Context>(Context::Role::server, server_options_));
    Engine client(std::make_shared<Context>(Context::Role::client, client_options_), host);
    Bytes to_client, to_server;
    shuttle(client, server, to_client, to_server);
    Outcome outcome;
    if (client.established() && server.established() && client.failure().empty()) {
      const Bytes large(100'000, 7);
      EXPECT_TRUE(client.send(as_bytes("question")));
      EXPECT_TRUE(server.send(large));
      shuttle(client, server, to_client, to_server);
      outcome.both = as_text(to_server) == "question" && to_client == large;
    }
    outcome.server_failure = server.failure();
    outcome.client_failure = client.failure();
    outcome.subject = server.peer_subject();
    return outcome;
  }

  std::string refusal(Context::Role role, const Options& options) {
    try {
      Context context(role, options);
      return "accepted";
    } catch (const TlsError& error) {
      return error.what();
    }
  }

  base::testing::TempDir directory_;
  Identity authority_ = make_authority("authority");
  Identity other_authority_ = make_authority("other");
  Identity server_ = make_identity({{"CN", "server"}}, &authority_, false, "DNS:localhost,IP:127.0.0.1");
  Identity client_ = make_identity({{"O", "Org"}, {"CN", "client"}}, &authority_, false);
  Identity stranger_ = make_identity({{"CN", "client"}}, &other_authority_, false);
  Options server_options_;
  Options client_options_;
};

TEST_F(Tls, BothSidesKnowEachOther) {
  for (const char* protocol : {"TLSv1.2", "TLSv1.3"}) {
    client_options_.protocols = {protocol};
    const Outcome outcome = connect();
    EXPECT_TRUE(outcome.both) << protocol << outcome.client_failure << outcome.server_failure;
    EXPECT_EQ(outcome.subject, "CN=client,O=Org");
  }
}

TEST_F(Tls, TheHostMustBeTheCertificates) {
  EXPECT_TRUE(connect("127.0.0.1").both);
  EXPECT_THAT(connect("elsewhere").client_failure, HasSubstr("certificate verify failed: hostname mismatch"));
  EXPECT_THAT(connect("127.0.0.2").client_failure, HasSubstr("IP address mismatch"));
  client_options_.verify_host = false;
  EXPECT_TRUE(connect("elsewhere").both);
}

TEST_F(Tls, AClientWithoutACertificate) {
  client_options_.key_store.path.clear();
  EXPECT_THAT(connect().server_failure, HasSubstr("peer did not return a certificate"));
  server_options_.client_auth = ClientAuth::want;
  EXPECT_TRUE(connect().both);
  EXPECT_EQ(connect().subject, "");
  server_options_.client_auth = ClientAuth::none;
  EXPECT_TRUE(connect().both);
}

TEST_F(Tls, ACertificateOfAnotherAuthority) {
  client_options_.key_store.path = directory_ / "stranger.pem";
  for (ClientAuth wish : {ClientAuth::need, ClientAuth::want}) {
    server_options_.client_auth = wish;
    const Outcome outcome = connect();
    EXPECT_FALSE(outcome.both);
    EXPECT_THAT(outcome.server_failure, HasSubstr("certificate verify failed"));
    EXPECT_THAT(outcome.client_failure, HasSubstr("alert unknown ca"));
  }
  testing::write_trust_pem(directory_ / "both.pem", {&authority_, &other_authority_});
  server_options_.trust_store.path = directory_ / "both.pem";
  EXPECT_TRUE(connect().both);
}

// What it takes for a certificate to pass is RevocationTest's.
TEST_F(Tls, ACertificateOfUnknownRevocation) {
  for (const Revocation kind : {Revocation::lists, Revocation::ocsp}) {
    server_options_.revocation = kind;
    const Outcome outcome = connect();
    EXPECT_FALSE(outcome.both);
    EXPECT_THAT(outcome.server_failure, HasSubstr("certificate verify failed: unable to get certificate CRL"));
  }
  server_options_.client_auth = ClientAuth::want;
  EXPECT_FALSE(connect().both);
  client_options_.key_store.path.clear();
  EXPECT_TRUE(connect().both);
}

TEST_F(Tls, ACertificateOutOfItsTime) {
  testing::write_pem(directory_ / "old.pem", make_identity({{"CN", "c"}}, &authority_, false, "", -7200, -3600));
  client_options_.key_store.path = directory_ / "old.pem";
  EXPECT_THAT(connect().server_failure, HasSubstr("certificate has expired"));
}

TEST_F(Tls, IssuersInBetweenAreSent) {
  const Identity between = make_authority("between", &authority_);
  const Identity below = make_identity({{"CN", "deep"}}, &between, false);
  testing::write_pem(directory_ / "deep.pem", below);
  client_options_.key_store.path = directory_ / "deep.pem";
  EXPECT_EQ(connect().subject, "CN=deep");
  // As in Java, one in between may be what is trusted.
  testing::write_trust_pem(directory_ / "between.pem", {&between});
  server_options_.trust_store.path = directory_ / "between.pem";
  EXPECT_TRUE(connect().both);
}

TEST_F(Tls, StoresInPkcs12) {
  testing::write_pkcs12(directory_ / "client.p12", "secret", &client_, {&authority_});
  testing::write_pkcs12(directory_ / "trust.p12", "other", &authority_);
  client_options_.key_store = {directory_ / "client.p12", "secret"};
  client_options_.trust_store = {directory_ / "trust.p12", "other"};
  EXPECT_TRUE(connect().both);
  client_options_.key_store.password = "wrong-one";
  const std::string reason = refusal(Context::Role::client, client_options_);
  EXPECT_THAT(reason, HasSubstr("client.p12"));
  EXPECT_THAT(reason, HasSubstr("password"));
  EXPECT_THAT(reason, ::testing::Not(HasSubstr("wrong-one")));
}

// What is above a key in a trust store is there for others to see, not to be trusted.
TEST_F(Tls, IssuersOfAKeyInATrustStoreAreNotTrusted) {
  testing::write_pkcs12(directory_ / "trust.p12", "other", &server_, {&authority_});
  client_options_.trust_store = {directory_ / "trust.p12", "other"};
  EXPECT_TRUE(connect().both);  // this very certificate
  server_options_.trust_store = {directory_ / "trust.p12", "other"};
  EXPECT_THAT(connect().server_failure, HasSubstr("certificate verify failed"));
}

TEST_F(Tls, StoresInPkcs12AsOldJavaEncryptsThem) {
  testing::write_pkcs12(directory_ / "client.p12", "secret", &client_, {&authority_},
                        NID_pbe_WithSHA1And3_Key_TripleDES_CBC);
  client_options_.key_store = {directory_ / "client.p12", "secret"};
  EXPECT_TRUE(connect().both);
}

TEST_F(Tls, EncryptedPemKeys) {
  testing::write_pem(directory_ / "locked.pem", client_, "secret");
  client_options_.key_store = {directory_ / "locked.pem", "secret"};
  EXPECT_TRUE(connect().both);
  client_options_.key_store.password = "wrong-one";
  EXPECT_THAT(refusal(Context::Role::client, client_options_), HasSubstr("is its password right?"));
}

TEST_F(Tls, StoresThatAreRefused) {
  auto refused = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    Options options = server_options_;
    options.key_store.path = directory_ / name;
    return refusal(Context::Role::server, options);
  };
  EXPECT_THAT(refused("cut.jks", std::string("\xfe\xed\xfe\xed\x00\x00\x00\x02", 8)), HasSubstr("cut.jks: it is no whole JKS store"));
  EXPECT_THAT(refused("old.jceks", std::string("\xce\xce\xce\xce\x00\x00\x00\x02", 8)),
              HasSubstr("old.jceks is a JCEKS store, which only Java reads. Convert it: keytool -importkeystore"));
  EXPECT_THAT(refused("garbage", "garbage"), HasSubstr("neither PEM nor PKCS12 nor JKS"));
  EXPECT_THAT(refused("empty", ""), HasSubstr("neither PEM nor PKCS12 nor JKS"));
  Options options = server_options_;
  options.key_store.path = directory_ / "trust.pem";
  EXPECT_THAT(refusal(Context::Role::server, options), HasSubstr("holds no private key"));
  options.key_store.path = directory_ / "none";
  EXPECT_THAT(refusal(Context::Role::server, options), HasSubstr("No such file"));
  options.key_store.path.clear();
  EXPECT_THAT(refusal(Context::Role::server, options), HasSubstr("needs a key store"));
}

TEST_F(Tls, ProtocolsAndCipherSuites) {
  server_options_.protocols = {"TLSv1.3"};
  client_options_.protocols = {"TLSv1.2"};
  EXPECT_FALSE(connect().both);
  server_options_.protocols = {"TLSv1.1", "TLSv1.2"};
  EXPECT_TRUE(connect().both);
  server_options_.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"};
  EXPECT_TRUE(connect().both);
  client_options_.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  EXPECT_FALSE(connect().both);
  server_options_.cipher_suites = {"TLS_NO_SUCH"};
  EXPECT_THAT(refusal(Context::Role::server, server_options_), HasSubstr("TLS_NO_SUCH is unknown"));
  server_options_.cipher_suites = {"TLS_AES_128_GCM_SHA256"};
  EXPECT_THAT(refusal(Context::Role::server, server_options_), HasSubstr("None of the TLS cipher suites"));
  server_options_.protocols = {"TLSv1"};
  EXPECT_THAT(refusal(Context::Role::server, server_options_), HasSubstr("No TLS protocol is left"));
  server_options_.protocols = {"TLSv9"};
  EXPECT_THAT(refusal(Context::Role::server, server_options_), HasSubstr("TLSv9 is unknown"));
}

TEST_F(Tls, WhatIsNoTls) {
  Engine server(std::make_shared<Context>(Context::Role::server, server_options_));
  Bytes plain;
  EXPECT_FALSE(server.receive(as_bytes("ruok"), plain) && server.receive(as_bytes("ruok"), plain));
  EXPECT_THAT(server.failure(), HasSubstr("wrong version number"));
  EXPECT_FALSE(server.receive(as_bytes("ruok"), plain));
  EXPECT_TRUE(plain.empty());
}

TEST_F(Tls, TheEndIsTold) {
  Engine server(std::make_shared<Context>(Context::Role::server, server_options_));
  Engine client(std::make_shared<Context>(Context::Role::client, client_options_), "localhost");
  Bytes to_client, to_server;
  shuttle(client, server, to_client, to_server);
  EXPECT_TRUE(server.send(as_bytes("last words")));
  server.close();
  EXPECT_FALSE(client.receive(server.take_output(), to_client));
  EXPECT_EQ(as_text(to_client), "last words");
  EXPECT_EQ(client.failure(), "");
  EXPECT_FALSE(client.receive(Bytes(), to_client));
  // Its own direction is still open.
  EXPECT_TRUE(client.send(as_bytes("answer")));
  EXPECT_TRUE(server.receive(client.take_output(), to_server));
  EXPECT_EQ(as_text(to_server), "answer");
}

// One byte at a time, as a slow or hostile peer sends it.
TEST_F(Tls, BytesOneByOne) {
  Engine server(std::make_shared<Context>(Context::Role::server, server_options_));
  Engine client(std::make_shared<Context>(Context::Role::client, client_options_), "localhost");
  Bytes to_client, to_server;
  for (int rounds = 0; rounds < 10 && !(server.established() && client.established()); ++rounds) {
    for (std::uint8_t byte : client.take_output()) EXPECT_TRUE(server.receive(ByteView(&byte, 1), to_server));
    for (std::uint8_t byte : server.take_output()) EXPECT_TRUE(client.receive(ByteView(&byte, 1), to_client));
  }
  EXPECT_TRUE(server.established() && client.established());
}

}  // namespace
}  // namespace base::tls
