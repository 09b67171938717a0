#include "zk/server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zk/server/config_values.h"

namespace zk::server {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ZooKeeperServerConfig parse(const std::string& text) {
  return ZooKeeperServerConfig::from(base::Properties::parse(text));
}

std::string refusal(const std::string& text) {
  try {
    parse(text);
    return "accepted";
  } catch (const ConfigError& error) {
    return std::to_string(error.line()) + ": " + error.what();
  }
}

TEST(ZooKeeperServerConfig, DefaultsFollowTheTick) {
  auto config = parse("dataDir=/d\ntickTime=2000\n");
  EXPECT_EQ(config.data_log_dir, "/d");
  EXPECT_EQ(config.session_timeout_min_ms, 4000);
  EXPECT_EQ(config.session_timeout_max_ms, 40000);
  EXPECT_EQ(config.connections_per_address_max, 60u);
  EXPECT_TRUE(config.commands.contains("srvr"));
}

TEST(ZooKeeperServerConfig, KafkasOwnFileIsAccepted) {
  auto config = parse("dataDir=/tmp/zookeeper\nclientPort=2181\nmaxClientCnxns=0\nadmin.enableServer=false\n");
  EXPECT_EQ(config.connections_per_address_max, 0u);
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ZooKeeperServerConfig, SystemPropertiesCountUnderTheirNames) {
  EXPECT_EQ(parse("dataDir=/d\npreAllocSize=64\n").preallocate_bytes, 65536u);
}

// ZooKeeper 3.9.4 makes the property zookeeper.zookeeper.skipACL of it, which nobody reads.
TEST(ZooKeeperServerConfig, KeysWithThePrefixOfSystemPropertiesHaveNoEffect) {
  auto config = parse("dataDir=/d\nzookeeper.skipACL=yes\nzookeeper.snapCount=7\nzookeeper.ssl.keyStore.password=secret\n"
                      "zookeeper.tickTime=5\nzookeeper.admin.enableServer=false\nzookeeper.authProvider.1=a.B\n");
  EXPECT_FALSE(config.skip_acl);
  EXPECT_EQ(config.snapshot_every, 100'000u);
  EXPECT_EQ(config.tls.options.key_store.password, "");
  EXPECT_EQ(config.tick_ms, 3000);
  EXPECT_TRUE(config.admin);
  EXPECT_EQ(config.warnings.size(), 6u);
  EXPECT_THAT(config.warnings, Contains("zookeeper.skipACL has no effect, here as in ZooKeeper: in this file it is written "
                                        "without zookeeper."));
  EXPECT_EQ(config.system_properties.at("zookeeper.zookeeper.skipACL"), "yes");
  EXPECT_EQ(config.system_properties.at("zookeeper.zookeeper.ssl.keyStore.password"), "******");
  EXPECT_TRUE(parse("dataDir=/d\nskipACL=yes\n").skip_acl);
}

TEST(ZooKeeperServerConfig, OptionsCountUnderTheNamesOfZooKeepersPropertiesAlone) {
  base::JavaOptions options;
  options.add("-DskipACL=yes -DsnapCount=7 -Dzookeeper.tickTime=5 -Dzookeeper.clientPort=99 -Dzookeeper.jute.maxbuffer=2000 "
              "-Dzookeeper.znode.container.maxPerMinute=3 -Dfsync.warningthresholdms=8 -Dreadonlymode.enabled=true");
  base::Properties file = base::Properties::parse("dataDir=/d\n");
  add_java_options(file, options);
  auto config = ZooKeeperServerConfig::from(file);
  EXPECT_FALSE(config.skip_acl);
  EXPECT_EQ(config.snapshot_every, 100'000u);
  EXPECT_EQ(config.tick_ms, 3000);
  EXPECT_FALSE(config.serves_client_port);
  EXPECT_EQ(config.frame_bytes_max, 0xfffffu);
  EXPECT_EQ(config.containers_per_minute_max, 10'000);
  EXPECT_EQ(config.slow_sync_ms, 8);
  EXPECT_TRUE(config.commands.contains("isro"));
  base::JavaOptions effective;
  effective.add("-Dzookeeper.skipACL=yes -Dzookeeper.fsync.warningthresholdms=9 -Dzookeeper.admin.enableServer=false");
  file = base::Properties::parse("dataDir=/d\n");
  add_java_options(file, effective);
  config = ZooKeeperServerConfig::from(file);
  EXPECT_TRUE(config.skip_acl);
  EXPECT_EQ(config.slow_sync_ms, 9);
  EXPECT_FALSE(config.admin);
}

TEST(ZooKeeperServerConfig, ALimitOfTheLogsSizeMayBeNone) {
  EXPECT_EQ(parse("dataDir=/d\nsnapSizeLimitInKb=5\n").snapshot_every_bytes, 5120u);
  for (const char* none : {"-1", "0", "-5"}) {
    EXPECT_EQ(parse("dataDir=/d\nsnapSizeLimitInKb=" + std::string(none) + "\n").snapshot_every_bytes, UINT64_MAX) << none;
  }
}

TEST(ZooKeeperServerConfig, WithoutAPortNoneIsServed) {
  EXPECT_FALSE(parse("dataDir=/d\n").serves_client_port);
  EXPECT_TRUE(parse("dataDir=/d\nclientPort=0\n").serves_client_port);
}

TEST(ZooKeeperServerConfig, SystemPropertiesOfTheEnvironmentCountIfTheFileIsSilent) {
  base::JavaOptions options;
  options.add("-Dzookeeper.snapCount=11 -Dzookeeper.preAllocSize=128 -Djute.maxbuffer=4096 -Dzookeeper.sasl.client=x");
  base::Properties file = base::Properties::parse("dataDir=/d\nsnapCount=7\n");
  add_java_options(file, options);
  auto config = ZooKeeperServerConfig::from(file);
  EXPECT_EQ(config.snapshot_every, 7u);
  EXPECT_EQ(config.preallocate_bytes, 128u * 1024);
  EXPECT_EQ(config.frame_bytes_max, 4096u);
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ZooKeeperServerConfig, EveryKeyOfZooKeepersManualIsKnown) {
  auto config = parse(
      "clientPort=2181\nclientPortAddress=h\nclientPortListenBacklog=7\ndataDir=/d\ndataLogDir=/l\ntickTime=2000\n"
      "minSessionTimeout=-1\nmaxSessionTimeout=-1\nmaxClientCnxns=60\nmaxCnxns=5\ninitLimit=5\nsyncLimit=2\n"
      "connectToLearnerMasterLimit=0\npeerType=Observer\nelectionAlg=3\nlocalSessionsEnabled=false\n"
      "localSessionsUpgradingEnabled=false\nstandaloneEnabled=true\nreconfigEnabled=false\n"
      "autopurge.snapRetainCount=4\nautopurge.purgeInterval=1\nsyncEnabled=true\nquorumListenOnAllIPs=false\n"
      "sslQuorum=false\nportUnification=false\nsslQuorumReloadCertFiles=false\nmultiAddress.enabled=false\n"
      "metricsProvider.className=org.apache.zookeeper.metrics.impl.DefaultMetricsProvider\n"
      "metricsProvider.httpPort=7000\n4lw.commands.whitelist=mntr, ruok\nextendedTypesEnabled=true\nsnapCount=9\n"
      "snapSizeLimitInKb=5\npreAllocSize=65536\ntxnLogSizeLimitInKb=-1\nforceSync=no\n"
      "fsync.warningthresholdms=20\nglobalOutstandingLimit=1000\njute.maxbuffer=0xfffff\ndigest.enabled=true\n"
      "serializeLastProcessedZxid.enabled=false\ncloseSessionTxn.enabled=true\n"
      "znode.container.checkIntervalMs=60000\nznode.container.maxPerMinute=10\n"
      "znode.container.maxNeverUsedIntervalMs=5\nenforceQuota=true\nskipACL=no\n"
      "DigestAuthenticationProvider.superDigest=s:d\nadmin.enableServer=true\nadmin.serverPort=1\n"
      "admin.serverAddress=::\nadmin.commandURL=/c\nadmin.idleTimeout=3\nsnapshot.compression.method=gz\n"
      "snapshot.trust.empty=false\nmaxResponseCacheSize=400\nconnection_throttle_tokens=3\nreadonlymode.enabled="
      "true\n");
  EXPECT_THAT(config.warnings, ::testing::IsEmpty());
  EXPECT_EQ(config.snapshot_compression, SnapshotCompression::gzip);
  EXPECT_TRUE(config.enforce_quota);
  EXPECT_TRUE(config.extended_types);
  EXPECT_FALSE(config.force_sync);
  EXPECT_FALSE(config.snapshot_last_zxid);
  EXPECT_EQ(config.slow_sync_ms, 20);
  EXPECT_EQ(config.containers_per_minute_max, 10);
  EXPECT_EQ(config.container_never_used_ms, 5);
  EXPECT_EQ(config.connection_throttle.tokens, 3);
  EXPECT_EQ(config.commands, (std::set<std::string>{"isro", "mntr", "ruok", "srvr"}));
  ASSERT_TRUE(config.admin);
  EXPECT_EQ(config.admin->port, 1);
  EXPECT_EQ(config.admin->address, "::");
  EXPECT_EQ(config.admin->command_url, "/c");
  EXPECT_FALSE(config.prometheus);
}

TEST(ZooKeeperServerConfig, AdminServerIsOnBoundToLoopback) {
  auto config = parse("dataDir=/d\n");
  ASSERT_TRUE(config.admin);
  EXPECT_EQ(config.admin->address, "127.0.0.1");
  EXPECT_EQ(config.admin->port, 8080);
  EXPECT_FALSE(parse("dataDir=/d\nadmin.enableServer=false\nadmin.serverPort=1\n").admin);
}

TEST(ZooKeeperServerConfig, PrometheusIsAProviderByItsClass) {
  auto config = parse(
      "dataDir=/d\nmetricsProvider.httpPort=7001\nmetricsProvider.className="
      "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n");
  ASSERT_TRUE(config.prometheus);
  EXPECT_EQ(config.prometheus->port, 7001);
  EXPECT_THAT(refusal("dataDir=/d\nmetricsProvider.className=foo\n"), HasSubstr("PrometheusMetricsProvider"));
}

TEST(ZooKeeperServerConfig, SecretsAreLeftOutOfTheText) {
  EXPECT_EQ(without_secrets("dataDir=/d\nssl.keyStore.password=abc\nDigestAuthenticationProvider.superDigest=s:x\n#c"),
            "dataDir=/d\nssl.keyStore.password=******\nDigestAuthenticationProvider.superDigest=******\n#c");
  EXPECT_EQ(without_secrets("a.password x\n  b.passwd\t: y\r\nc.password=\\\n  z\\\n z\nd.password=1\\\\\ne=f\\\n a.password=g\n"),
            "a.password ******\n  b.passwd\t:******\r\nc.password=******\n******\n******\nd.password=******\ne=f\\\n a.password=g\n");
}

// Lines begin and end where those of Java's properties do, and keys are what they say.
TEST(ZooKeeperServerConfig, SecretsAreLeftOutWhereverTheirLinesBegin) {
  EXPECT_EQ(without_secrets("#x=/old \\\nssl.keyStore.password=abc\n"), "#x=/old \\\nssl.keyStore.password=******\n");
  EXPECT_EQ(without_secrets(" !x \\\n\n\t\\\\\\\r\na=b"), " !x \\\n\n\t\\\\\\\r\na=b");
  EXPECT_EQ(without_secrets("ssl.keyStore.pass\\\n  word=abc\na=b"), "ssl.keyStore.pass\\\n******\na=b");
  EXPECT_EQ(without_secrets("\\\n#a.password=abc\na=b"), "\\\n******\na=b");
  EXPECT_EQ(without_secrets("a=b\rssl.keyStore.password=abc\rc=d"), "a=b\rssl.keyStore.password=******\rc=d");
  EXPECT_EQ(without_secrets("a.password=\\\rabc\r\nc=d"), "a.password=******\r******\r\nc=d");
  EXPECT_EQ(without_secrets("a.passw\\u006Frd=abc\na\\=password = abc\na\\ passwd\n"),
            "a.passw\\u006Frd=******\na\\=******\na\\ ******\n");
  EXPECT_EQ(without_secrets("# ssl.keyStore.password = abc\n##!a.passwd=b\n# none\n"),
            "# ssl.keyStore.password =******\n##!a.passwd=******\n# none\n");
}

TEST(ZooKeeperServerConfig, Refusals) {
  EXPECT_THAT(refusal("clientPort=2181\n"), HasSubstr("dataDir is missing"));
  EXPECT_THAT(refusal("dataDir=/d\nclientPort=70000\n"), HasSubstr("2: clientPort=70000"));
  EXPECT_THAT(refusal("dataDir=/d\ntickTime=fast\n"), HasSubstr("tickTime=fast"));
  EXPECT_THAT(refusal("dataDir=/d\nelectionAlg=2\n"),
              HasSubstr("electionAlg=2 is not valid: it must be a number from 3 to 3"));
  EXPECT_THAT(refusal("dataDir=/d\nsyncEnabled=maybe\n"), HasSubstr("true, false, yes, no"));
  EXPECT_THAT(refusal("dataDir=/d\nsnapshot.compression.method=lz4\n"), HasSubstr("nothing, gz, snappy, CHECKED"));
  EXPECT_THAT(refusal("dataDir=/d\nclientPortAddress=h\n"), HasSubstr("clientPort is not"));
  EXPECT_THAT(refusal("dataDir=/d\nsecureClientPort=x\n"), HasSubstr("secureClientPort=x"));
  EXPECT_THAT(refusal("dataDir=/d\nminSessionTimeout=9\nmaxSessionTimeout=8\n"), HasSubstr("minSessionTimeout"));
}

TEST(ZooKeeperServerConfig, RefusalsShowNoSecrets) {
  EXPECT_EQ(refusal("dataDir=/d\nssl.keystore.password=sekrit\n"),
            "2: ssl.keystore.password is written ssl.keyStore.password; ignoring it would be unsafe");
  EXPECT_EQ(refusal("dataDir=/d\nssl.keyStore.passwd=sekrit\n"),
            "2: ssl.keyStore.passwd is not a key that is served here, and ignoring it would be unsafe");
  EXPECT_EQ(refusal("dataDir=/d\nssl.keyStorePass=sekrit\n"),
            "2: ssl.keyStorePass is not a key that is served here, and ignoring it would be unsafe");
  try {
    refuse_value("a.PassWord", {"sekrit", 7}, "it must be y");
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "a.PassWord=****** is not valid: it must be y");
  }
}

TEST(ZooKeeperServerConfig, KeysWhoseEffectIsMissedAreNamedOnceWithWhatHoldsInstead) {
  const std::pair<const char*, const char*> missed[] = {
      {"audit.impl.class=org.example.Audit", "audit log to Milena's log"},
      {"closeSessionTxn.enabled=false", "paths that it deletes"},
      {"connection_throttle_freeze_time=5", "tokens"},
      {"connection_throttle_weight_enabled=true", "one token"},
      {"db.autocreate=false", "new server"},
      {"pathStats.enabled=true", "read_per_namespace"},
      {"jvm.pause.monitor=true", "no JVM"},
      {"flushDelay=3", "measured"},
      {"admin.httpVersion=20", "HTTP/1.1"},
      {"watchManagerName=org.apache.zookeeper.server.watch.WatchManagerOptimized", "WatchManager does"},
      {"serverCnxnFactory=org.example.Factory", "Milena's own"},
  };
  for (const auto& [line, instead] : missed) {
    EXPECT_THAT(parse("dataDir=/d\n" + std::string(line) + "\n").warnings,
                ElementsAre(AllOf(::testing::StartsWith(std::string(line) + " has no effect here: "), HasSubstr(instead))));
  }
  EXPECT_THAT(parse("dataDir=/d\naudit.enable=false\ncloseSessionTxn.enabled=true\nconnection_throttle_freeze_time=-1\n"
                    "connection_throttle_weight_enabled=no\ndb.autocreate=true\nflushDelay=0\nadmin.httpVersion=11\n"
                    "watchManagerName=org.apache.zookeeper.server.watch.WatchManager\n"
                    "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\njvm.pause.monitor=false\n")
                  .warnings,
              ::testing::IsEmpty());
}

TEST(ZooKeeperServerConfig, KeysOfOneServerThatAreNotDefaults) {
  const auto config = parse("dataDir=/d\nclientTcpKeepAlive=true\nreconfigEnabled=true\naudit.enable=true\n");
  EXPECT_TRUE(config.audit);
  EXPECT_TRUE(config.keep_alive);
  EXPECT_TRUE(config.reconfig);
  EXPECT_FALSE(parse("dataDir=/d\n").keep_alive);
  EXPECT_FALSE(parse("dataDir=/d\n").reconfig);
  EXPECT_FALSE(parse("dataDir=/d\n").audit);
}

// What ZooKeeper 3.9.4 compares these with: what means to be safe stays so, whatever else is written.
TEST(ZooKeeperServerConfig, OnlyItsOwnWordTurnsSomethingOffOrOn) {
  for (const char* value : {"true", "YES", "on", "no"}) {
    EXPECT_FALSE(parse("dataDir=/d\nskipACL=" + std::string(value) + "\n").skip_acl) << value;
  }
  for (const char* value : {"false", "NO", "off", "yes"}) {
    EXPECT_TRUE(parse("dataDir=/d\nforceSync=" + std::string(value) + "\n").force_sync) << value;
  }
  EXPECT_THAT(parse("dataDir=/d\nskipACL=true\nforceSync=false\n").warnings,
              ElementsAre("forceSync=false has no effect, here as in ZooKeeper: only no counts",
                          "skipACL=true has no effect, here as in ZooKeeper: only yes counts"));
  EXPECT_THAT(parse("dataDir=/d\nskipACL=no\nforceSync=yes\n").warnings, ::testing::IsEmpty());
  // To Java's Boolean everything but "true" is false.
  const auto config = parse("dataDir=/d\nsnapshot.trust.empty=yes\nextendedTypesEnabled=yes\nenforceQuota=false\ndigest.enabled=TRUE\n");
  EXPECT_FALSE(config.trust_empty_snapshot);
  EXPECT_FALSE(config.extended_types);
  EXPECT_FALSE(config.enforce_quota);
  EXPECT_TRUE(config.digest);
  EXPECT_THAT(config.warnings, ElementsAre("extendedTypesEnabled=yes is false, here as in ZooKeeper: only true is true",
                                           "snapshot.trust.empty=yes is false, here as in ZooKeeper: only true is true"));
}

// Java's Boolean would take "yes" for false there, and so open what its owner meant to close.
TEST(ZooKeeperServerConfig, SwitchesThatProtectAreTrueOrFalse) {
  for (const char* key : {"enforceQuota", "digest.enabled", "reconfigEnabled", "admin.forceHttps", "admin.needClientAuth",
                          "metricsProvider.ssl.need.client.auth", "metricsProvider.ssl.want.client.auth"}) {
    EXPECT_THAT([&] { parse("dataDir=/d\n" + std::string(key) + "=yes\n"); },
                ::testing::ThrowsMessage<ConfigError>(::testing::HasSubstr("must be true or false")))
        << key;
    EXPECT_THROW(parse("dataDir=/d\n" + std::string(key) + "=no\n"), ConfigError) << key;
    EXPECT_NO_THROW(parse("dataDir=/d\n" + std::string(key) + "=True\n")) << key;
    EXPECT_NO_THROW(parse("dataDir=/d\n" + std::string(key) + "=false\n")) << key;
  }
}

TEST(ZooKeeperServerConfig, BoundsBelowTheLeastAreTakenForIt) {
  const auto config = parse("dataDir=/d\nsnapCount=1\nmaxClientCnxns=-1\nmaxCnxns=-5\nglobalOutstandingLimit=0\npreAllocSize=-1\n");
  EXPECT_EQ(config.snapshot_every, 2u);
  EXPECT_EQ(config.connections_per_address_max, 0u);
  EXPECT_EQ(config.connections_max, 0u);
  EXPECT_EQ(config.outstanding_max, 1u);
  EXPECT_EQ(config.preallocate_bytes, 0u);
  EXPECT_THAT(config.warnings, ElementsAre("snapCount=1 is taken for 2"));
}

TEST(ZooKeeperServerConfig, ValuesThatStandForOthers) {
  const auto config = parse("dataDir=/d\ntickTime=1000\nminSessionTimeout=-1\nmaxSessionTimeout=-1\ntxnLogSizeLimitInKb=2\n"
                            "4lw.commands.whitelist=ruok, *\n");
  EXPECT_EQ(config.session_timeout_min_ms, 2000);
  EXPECT_EQ(config.session_timeout_max_ms, 20'000);
  EXPECT_EQ(config.log_bytes_max, 2048u);
  EXPECT_TRUE(config.all_commands);
  EXPECT_FALSE(parse("dataDir=/d\n4lw.commands.whitelist=ruok\n").all_commands);
}

TEST(ZooKeeperServerConfig, UnknownKeysWarn) { EXPECT_EQ(parse("dataDir=/d\nno.such.key=1\n").warnings.size(), 1u); }

}  // namespace
}  // namespace zk::server
