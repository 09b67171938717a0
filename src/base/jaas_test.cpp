#include "base/jaas.h"

#include <gtest/gtest.h>

#include "base/java_options.h"

namespace base {
namespace {

constexpr std::string_view kFile = R"(
// The coordinator.
Server {
  org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="adminsecret"
    user_kafka="kafka-\"secret\"\\1"; /* two
    lines */
};
Client {
  org.apache.zookeeper.server.auth.DigestLoginModule REQUIRED username=kafka password="x;y=z";
  com.sun.security.auth.module.Krb5LoginModule optional useKeyTab=true keyTab="${home}/kafka.keytab";
};
"other name" { a.B sufficient; };
)";

std::optional<std::string> home(const std::string& name) {
  return name == "home" ? std::optional<std::string>("/etc/k") : std::nullopt;
}

// The text and line of the complaint.
std::string error_of(std::string_view text) {
  try {
    Jaas::parse(text);
  } catch (const JaasError& error) {
    return std::to_string(error.line()) + ": " + error.what();
  }
  return "none";
}

TEST(Jaas, SectionsModulesOptions) {
  Jaas jaas = Jaas::parse(kFile, home);
  ASSERT_NE(jaas.find("Server"), nullptr);
  const JaasModule& server = jaas.find("Server")->front();
  EXPECT_TRUE(server.is_class("DigestLoginModule"));
  EXPECT_EQ(server.line, 4);
  EXPECT_EQ(server.option("user_super"), "adminsecret");
  EXPECT_EQ(server.option("user_kafka"), "kafka-\"secret\"\\1");
  EXPECT_EQ(server.option("user_other"), std::nullopt);
  const std::vector<JaasModule>& client = *jaas.find("Client");
  ASSERT_EQ(client.size(), 2U);
  EXPECT_EQ(client[0].flag, "required");
  EXPECT_EQ(client[0].option("username"), "kafka");
  EXPECT_EQ(client[0].option("password"), "x;y=z");
  EXPECT_EQ(client[1].flag, "optional");
  EXPECT_TRUE(client[1].is_true("useKeyTab"));
  EXPECT_FALSE(client[1].is_true("storeKey"));
  EXPECT_EQ(client[1].option("keyTab"), "/etc/k/kafka.keytab");
  EXPECT_NE(jaas.find("other name"), nullptr);
  EXPECT_EQ(jaas.find("KafkaServer"), nullptr);
}

TEST(Jaas, AnEmptyFileHasNoSections) { EXPECT_TRUE(Jaas::parse(" // nothing\n").sections().empty()); }

TEST(Jaas, Escapes) {
  Jaas jaas = Jaas::parse("A { b.C required x=\"\\t\\101\\60\\n${/}\"; };");
  EXPECT_EQ(jaas.find("A")->front().option("x"), "\tA0\n/");
}

TEST(Jaas, MistakesNameTheLine) {
  EXPECT_EQ(error_of("Server {\n a.B required\n user_x=\"y\"\n};"),
            "4: here must be an option of the login module, or ';'");
  EXPECT_EQ(error_of("Server {\n a.B required;\n}"), "3: ';' is missing after the closing brace of section Server");
  EXPECT_EQ(error_of("Server {\n};"), "2: section Server names no login module");
  EXPECT_EQ(error_of("Server\n a.B required;"), "2: '{' is missing after the section's name Server");
  EXPECT_EQ(error_of("A { b.C required; };\nA { b.C required; };"), "2: section A is there twice");
  EXPECT_EQ(error_of("A { b.C required x=\"open\n; };"), "1: a quoted text has no end on its line");
  EXPECT_EQ(error_of("A { /* b.C"), "1: a comment that begins here has no end");
  EXPECT_EQ(error_of("A { b.C required x=; };"), "1: an option has no value");
  EXPECT_EQ(error_of("A { b.C required x=\"${gone}\"; };"),
            "1: an option's value names a property by ${…} that no -D option sets");
  EXPECT_EQ(error_of(std::string(Jaas::kFileBytesMax + 1, ' ')), "1: the file is larger than 1 MiB");
}

TEST(Jaas, NoMessageShowsASecret) {
  for (const char* text :
       {"A { b.C user_x=\"hunter2\"; };", "A { b.C required password=\"hunter2\" };",
        "A { b.C required password=\"hunter2\" \"hunter2\"; };", "A { b.C required = \"hunter2\"; };",
        "A { b.C required password=\"hunter2${x}\"; };", "A { b.C hunter2 x=y; };"}) {
    EXPECT_EQ(error_of(text).find("hunter2"), std::string::npos) << text;
    EXPECT_NE(error_of(text), "none") << text;
  }
}

TEST(JavaOptions, TheLaterWins) {
  JavaOptions options;
  options.add("  -Xmx1g -Da=1 -Dflag -Db=x=y\t-Da=2 -D -D=z a=9");
  options.add("-Dc=TRUE");
  EXPECT_EQ(options.get("a"), "2");
  EXPECT_EQ(options.get("b"), "x=y");
  EXPECT_EQ(options.get("flag"), "");
  EXPECT_EQ(options.get("d"), std::nullopt);
  EXPECT_TRUE(options.get_bool("c", false));
  EXPECT_FALSE(options.get_bool("a", true));
  EXPECT_TRUE(options.get_bool("d", true));
  EXPECT_EQ(options.entries().size(), 4U);
}

}  // namespace
}  // namespace base
