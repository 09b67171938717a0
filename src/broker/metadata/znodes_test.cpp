// The texts are those of a Kafka 3.9.2 cluster; timestamps and ids as they were.
#include "broker/metadata/znodes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace broker::metadata::znodes {
namespace {

using Ids = std::vector<std::int32_t>;

const std::string kBroker =
    R"({"features":{},"listener_security_protocol_map":{"INTERNAL":"PLAINTEXT","CLIENT":"PLAINTEXT"},)"
    R"("endpoints":["INTERNAL://127.0.0.1:19421","CLIENT://127.0.0.1:19431"],"rack":"rack1","jmx_port":-1,)"
    R"("port":19421,"host":"127.0.0.1","version":5,"timestamp":"1795361984353"})";

TEST(Znodes, AnyTextIsTheNameOfOneNode) {
  const std::vector<std::string> texts = {"group-1.of_mine", "", ".", "..", "a/b", "%", "caf\xc3\xa9 1", std::string("\0\n", 2)};
  for (const std::string& text : texts) {
    const std::string name = node_name(text);
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.%"), std::string::npos);
    EXPECT_FALSE(name.starts_with('.')) << name;
    EXPECT_EQ(text_of_node_name(name), text);
  }
  EXPECT_EQ(node_name("a/b.c"), "a%2Fb.c");
  EXPECT_EQ(text_of_node_name("a%2"), std::nullopt);
  EXPECT_EQ(text_of_node_name("a%zz"), std::nullopt);
}

TEST(Znodes, BrokerIsWrittenAsKafkaDoes) {
  const auto broker = decode_broker(1, kBroker);
  ASSERT_TRUE(broker);
  EXPECT_EQ(broker->id, 1);
  EXPECT_EQ(broker->rack, "rack1");
  ASSERT_EQ(broker->endpoints.size(), 2U);
  EXPECT_EQ(broker->endpoints[1].listener, "CLIENT");
  EXPECT_EQ(broker->endpoints[1].security_protocol, "PLAINTEXT");
  EXPECT_EQ(broker->endpoints[1].port, 19431);
  EXPECT_EQ(encode_broker(*broker, 1795361984353), kBroker);
}

TEST(Znodes, BrokerWithoutPlaintextHasNoHost) {
  Broker broker;
  broker.endpoints.push_back(Endpoint{"SSL", "SSL", "::1", 9093});
  EXPECT_EQ(encode_broker(broker, 7),
            R"({"features":{},"listener_security_protocol_map":{"SSL":"SSL"},"endpoints":["SSL://[::1]:9093"],)"
            R"("jmx_port":-1,"port":-1,"host":null,"version":5,"timestamp":"7"})");
  EXPECT_EQ(decode_broker(1, encode_broker(broker, 7))->endpoints[0].host, "::1");
}

TEST(Znodes, OlderBrokersAreRead) {
  const auto first =
      decode_broker(0, R"({"version":1,"host":"localhost","port":9092,"jmx_port":9999,"timestamp":"22"})");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->endpoints.at(0).listener, "PLAINTEXT");
  EXPECT_EQ(first->endpoints.at(0).port, 9092);
  const auto third = decode_broker(
      0,
      R"({"version":3,"host":"localhost","port":9092,"jmx_port":9,"timestamp":"2","endpoints":["SSL://h:9093"],"rack":"r"})");
  ASSERT_TRUE(third);
  EXPECT_EQ(third->endpoints.at(0).security_protocol, "SSL");
  EXPECT_FALSE(decode_broker(0, "{}"));
  EXPECT_FALSE(decode_broker(0, ""));
  EXPECT_FALSE(decode_broker(0, R"({"version":5,"endpoints":["nonsense"]})"));
  EXPECT_FALSE(decode_broker(0, R"({"version":5,"endpoints":["A://h:99999999999"]})"));
}

TEST(Znodes, Topic) {
  const std::string text =
      R"({"partitions":{"0":[1,2,3],"1":[2,3,1]},"topic_id":"YhJblrA9SAWtri_eFPTmEg","adding_replicas":{},)"
      R"("removing_replicas":{},"version":3})";
  const auto topic = decode_topic(text);
  ASSERT_TRUE(topic);
  EXPECT_EQ(topic->id.to_string(), "YhJblrA9SAWtri_eFPTmEg");
  EXPECT_EQ(topic->partitions.at(1).replicas, (Ids{2, 3, 1}));
  EXPECT_EQ(encode_topic(*topic), text);
  const auto moving = decode_topic(
      R"({"version":3,"partitions":{"0":[3,1]},"adding_replicas":{"0":[3]},"removing_replicas":{"0":[1]}})");
  ASSERT_TRUE(moving);
  EXPECT_EQ(moving->partitions.at(0).adding_replicas, Ids{3});
  EXPECT_EQ(moving->partitions.at(0).removing_replicas, Ids{1});
  EXPECT_TRUE(decode_topic(R"({"version":1,"partitions":{"0":[1]}})")->id.is_zero());
  for (const char* bad : {"", "[]", "{}", R"({"partitions":{"x":[1]}})", R"({"partitions":{"0":["1"]}})",
                          R"({"partitions":{"-1":[1]}})"}) {
    EXPECT_FALSE(decode_topic(bad)) << bad;
  }
}

TEST(Znodes, State) {
  const std::string text = R"({"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1,2,3]})";
  auto state = decode_state(text);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->isr, (Ids{1, 2, 3}));
  EXPECT_EQ(encode_state(*state), text);
  state->recovering = true;
  EXPECT_EQ(decode_state(encode_state(*state)), state);
  EXPECT_FALSE(decode_state(R"({"leader":1})"));
}

