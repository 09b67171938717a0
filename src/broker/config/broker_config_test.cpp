#include "broker/config/broker_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "base/testing/temp_dir.h"

namespace broker::config {
namespace {

// "a=1|b=2" on top of a zookeeper.connect.
std::shared_ptr<const BrokerConfig> config_of(const std::string& pairs) {
  base::Properties file;
  file.set("zookeeper.connect", "localhost:2181");
  std::size_t at = 0;
  while (at < pairs.size()) {
    const std::size_t end = std::min(pairs.find('|', at), pairs.size());
    const std::string pair = pairs.substr(at, end - at);
    file.set(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
    at = end + 1;
  }
  return BrokerConfig::create(file);
}

std::string error_of(const std::string& pairs) {
  try {
    config_of(pairs);
    return "ok";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(BrokerConfig, Defaults) {
  const auto config = config_of("");
  EXPECT_EQ(config->get_int("num.io.threads"), 8);
  EXPECT_EQ(config->get_long("connections.max.idle.ms"), 600000);
  EXPECT_EQ(config->get_long("offsets.commit.required.acks"), -1);
  EXPECT_EQ(config->get_double("log.cleaner.min.cleanable.ratio"), 0.5);
  EXPECT_TRUE(config->get_bool("auto.create.topics.enable"));
  EXPECT_EQ(config->get_list("log.cleanup.policy"), std::vector<std::string>{"delete"});
  EXPECT_EQ(config->find_string("broker.rack"), std::nullopt);
  EXPECT_EQ(config->log_dirs(), std::vector<std::string>{"/tmp/kafka-logs"});
  EXPECT_EQ(config->log_retention_ms(), 7 * 24 * 3600 * 1000LL);
  EXPECT_EQ(config->zookeeper_connection_timeout_ms(), 18000);
  ASSERT_EQ(config->listeners().size(), 1u);
  EXPECT_EQ(config->listeners()[0], (Listener{"PLAINTEXT", "PLAINTEXT", "", 9092}));
  EXPECT_EQ(config->advertised_listeners(), config->listeners());
  EXPECT_EQ(config->inter_broker_listener(), "PLAINTEXT");
  EXPECT_EQ(config->hot().message_max_bytes, 1048588);
}

TEST(BrokerConfig, KeysOfMilenasOwn) {
  EXPECT_EQ(config_of("")->find_long("milena.prometheus.port"), std::nullopt);
  EXPECT_EQ(config_of("")->get_string("milena.prometheus.host"), "127.0.0.1");
  EXPECT_EQ(config_of("milena.prometheus.port=9308")->find_long("milena.prometheus.port"), 9308);
  EXPECT_EQ(config_of("milena.prometheus.port=9308")->unknown_keys(), std::vector<std::string>());
  EXPECT_EQ(error_of("milena.prometheus.port=65536"),
            "Invalid value 65536 for configuration milena.prometheus.port: Value must be no more than 65535");
  EXPECT_NE(error_of("milena.prometheus.port="), "ok");
  EXPECT_NE(error_of("milena.prometheus.host="), "ok");
  EXPECT_EQ(config_of("")->get_int("milena.transaction.version"), 2);
  EXPECT_EQ(config_of("milena.transaction.version=0")->get_int("milena.transaction.version"), 0);
  EXPECT_EQ(error_of("milena.transaction.version=3"),
            "Invalid value 3 for configuration milena.transaction.version: Value must be no more than 2");
}

TEST(BrokerConfig, WrongUseIsABug) {
  const auto config = config_of("");
  EXPECT_THROW(config->get_int("retention.ms"), std::logic_error);
  EXPECT_THROW(config->get_int("log.retention.check.interval.ms"), std::logic_error);
  EXPECT_THROW(config->get_bool("num.io.threads"), std::logic_error);
  EXPECT_THROW(config->get_string("broker.rack"), std::logic_error);
}

TEST(BrokerConfig, LayersGoOverEachOther) {
  base::Properties file;
  file.set("zookeeper.connect", "z");
  file.set("num.io.threads", "4");
  file.set("message.max.bytes", "100");
  const auto config = BrokerConfig::create(file, {{"message.max.bytes", "200"}, {"log.segment.bytes", "300"}},
                                           {{"message.max.bytes", "400"}});
  EXPECT_EQ(config->get_int("num.io.threads"), 4);
  EXPECT_EQ(config->hot().message_max_bytes, 400);
  EXPECT_EQ(config->get_int("log.segment.bytes"), 300);
  const auto without = config->with_dynamic({}, {});
  EXPECT_EQ(without->hot().message_max_bytes, 100);
  EXPECT_EQ(without->with_broker_id(1001)->get_int("node.id"), 1001);
}

TEST(BrokerConfig, TimesFromSeveralKeys) {
  EXPECT_EQ(config_of("log.retention.hours=1")->log_retention_ms(), 3600000);
  EXPECT_EQ(config_of("log.retention.minutes=10|log.retention.hours=1")->log_retention_ms(), 600000);
  EXPECT_EQ(config_of("log.retention.ms=5|log.retention.minutes=10|log.retention.hours=1")->log_retention_ms(), 5);
  EXPECT_EQ(config_of("log.retention.hours=-5")->log_retention_ms(), -1);
  EXPECT_EQ(config_of("log.roll.hours=2")->log_roll_ms(), 7200000);
  EXPECT_EQ(config_of("log.roll.ms=10|log.roll.hours=2")->log_roll_ms(), 10);
  EXPECT_EQ(config_of("log.roll.jitter.hours=2")->log_roll_jitter_ms(), 7200000);
  EXPECT_EQ(config_of("log.flush.scheduler.interval.ms=77")->log_flush_interval_ms(), 77);
  EXPECT_EQ(config_of("log.flush.interval.ms=78|log.flush.scheduler.interval.ms=77")->log_flush_interval_ms(), 78);
  EXPECT_EQ(config_of("log.dirs=/a, /b")->log_dirs(), (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(config_of("log.dir=/x")->log_dirs(), std::vector<std::string>{"/x"});
  EXPECT_EQ(config_of("node.id=5")->get_int("broker.id"), 5);
}

TEST(BrokerConfig, Listeners) {
  const auto config = config_of(
      "listeners=foo://[::1]:9092,BAR://127.0.0.1:9092|listener.security.protocol.map=FOO:PLAINTEXT,BAR:PLAINTEXT|"
      "inter.broker.listener.name=bar|advertised.listeners=BAR://example.org:19092");
  ASSERT_EQ(config->listeners().size(), 2u);
  EXPECT_EQ(config->listeners()[0], (Listener{"FOO", "PLAINTEXT", "::1", 9092}));
  EXPECT_EQ(config->advertised_listeners()[0], (Listener{"BAR", "PLAINTEXT", "example.org", 19092}));
  EXPECT_EQ(config->inter_broker_listener(), "BAR");
}

struct Case {
  const char* pairs;
  const char* error;
};

// Messages of Kafka 3.9.2 for the same settings.
const Case kKafkaRefuses[] = {
    {"broker.id=-2",
     "requirement failed: broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id"},
    {"broker.id=1001",
     "requirement failed: broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id"},
    {"broker.id=1001|broker.id.generation.enable=false", "ok"},
    {"broker.id=-1|broker.id.generation.enable=false",
     "requirement failed: broker.id must be greater than or equal to 0"},
    {"node.id=5|broker.id=6", "You must set `node.id` to the same value as `broker.id`."},
    {"listeners=", "requirement failed: There must be at least one broker advertised listener."},
    {"listeners=,", "requirement failed: There must be at least one broker advertised listener."},
    {"listeners=plaintext://localhost:9092", "ok"},
    {"listeners=PLAINTEXT://localhost",
     "Error creating broker listeners from 'PLAINTEXT://localhost': Unable to parse PLAINTEXT://localhost to a broker "
     "endpoint"},
    {"listeners=PLAINTEXT://localhost:9092,PLAINTEXT://localhost:9093",
     "requirement failed: Each listener must have a different name, listeners: "
     "PLAINTEXT://localhost:9092,PLAINTEXT://localhost:9093"},
    {"listeners=PLAINTEXT://a:9092,SSL://b:9092",
     "requirement failed: Each listener must have a different port, listeners: PLAINTEXT://a:9092,SSL://b:9092"},
    {"listeners=PLAINTEXT://127.0.0.1:9092,SSL://127.0.0.2:9092",
     "requirement failed: If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, "
     "listeners: PLAINTEXT://127.0.0.1:9092,SSL://127.0.0.2:9092, port: 9092"},
    {"listeners=PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092,SASL_SSL://127.0.0.2:9092",
     "requirement failed: Each listener must have a different port unless exactly one listener has an IPv4 address and "
     "the other IPv6 address, listeners: PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092,SASL_SSL://127.0.0.2:9092, port: "
     "9092"},
    {"listeners=PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092,SASL_SSL://a:9092",
     "requirement failed: Each listener must have a different port, listeners: "
     "PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092,SASL_SSL://a:9092"},
    {"listeners=FOO://localhost:9092",
     "Error creating broker listeners from 'FOO://localhost:9092': No security protocol defined for listener FOO"},
    {"listeners=FOO://localhost:9092|listener.security.protocol.map=FOO:PLAINTEXT",
     "requirement failed: inter.broker.listener.name must be a listener name defined in advertised.listeners. The "
     "valid "
     "options based on currently configured listeners are FOO"},
    {"listeners=FOO://localhost:9092|listener.security.protocol.map=FOO:BAR|inter.broker.listener.name=FOO",
     "Invalid security protocol `BAR` defined in listener.security.protocol.map"},
    {"listeners=PLAINTEXT://localhost:9092|inter.broker.listener.name=FOO",
     "Listener with name FOO defined in inter.broker.listener.name not found in listener.security.protocol.map."},
    {"inter.broker.listener.name=FOO|security.inter.broker.protocol=PLAINTEXT",
     "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set."},
    {"listeners=PLAINTEXT://0.0.0.0:9092",
     "requirement failed: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP "
     "address."},
    {"listeners=PLAINTEXT://0.0.0.0:9092|advertised.listeners=PLAINTEXT://foo:9092", "ok"},
    {"listeners=PLAINTEXT://:9092|advertised.listeners=PLAINTEXT://foo:9093,SSL://foo:9094",
     "requirement failed: advertised.listeners listener names must be equal to or a subset of the ones defined in "
     "listeners. Found PLAINTEXT,SSL. The valid options based on the current configuration are PLAINTEXT"},
    {"advertised.listeners=", "requirement failed: There must be at least one broker advertised listener."},
    {"log.dirs=", "requirement failed: At least one log directory must be defined via log.dirs or log.dir."},
    {"log.retention.ms=0",
     "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
    {"log.retention.minutes=0",
     "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
    {"log.roll.ms=0", "requirement failed: log.roll.ms must be greater than or equal to 1"},
    {"log.roll.jitter.ms=-4", "requirement failed: log.roll.jitter.ms must be greater than or equal to 0"},
    {"controller.listener.names=CONTROLLER",
     "requirement failed: controller.listener.names must be empty when not running in KRaft mode: [CONTROLLER]"},
    {"controller.quorum.voters=abc",
     "Invalid configuration value for controller.quorum.voters. Each entry should be in the form "
     "`{id}@{host}:{port}`."},
    {"controller.quorum.voters=1@localhost:9093", "ok"},
    {"offsets.commit.required.acks=4",
     "offsets.commit.required.acks must be greater or equal to -1 and less or equal to "
     "offsets.topic.replication.factor"},
    {"replica.fetch.wait.max.ms=40000",
     "requirement failed: replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent "
     "unnecessary socket timeouts"},
    {"queued.max.request.bytes=100",
     "requirement failed: queued.max.request.bytes must be larger or equal to socket.request.max.bytes"},
    {"queued.max.request.bytes=100|socket.request.max.bytes=100", "ok"},
    {"max.connections.per.ip=0",
     "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property "
     "is "
     "set."},
    {"max.connections.per.ip=0|max.connections.per.ip.overrides=127.0.0.1:5", "ok"},
    {"max.connections.per.ip.overrides=localhost:a", "For input string: \"a\""},
    {"connections.max.idle.ms=0",
     "requirement failed: connection.failed.authentication.delay.ms=100 should always be less than "
     "connections.max.idle.ms=0 to prevent failed authentication responses from timing out"},
    {"log.cleaner.dedupe.buffer.size=100|log.cleaner.threads=2",
     "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."},
    {"group.consumer.heartbeat.interval.ms=1",
     "group.consumer.heartbeat.interval.ms must be greater than or equals to group.consumer.min.heartbeat.interval.ms"},
    {"group.consumer.max.session.timeout.ms=1",
     "group.consumer.max.session.timeout.ms must be greater than or equals to group.consumer.min.session.timeout.ms"},
    {"group.share.max.record.lock.duration.ms=30000|group.share.record.lock.duration.ms=40000",
     "group.share.max.record.lock.duration.ms must be greater than or equals to group.share.record.lock.duration.ms"},
    {"group.coordinator.rebalance.protocols=consumer", "Disabling the 'classic' protocol is not supported."},
    {"offsets.topic.compression.codec=9", "Unknown compression type id: 9"},
    {"num.io.threads=abc", "Invalid value abc for configuration num.io.threads: Not a number of type INT"},
    {"log.segment.bytes=13", "Invalid value 13 for configuration log.segment.bytes: Value must be at least 14"},
};

TEST(BrokerConfig, RefusesWhatKafkaRefuses) {
  for (const Case& each : kKafkaRefuses) EXPECT_EQ(error_of(each.pairs), each.error) << each.pairs;
}

TEST(BrokerConfig, NeedsTheCoordinator) {
  base::Properties file;
  file.set("broker.id", "0");
  try {
    BrokerConfig::create(file);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "Missing required configuration `zookeeper.connect` which has no default value.");
  }
}

TEST(BrokerConfig, RefusesWhatIsNotThereYet) {
  for (const char* pairs :
       {"process.roles=broker", "listeners=SSL://:9093|security.inter.broker.protocol=SSL",
        "listeners=PLAINTEXT://:9092,SASL_SSL://:9093", "authorizer.class.name=kafka.security.authorizer.AclAuthorizer",
        "create.topic.policy.class.name=org.example.Policy", "metric.reporters=org.example.Reporter",
        "principal.builder.class=org.example.Builder", "remote.log.storage.system.enable=true",
        "zookeeper.metadata.migration.enable=true|broker.id=1", "group.consumer.assignors=",
        "listeners=PLAINTEXT://localhost:70000",
        "listeners=PLAINTEXT://:9092,C://:9093|listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT|"
        "control.plane.listener.name=C"}) {
    EXPECT_NE(error_of(pairs), "ok") << pairs;
  }
  EXPECT_EQ(error_of("group.consumer.assignors=range"), "ok");
  EXPECT_EQ(error_of("group.consumer.assignors=org.apache.kafka.coordinator.group.assignor.RangeAssignor,uniform"), "ok");
  EXPECT_EQ(error_of("group.consumer.assignors=range,org.example.Assignor"),
            "Invalid value org.example.Assignor for configuration group.consumer.assignors: only the assignors uniform and "
            "range are built in, by these names or as org.apache.kafka.coordinator.group.assignor.UniformAssignor and "
            "RangeAssignor");
  EXPECT_EQ(error_of("metric.reporters=org.apache.kafka.common.metrics.JmxReporter"), "ok");
  EXPECT_EQ(
      error_of("authorizer.class.name=kafka.security.authorizer.AclAuthorizer"),
      "Invalid value kafka.security.authorizer.AclAuthorizer for configuration authorizer.class.name: authorizers "
      "aren't supported yet; leave the key empty");
}

class ConfigFile : public ::testing::Test {
 protected:
  std::string write(const std::string& text) {
    const std::string path = directory_ / "server.properties";
    std::ofstream(path) << text;
    return path;
  }
  std::string error_of(const std::string& path, const std::vector<std::string>& overrides = {}) {
    try {
      load_broker_config(path, overrides);
      return "ok";
    } catch (const ConfigError& error) {
      return error.what();
    }
  }
  base::testing::TempDir directory_;
};

TEST_F(ConfigFile, MessageNamesFileLineKeyValueAndWhatIsAllowed) {
  const std::string path = write("# comment\nzookeeper.connect=localhost:2181\nnum.io.threads=0\n");
  EXPECT_EQ(error_of(path), path +
                                ":3: Invalid value 0 for configuration num.io.threads: Value must be at least 1 "
                                "(num.io.threads is of type INT, allowed: [1,...])");
  EXPECT_EQ(error_of(path, {"num.io.threads=2"}), "ok");
  EXPECT_EQ(
      error_of(path, {"num.io.threads=x"}),
      "--override: Invalid value x for configuration num.io.threads: Not a number of type INT (num.io.threads is of "
      "type INT, allowed: [1,...])");
  EXPECT_EQ(error_of(path, {"num.io.threads"}), "--override num.io.threads: must be key=value");
}

// The complaint about `text`, which stands from line 2 on behind the coordinator's address; without the file's name.
struct Complaint {
  const char* text;
  const char* error;
};

const Complaint kComplaints[] = {
    {"broker.id=-2",
     ":2: requirement failed: broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id "
     "(broker.id=-2, reserved.broker.max.id=1000 by default; allowed: -1 for a generated id, 0 to "
     "reserved.broker.max.id; any from 0 on with broker.id.generation.enable=false)"},
    {"node.id=-2\nbroker.id.generation.enable=false",
     ":2: requirement failed: broker.id must be greater than or equal to 0 (node.id=-2; allowed: 0 or more)"},
    {"node.id=5\nbroker.id=6",
     ":2: You must set `node.id` to the same value as `broker.id`. (node.id=5, broker.id=6; allowed: one of the two, or "
     "the same number in both)"},
    {"log.retention.hours=5\nlog.retention.minutes=0",
     ":3: requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1 "
     "(log.retention.minutes=0; allowed: -1 for no limit, or 1 or more)"},
    {"log.roll.hours=1\nlog.roll.ms=0",
     ":3: requirement failed: log.roll.ms must be greater than or equal to 1 (log.roll.ms=0; allowed: 1 or more)"},
    {"listener.name.plaintext.max.connections=x",
     ":2: Invalid value x for configuration listener.name.plaintext.max.connections: Not a number of type INT "
     "(listener.name.plaintext.max.connections is of type INT"},
    {"log.roll.jitter.hours=-1", ":2: Invalid value -1 for configuration log.roll.jitter.hours: Value must be at least 0"},
    {"replica.socket.timeout.ms=100",
     ":2: requirement failed: replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent "
     "unnecessary socket timeouts (replica.fetch.wait.max.ms=500 by default, replica.socket.timeout.ms=100; allowed: "
     "replica.fetch.wait.max.ms is at most replica.socket.timeout.ms)"},
    {"log.cleaner.threads=200",
     ":2: requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread. "
     "(log.cleaner.dedupe.buffer.size=134217728 by default, log.cleaner.threads=200; allowed: more than 1048576 for each "
     "of log.cleaner.threads)"},
    {"queued.max.request.bytes=100",
     ":2: requirement failed: queued.max.request.bytes must be larger or equal to socket.request.max.bytes "
     "(queued.max.request.bytes=100, socket.request.max.bytes=104857600 by default; allowed: -1 for no limit, or "
     "socket.request.max.bytes or more)"},
    {"listeners=PLAINTEXT://:9092\nadvertised.listeners=PLAINTEXT://0.0.0.0:9092",
     ":3: requirement failed: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP "
     "address. (advertised.listeners=PLAINTEXT://0.0.0.0:9092; allowed: in advertised.listeners, the names or addresses "
     "that clients reach this broker by)"},
    {"listeners=PLAINTEXT://localhost",
     ":2: Error creating broker listeners from 'PLAINTEXT://localhost': Unable to parse PLAINTEXT://localhost to a broker "
     "endpoint (listeners=PLAINTEXT://localhost; allowed: NAME://host:port, ... with names of "
     "listener.security.protocol.map)"},
    {"group.consumer.session.timeout.ms=1",
     ":2: group.consumer.session.timeout.ms must be greater than or equals to group.consumer.min.session.timeout.ms "
     "(group.consumer.session.timeout.ms=1, group.consumer.min.session.timeout.ms=45000 by default; allowed: "
     "group.consumer.session.timeout.ms is group.consumer.min.session.timeout.ms or more)"},
    {"group.coordinator.rebalance.protocols=consumer",
     ":2: Disabling the 'classic' protocol is not supported. (group.coordinator.rebalance.protocols=consumer; allowed: a "
     "list with classic in it)"},
};

TEST_F(ConfigFile, ChecksBetweenKeysNameFileLineKeysValuesAndWhatIsAllowed) {
  for (const Complaint& each : kComplaints) {
    const std::string path = write(std::string("zookeeper.connect=localhost:2181\n") + each.text + "\n");
    const std::string error = error_of(path);
    EXPECT_TRUE(error.starts_with(path + each.error)) << each.text << "\n" << error << "\n" << path << each.error;
  }
  const std::string path = write("zookeeper.connect=localhost:2181\n");
  EXPECT_EQ(error_of(path, {"max.connections.per.ip=0"}),
            "--override: requirement failed: max.connections.per.ip can be set to zero only if "
            "max.connections.per.ip.overrides property is set. (max.connections.per.ip=0, "
            "max.connections.per.ip.overrides= by default; allowed: 1 or more, or 0 with overrides)");
}

TEST_F(ConfigFile, NamesWhatHasNoEffect) {
  const auto config = load_broker_config(
      write("zookeeper.connect=z\nnum.io.threads=16\nqueued.max.requests=500\nssl.keystore.password=secret\n"
            "listener.name.a.ssl.keystore.location=/x\nlistener.name.a.num.network.threads=7\n"
            "listener.name.a.max.connections=7\nsasl.mechanism.controller.protocol=PLAIN\nlog.segment.bytes=2000\n"
            "inter.broker.protocol.version=3.9\nlog.message.format.version=3.0\nproducer.purgatory.purge.interval.requests=7\n"
            "auto.leader.rebalance.enable=false\nquota.window.num=11\n"),
      {});
  std::vector<std::string> named;
  for (const UselessValue& each : values_without_effect(*config)) {
    named.push_back(each.name + "=" + each.value);
    EXPECT_FALSE(each.reason.empty()) << each.name;
  }
  EXPECT_EQ(named,
            (std::vector<std::string>{"auto.leader.rebalance.enable=false", "listener.name.a.num.network.threads=7",
                                      "listener.name.a.ssl.keystore.location=/x", "num.io.threads=16",
                                      "producer.purgatory.purge.interval.requests=7",
                                      "sasl.mechanism.controller.protocol=PLAIN", "ssl.keystore.password=[hidden]"}));
  EXPECT_EQ(find_broker_key("sasl.mechanism.controller.protocol")->without_effect,
            find_broker_key("controller.quorum.voters")->without_effect)
      << "the longer pattern counts";
}

TEST_F(ConfigFile, VariablesAreLookedUpAndTheirProvidersAreNotUnknown) {
  setenv("MILENA_TEST_PORT", "9099", 1);
  const auto config = load_broker_config(
      write("zookeeper.connect=z\nconfig.providers=env\n"
            "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n"
            "listeners=PLAINTEXT://:${env:MILENA_TEST_PORT}\n"),
      {});
  unsetenv("MILENA_TEST_PORT");
  EXPECT_EQ(config->listeners().at(0).port, 9099);
  EXPECT_EQ(config->unknown_keys(), std::vector<std::string>());
  const std::string path = write("zookeeper.connect=z\nconfig.providers=v\nconfig.providers.v.class=com.example.Vault\n");
  EXPECT_TRUE(error_of(path).starts_with(path + ":3: com.example.Vault is a Java class. Built in are "));
}

// What Kafka 3.9.2 ships as config/server.properties, without its comments.
TEST_F(ConfigFile, KafkasOwnFileIsSilent) {
  const auto config = load_broker_config(
      write("broker.id=0\nnum.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n"
            "socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\nlog.dirs=/tmp/kafka-logs\n"
            "num.partitions=1\nnum.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n"
            "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nlog.retention.hours=168\n"
            "log.retention.check.interval.ms=300000\nzookeeper.connect=localhost:2181\n"
            "zookeeper.connection.timeout.ms=18000\ngroup.initial.rebalance.delay.ms=0\n"),
      {});
  EXPECT_EQ(values_without_effect(*config).size(), 0u);
  EXPECT_EQ(config->unknown_keys(), std::vector<std::string>());
  EXPECT_EQ(old_formats_advice(*config), "");
}

TEST_F(ConfigFile, MissingFileAndMissingKey) {
  EXPECT_EQ(error_of(directory_ / "none"), (directory_ / "none") + ": can't be read: No such file or directory");
  const std::string path = write("broker.id=0\nx=\\u00g0\n");
  EXPECT_EQ(error_of(path), path + ":2: Malformed \\uxxxx encoding.");
  const std::string other = write("broker.id=0\n");
  EXPECT_EQ(error_of(other),
            other + ": Missing required configuration `zookeeper.connect` which has no default value.");
}

TEST_F(ConfigFile, UnknownKeysAreKeptAside) {
  const auto config = load_broker_config(
      write("zookeeper.connect=z\nmy.own.key=1\nlistener.name.foo.ssl.keystore.location=/x\nnum.partitions=3\n"
            "listener.name.foo.plain.sasl.jaas.config=j\nlistener.name.foo.max.conections=5\nlistener.name.foo=1\n"),
      {});
  EXPECT_EQ(config->unknown_keys(),
            (std::vector<std::string>{"listener.name.foo", "listener.name.foo.max.conections", "my.own.key"}));
  EXPECT_EQ(config->get_int("num.partitions"), 3);
}

}  // namespace
}  // namespace broker::config
