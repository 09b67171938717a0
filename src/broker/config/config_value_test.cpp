#include "broker/config/config_value.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

namespace broker::config {
namespace {

std::vector<std::vector<std::string>> rows_of(const std::string& name) {
  std::ifstream stream(std::string(MILENA_SOURCE_DIR) + "/src/broker/config/testdata/" + name);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with('#')) continue;
    std::vector<std::string> cells;
    std::stringstream cut(line);
    for (std::string cell; std::getline(cut, cell, '\t');) cells.push_back(cell);
    cells.resize(std::max<std::size_t>(cells.size(), 8));
    rows.push_back(cells);
  }
  return rows;
}

std::string mode_name(UpdateMode mode) {
  return mode == UpdateMode::read_only ? "read-only" : mode == UpdateMode::per_broker ? "per-broker" : "cluster-wide";
}
std::string importance_name(Importance importance) {
  return importance == Importance::high ? "HIGH" : importance == Importance::low ? "LOW" : "MEDIUM";
}

TEST(ConfigKeys, AllBrokerKeysOfKafka) {
  const auto rows = rows_of("broker_keys.tsv");
  ASSERT_EQ(rows.size(), 329u);
  EXPECT_EQ(std::ranges::count(broker_keys(), false, &ConfigKey::own), 329);
  for (const auto& row : rows) {
    SCOPED_TRACE(row[0]);
    const ConfigKey* key = find_broker_key(row[0]);
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(mode_name(key->update_mode), row[1]);
    EXPECT_EQ(name_of(key->type), row[2]);
    EXPECT_EQ(key->default_text.value_or("null"), row[3]);
    EXPECT_EQ(key->rule == Rule::any, row[4].empty());
    EXPECT_EQ(importance_name(key->importance), row[5]);
    EXPECT_EQ(key->sensitive, row[6] == "y");
    EXPECT_EQ(key->internal, row[7] == "y");
    EXPECT_FALSE(key->documentation.empty());
  }
}

TEST(ConfigKeys, AllTopicKeysOfKafka) {
  const auto rows = rows_of("topic_keys.tsv");
  ASSERT_EQ(topic_keys().size(), rows.size());
  for (const auto& row : rows) {
    SCOPED_TRACE(row[0]);
    const ConfigKey* key = find_topic_key(row[0]);
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(key->broker_key, row[1].substr(0, row[1].find(',')));
    EXPECT_EQ(name_of(key->type), row[2]);
    EXPECT_EQ(key->default_text.value_or("null"), row[3]);
    EXPECT_EQ(key->rule == Rule::any, row[4].empty());
    if (!key->broker_key.empty()) {
      EXPECT_NE(find_broker_key(key->broker_key), nullptr);
    }
  }
}

TEST(ConfigKeys, EveryDefaultPassesItsOwnCheckAndIsShownAsWritten) {
  for (const auto keys : {broker_keys(), topic_keys()}) {
    for (const ConfigKey& key : keys) {
      SCOPED_TRACE(key.name);
      // Kafka checks defaults of null and of a few string keys never.
      const auto text = to_text(default_value(key));
      EXPECT_EQ(text, key.default_text);
    }
  }
}

TEST(ConfigKeys, UnknownNames) {
  EXPECT_EQ(find_broker_key("retention.ms"), nullptr);
  EXPECT_EQ(find_topic_key("zz"), nullptr);
  EXPECT_EQ(find_topic_key(""), nullptr);
}

// Every kind of check against what Kafka says.
TEST(ConfigValue, ParsesAndRefusesAsKafka) {
  const auto rows = rows_of("values.tsv");
  ASSERT_GT(rows.size(), 1000u);
  for (const auto& row : rows) {
    const ConfigKey* key = row[0] == "broker" ? find_broker_key(row[1]) : find_topic_key(row[1]);
    ASSERT_NE(key, nullptr) << row[1];
    std::string got;
    try {
      got = "ok\t" + to_text(parse_value(*key, row[2])).value_or("null");
    } catch (const ConfigError& error) {
      got = fmt::format("error\t{}", error.what());
      EXPECT_EQ(error.key(), row[1]);
    }
    std::string expected = row[3] + "\t" + row[4];
    // A password is kept in clear here and hidden where it is shown.
    if (key->type == ConfigType::password && row[3] == "ok") expected = "ok\t" + std::string(trim(row[2]));
    EXPECT_EQ(got, expected) << row[1] << " <" << row[2] << ">";
  }
}

TEST(ConfigValue, DoublesAsInJava) {
  EXPECT_EQ(java_double_text(0.5), "0.5");
  EXPECT_EQ(java_double_text(1), "1.0");
  EXPECT_EQ(java_double_text(1e7), "1.0E7");
  EXPECT_EQ(java_double_text(9999999), "9999999.0");
  EXPECT_EQ(java_double_text(0.001), "0.001");
  EXPECT_EQ(java_double_text(0.0001234), "1.234E-4");
  EXPECT_EQ(java_double_text(1.7976931348623157E308), "1.7976931348623157E308");
  EXPECT_EQ(java_double_text(-0.0), "-0.0");
  EXPECT_EQ(parse_java_double("1d"), 1.0);
  EXPECT_EQ(parse_java_double("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_java_double("inf"), std::nullopt);
  EXPECT_EQ(parse_java_double("--1"), std::nullopt);
}

TEST(ConfigValue, ListsKeepEmptyElementsAsKafka) {
  EXPECT_EQ(split_list(""), std::vector<std::string>{});
  EXPECT_EQ(split_list(" a , b"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(split_list("a,,b,"), (std::vector<std::string>{"a", "", "b", ""}));
}

}  // namespace
}  // namespace broker::config
