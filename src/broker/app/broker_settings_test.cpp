#include "broker/app/broker_settings.h"

#include <gtest/gtest.h>

namespace broker::app {
namespace {

base::Properties file_of(std::initializer_list<std::pair<const char*, const char*>> pairs) {
  base::Properties file;
  file.set("zookeeper.connect", "localhost:2181");
  for (const auto& [key, value] : pairs) file.set(key, value);
  return file;
}

TEST(BrokerSettings, ConnectionLimitsOfBrokerAndListeners) {
  const auto config = config::BrokerConfig::create(
      file_of({{"listeners", "IN://:9092,OUT://:9093,SLOW://:9094"},
               {"listener.security.protocol.map", "IN:PLAINTEXT,OUT:PLAINTEXT,SLOW:PLAINTEXT"},
               {"inter.broker.listener.name", "IN"},
               {"max.connections", "100"},
               {"max.connection.creation.rate", "20"},
               {"quota.window.num", "5"},
               {"quota.window.size.seconds", "2"},
               {"listener.name.out.max.connections", "7"},
               {"listener.name.slow.max.connection.creation.rate", "3"},
               {"max.connections.per.ip.overrides", "127.0.0.1:9"}}));
  HostLimits hosts;
  net::ConnectionLimitOptions limits = connection_limits(*config, hosts);
  EXPECT_EQ(limits.connections_max, 100);
  EXPECT_EQ(limits.rate.per_second_max, 20);
  EXPECT_EQ(limits.rate.samples, 5);
  EXPECT_EQ(limits.rate.sample_ms, 2000);
  EXPECT_EQ(limits.protected_listener, "IN");
  EXPECT_EQ(limits.listeners.at("OUT").connections_max, 7);
  EXPECT_EQ(limits.listeners.at("OUT").per_second_max, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(limits.listeners.at("SLOW").per_second_max, 3);
  EXPECT_EQ(limits.per_ip_overrides.at("127.0.0.1"), 9);

  limits = connection_limits(*config->with_dynamic({{"max.connections", "50"}}, {{"listener.name.out.max.connections", "6"}}), hosts);
  EXPECT_EQ(limits.connections_max, 50);
  EXPECT_EQ(limits.listeners.at("OUT").connections_max, 6);
}

// Kafka's client of ZooKeeper has it as a system property.
TEST(BrokerSettings, TheLimitOfZooKeepersFramesIsAnOptionOfTheJvm) {
  const auto limit = [](const char* words) {
    base::JavaOptions options;
    options.add(words);
    return session_options(*config::BrokerConfig::create(file_of({})), options).frame_bytes_max;
  };
  EXPECT_EQ(limit(""), 4U * 1024 * 1024);
  EXPECT_EQ(limit("-Djute.maxbuffer=8388608"), 8U * 1024 * 1024);
  EXPECT_EQ(limit("-Djute.maxbuffer=0xfffff"), 0xfffffU);
  for (const char* wrong : {"", "4m", "0x", "-1", "4294967296"}) {
    EXPECT_THROW(limit((std::string("-Djute.maxbuffer=") + wrong).c_str()), config::ConfigError) << wrong;
  }
}

// By what connections come from, however the file calls it.
TEST(BrokerSettings, LimitsOfHostsAreThoseOfTheirAddresses) {
  const auto config = config::BrokerConfig::create(file_of(
      {{"max.connections.per.ip.overrides", "localhost:3, [::1]:4, 0:0:0:0:0:0:0:2:5, ::ffff:10.0.0.1:6, a..b:7"}}));
  HostLimits hosts;
  const auto limits = connection_limits(*config, hosts).per_ip_overrides;
  EXPECT_EQ(limits.at("127.0.0.1"), 3);
  EXPECT_EQ(limits.at("::2"), 5);
  EXPECT_EQ(limits.at("10.0.0.1"), 6);
  EXPECT_TRUE(limits.contains("::1"));
  EXPECT_EQ(limits.size(), 4u);
  EXPECT_THROW(check_hosts(*config), config::ConfigError);
  EXPECT_NO_THROW(check_hosts(*config::BrokerConfig::create(file_of({{"max.connections.per.ip.overrides", "localhost:3"}}))));
}

// On the thread of the configs' changes, where a name server that is away would hold all others up.
TEST(BrokerSettings, AddressesOfHostsAreAskedForWhenTheLimitsAreSet) {
  constexpr const char* kKey = "max.connections.per.ip.overrides";
  const auto config = config::BrokerConfig::create(file_of({{kKey, "127.0.0.1:3"}}));
  HostLimits hosts;
  using Limits = std::map<std::string, std::int32_t>;
  EXPECT_EQ(connection_limits(*config, hosts).per_ip_overrides, (Limits{{"127.0.0.1", 3}}));
  hosts.by_address = {{"10.0.0.1", 4}};
  net::ConnectionLimitOptions limits = connection_limits(*config->with_dynamic({{"max.connections", "50"}}, {}), hosts);
  EXPECT_EQ(limits.connections_max, 50);
  EXPECT_EQ(limits.per_ip_overrides, (Limits{{"10.0.0.1", 4}})) << "those that are known";
  limits = connection_limits(*config->with_dynamic({{kKey, "127.0.0.1:5"}}, {}), hosts);
  EXPECT_EQ(limits.per_ip_overrides, (Limits{{"127.0.0.1", 5}}));
  EXPECT_TRUE(connection_limits(*config::BrokerConfig::create(file_of({})), hosts).per_ip_overrides.empty());
}

TEST(BrokerSettings, TheOnlyListenerIsNotProtected) {
  HostLimits hosts;
  EXPECT_EQ(connection_limits(*config::BrokerConfig::create(file_of({})), hosts).protected_listener, "");
}

}  // namespace
}  // namespace broker::app
