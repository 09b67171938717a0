#include "base/tls/java_key_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/file_system.h"
#include "base/testing/temp_dir.h"
#include "base/tls/engine.h"

namespace base::tls {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Stores that keytool of JDK 17 wrote. The key of java-key.jks has a certificate from the authority that java-trust.jks trusts.
const std::string kFolder = MILENA_SOURCE_DIR "/src/base/tls/testdata/";
const std::string kPassword = "P\xc3\xa4ssw\xc3\xb6rt-secret";

Bytes file(const std::string& name) { return read_file(real_file_system(), kFolder + name); }

std::string refusal(const std::function<void()>& work) {
  try {
    work();
    return "accepted";
  } catch (const TlsError& error) {
    return error.what();
  }
}

TEST(JavaKeyStore, EntriesAsKeytoolWroteThem) {
  JavaKeyStore store = parse_java_key_store(file("java-key.jks"));
  ASSERT_EQ(store.entries.size(), 2u);
  if (store.entries[0].sealed_key.empty()) std::swap(store.entries[0], store.entries[1]);
  EXPECT_EQ(store.entries[0].alias, "server");
  EXPECT_EQ(store.entries[0].certificates.size(), 2u);
  EXPECT_EQ(store.entries[1].alias, "authority");
  EXPECT_TRUE(store.entries[1].sealed_key.empty());
  EXPECT_EQ(store.entries[1].certificates.at(0), store.entries[0].certificates.at(1));
  store = parse_java_key_store(file("java-trust.jks"));
  ASSERT_EQ(store.entries.size(), 1u);
  // Lower case as keytool makes it; beyond U+FFFF two surrogates of three bytes each.
  EXPECT_EQ(store.entries[0].alias, "\xc3\xbcn\xc3\xaf" "code \xed\xa0\xb4\xed\xb4\x9e");
}

TEST(JavaKeyStore, PasswordsOfStoresAndKeys) {
  EXPECT_TRUE(has_java_password(file("java-key.jks"), kPassword));
  EXPECT_FALSE(has_java_password(file("java-key.jks"), "Passwort-secret"));
  EXPECT_TRUE(has_java_password(file("java-trust.jks"), "secret"));
  EXPECT_FALSE(has_java_password(file("java-trust.jks"), ""));
  EXPECT_FALSE(has_java_password({}, ""));
  // What isn't UTF-8 is Latin-1.
  EXPECT_TRUE(has_java_password(file("java-key.jks"), "P\xe4ssw\xf6rt-secret"));
  const Bytes sealed = parse_java_key_store(file("java-key-password.jks")).entries.at(0).sealed_key;
  EXPECT_FALSE(open_java_key(sealed, "another").empty());
  EXPECT_THAT(refusal([&] { open_java_key(sealed, "secret"); }), HasSubstr("another password than the store"));
}

TEST(JavaKeyStore, BothSidesOfAConnection) {
  Options options;
  options.key_store = {kFolder + "java-key.jks", kPassword};
  options.trust_store = {kFolder + "java-trust.jks", "secret"};
  Engine server(std::make_shared<Context>(Context::Role::server, options));
  Engine client(std::make_shared<Context>(Context::Role::client, options), "localhost");
  Bytes to_client, to_server;
  for (bool moved = true; moved;) {
    const Bytes up = client.take_output();
    if (!up.empty()) server.receive(up, to_server);
    const Bytes down = server.take_output();
    if (!down.empty()) client.receive(down, to_client);
    moved = !up.empty() || !down.empty();
  }
  EXPECT_TRUE(server.established());
  EXPECT_TRUE(client.established());
  EXPECT_EQ(server.failure() + client.failure(), "");
  EXPECT_EQ(server.peer_subject(), "CN=java server,O=Org");
}

TEST(JavaKeyStore, RefusalsNameTheFileAndNoPassword) {
  const auto refused = [](const std::string& name, const std::string& password) {
    return refusal([&] { load_key_store({kFolder + name, password}); });
  };
  EXPECT_THAT(refused("java-key.jks", "not-it"), HasSubstr("java-key.jks"));
  EXPECT_THAT(refused("java-key.jks", "not-it"), HasSubstr("password"));
  EXPECT_THAT(refused("java-key.jks", "not-it"), Not(HasSubstr("not-it")));
  EXPECT_THAT(refused("java-trust.jks", "secret"), HasSubstr("holds no private key"));
  EXPECT_THAT(refused("java-key-password.jks", "secret"), HasSubstr("another password than the store"));
}

TEST(JavaKeyStore, EveryCutAndEveryOtherByteIsNoticed) {
  const Bytes whole = file("java-key-password.jks");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const ByteView cut = ByteView(whole).first(size);
    EXPECT_FALSE(has_java_password(cut, "secret")) << size;
    EXPECT_NE(refusal([&] { parse_java_key_store(cut); }), "accepted") << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes other = whole;
    other[at] ^= 1;
    EXPECT_FALSE(has_java_password(other, "secret")) << at;
    refusal([&] { parse_java_key_store(other); });  // one of both, and nothing worse
  }
  const Bytes sealed = parse_java_key_store(whole).entries.at(0).sealed_key;
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes other = sealed;
    other[at] ^= 1;
    EXPECT_NE(refusal([&] { open_java_key(other, "another"); }), "accepted") << at;
  }
}

}  // namespace
}  // namespace base::tls
