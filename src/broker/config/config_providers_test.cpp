#include "broker/config/config_providers.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/testing/temp_dir.h"
#include "broker/config/config_value.h"

namespace broker::config {
namespace {

class ConfigProvidersTest : public ::testing::Test {
 protected:
  ConfigProvidersTest() {
    file.set("config.providers", "file, dir,env,unused");
    file.set("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider");
    file.set("config.providers.dir.class", "org.apache.kafka.common.config.provider.DirectoryConfigProvider");
    file.set("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider");
    write("secrets", "ks=p\xc3\xa4ss \xf0\x9f\x94\x91\nport = 9093\nnested=${env:MILENA_TEST_RACK}\nempty=\n");
    std::filesystem::create_directory(directory / "all");
    write("all/one", "1\n2");
    setenv("MILENA_TEST_RACK", "r1", 1);
  }
  ~ConfigProvidersTest() override { unsetenv("MILENA_TEST_RACK"); }

  void write(const std::string& name, const std::string& content) { std::ofstream(directory / name, std::ios::binary) << content; }
  std::string path(const std::string& name) { return directory / name; }
  std::string resolved(const std::string& value) {
    file.set("key", value, 7);
    resolve_variables(file);
    EXPECT_EQ(file.find("key")->line, 7);
    return *file.get("key");
  }
  std::string error_of(const std::string& value) {
    try {
      return "ok: " + resolved(value);
    } catch (const ConfigError& error) {
      return error.key() + ": " + error.what();
    }
  }

  const base::testing::TempDir directory;
  base::Properties file;
};

TEST_F(ConfigProvidersTest, Values) {
  const std::string secrets = path("secrets");
  EXPECT_EQ(resolved("${file:" + secrets + ":ks}"), "p\xc3\xa4ss \xf0\x9f\x94\x91");
  EXPECT_EQ(resolved("PLAINTEXT://${env:MILENA_TEST_RACK}:${file:" + secrets + ":port}/"), "PLAINTEXT://r1:9093/");
  EXPECT_EQ(resolved("${file:" + secrets + ":nested}"), "${env:MILENA_TEST_RACK}") << "once is enough";
  EXPECT_EQ(resolved("<${file:" + secrets + ":empty}>"), "<>");
  EXPECT_EQ(resolved("${dir:" + path("all") + ":one}"), "1\n2");
}

// By FileConfigProvider and ConfigTransformer of Kafka 3.9.2.
TEST_F(ConfigProvidersTest, WhatIsNotKnownStays) {
  const std::string secrets = path("secrets");
  for (const std::string& text :
       {"${file:" + secrets + ":other}", std::string("${other:a:b}"), std::string("${file::port}"), std::string("${env:MILENA_TEST_NONE}"),
        std::string("${unused:a}"), std::string("${nothing}"), std::string("${env:MILENA_TEST_RACK"), std::string("$${}"),
        "${dir:" + path("all") + ":two}", "${dir:" + path("none") + ":one}", "${dir:" + path("all") + ":../secrets}"}) {
    EXPECT_EQ(resolved(text), text);
  }
  EXPECT_EQ(resolved("${nothing}${env:MILENA_TEST_RACK}${"), "${nothing}r1${");
  EXPECT_EQ(resolved("${a${env:MILENA_TEST_RACK}"), "${a${env:MILENA_TEST_RACK}") << "the name of the provider is a${env";
}

TEST_F(ConfigProvidersTest, WithoutProvidersAllStays) {
  file.set("config.providers", "");
  EXPECT_EQ(resolved("${env:MILENA_TEST_RACK}"), "${env:MILENA_TEST_RACK}");
}

TEST_F(ConfigProvidersTest, WhatIsAllowed) {
  write("beside", "a=b");
  file.set("config.providers.file.param.allowed.paths", path("all/") + "," + path("secrets"));
  file.set("config.providers.env.param.allowlist.pattern", "MILENA_.*_RACK");
  EXPECT_EQ(resolved("${file:" + path("secrets") + ":port}"), "9093");
  EXPECT_EQ(resolved("${file:" + path("all/../secrets") + ":port}"), "9093");
  EXPECT_EQ(resolved("${file:" + path("beside") + ":a}"), "${file:" + path("beside") + ":a}");
  EXPECT_EQ(resolved("${file:" + path("all/../beside") + ":a}"), "${file:" + path("all/../beside") + ":a}");
  write("all/inside", "a=c");
  EXPECT_EQ(resolved("${file:" + path("all/inside") + ":a}"), "c");
  EXPECT_EQ(resolved("${env:MILENA_TEST_RACK}"), "r1");
  EXPECT_EQ(resolved("${env:HOME}"), "${env:HOME}");
}

TEST_F(ConfigProvidersTest, Complaints) {
  EXPECT_EQ(error_of("${file:/none/at/all:x}"), "key: Could not read properties from file /none/at/all: No such file or directory");
  EXPECT_EQ(error_of("${env:a:b}"), "key: Path is not supported for EnvVarConfigProvider, invalid value 'a'");
  file.set("config.providers.file.param.allowed.paths", "all");
  EXPECT_EQ(error_of(""), "config.providers.file.class: Path all is not absolute");
  file.set("config.providers.file.param.allowed.paths", "/none/at/all");
  EXPECT_EQ(error_of(""), "config.providers.file.class: Path /none/at/all does not exist");
  file.set("config.providers.file.class", "com.example.Vault");
  EXPECT_EQ(error_of(""),
            "config.providers.file.class: com.example.Vault is a Java class. Built in are FileConfigProvider, DirectoryConfigProvider and "
            "EnvVarConfigProvider of org.apache.kafka.common.config.provider");
}

TEST_F(ConfigProvidersTest, TheirKeys) {
  for (const char* key : {"config.providers", "config.providers.a.class", "config.providers.a.param.b"}) {
    EXPECT_TRUE(belongs_to_config_providers(key));
  }
  EXPECT_FALSE(belongs_to_config_providers("config.providersx"));
}

}  // namespace
}  // namespace broker::config