TEST(Znodes, SmallOnes) {
  const std::string controller = R"({"version":2,"brokerid":1,"timestamp":"1795361984488","kraftControllerEpoch":-1})";
  EXPECT_EQ(encode_controller(1, 1795361984488), controller);
  EXPECT_EQ(decode_controller(controller), 1);
  const std::string cluster = R"({"version":"1","id":"PoKWjgX_THeLmA867A0Wnw"})";
  EXPECT_EQ(encode_cluster_id("PoKWjgX_THeLmA867A0Wnw"), cluster);
  EXPECT_EQ(decode_cluster_id(cluster), "PoKWjgX_THeLmA867A0Wnw");
  const std::string config = R"({"version":1,"config":{"retention.ms":"7200000"}})";
  EXPECT_EQ(encode_config({{"retention.ms", "7200000"}}), config);
  EXPECT_EQ(decode_config(config), (StringMap{{"retention.ms", "7200000"}}));
  EXPECT_EQ(encode_config({}), R"({"version":1,"config":{}})");
  EXPECT_FALSE(decode_config("nonsense"));
  const std::string odd = encode_config({{"retention.ms", "7200000"}, {"\xff", "a\xc3\n"}});
  EXPECT_EQ(decode_config(odd), (StringMap{{"retention.ms", "7200000"}, {"\xef\xbf\xbd", "a\xef\xbf\xbd\n"}}));
  const std::string change = R"({"version":2,"entity_path":"topics/t1"})";
  EXPECT_EQ(encode_config_change("topics/t1"), change);
  EXPECT_EQ(decode_config_change(change), "topics/t1");
  EXPECT_EQ(decode_config_change(R"({"version":1,"entity_type":"topics","entity_name":"t"})"), "topics/t");
  const std::string block = R"({"version":1,"broker":1,"block_start":"0","block_end":"999"})";
  EXPECT_EQ(encode_producer_ids(ProducerIds{1, 0, 999}), block);
  EXPECT_EQ(decode_producer_ids(block)->last, 999);
  EXPECT_EQ(decode_partition_list(R"({"version":1,"partitions":[{"topic":"t1","partition":0}]})")->at(0).first, "t1");
}

}  // namespace
}  // namespace broker::metadata::znodes
