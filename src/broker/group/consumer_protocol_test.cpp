#include "broker/group/consumer_protocol.h"

#include <gtest/gtest.h>

namespace broker::group {
namespace {

base::Bytes hex(std::string_view text) { return *base::from_hex(text); }

// What Kafka's own clients sent, by their versions.
TEST(ConsumerProtocol, ReadsSubscriptionsOfAllVersions) {
  const auto oldest = read_subscription(hex("0000" "00000001" "000174" "ffffffff"));
  ASSERT_TRUE(oldest);
  EXPECT_EQ(oldest->topics, std::set<std::string>{"t"});
  EXPECT_TRUE(oldest->owned.empty());
  const auto owning = read_subscription(
      hex("0001" "00000001" "000174" "00000000" "00000001" "000174" "00000002" "00000001" "00000003"));
  ASSERT_TRUE(owning);
  EXPECT_EQ(owning->owned, (NamedPartitions{{"t", {1, 3}}}));
  const auto newest = read_subscription(hex("0003" "00000000" "ffffffff" "00000000" "00000007" "00017a"));
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->rack_id, "z");
  // An empty rack is none, a newer version is read as the newest known, and what follows is left alone.
  EXPECT_FALSE(read_subscription(hex("0003" "00000000" "ffffffff" "00000000" "00000007" "0000"))->rack_id);
  EXPECT_EQ(read_subscription(hex("0009" "00000000" "ffffffff" "00000000" "00000007" "00017a" "beef"))->rack_id, "z");
}

TEST(ConsumerProtocol, RefusesWhatIsMalformed) {
  const base::Bytes whole = hex("0003" "00000001" "000174" "ffffffff" "00000000" "00000007" "00017a");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_subscription(base::ByteView(whole).first(size))) << size;
  }
  EXPECT_FALSE(read_subscription(hex("ffff" "00000000" "ffffffff")));
  EXPECT_FALSE(read_subscription(hex("0000" "7fffffff" "ffffffff")));
  EXPECT_FALSE(read_assignment(hex("")));
  EXPECT_FALSE(read_assignment(hex("0000" "00000001")));
}

TEST(ConsumerProtocol, WritesAssignmentsInTheVersionOfTheSubscription) {
  const NamedPartitions owned = {{"t", {0, 2}}};
  const base::Bytes bytes = write_assignment(owned, hex("0001"));
  EXPECT_EQ(base::to_hex(bytes), "0001" "00000001" "000174" "00000002" "00000000" "00000002" "ffffffff");
  EXPECT_EQ(read_assignment(bytes)->partitions, owned);
  EXPECT_FALSE(read_assignment(bytes)->has_user_data);
  EXPECT_TRUE(read_assignment(hex("0001" "00000000" "00000001" "2a"))->has_user_data);
  EXPECT_FALSE(read_assignment(hex("0001" "00000000" "00000000"))->has_user_data);
  EXPECT_EQ(base::to_hex(write_assignment({}, hex("0009"))), "0003" "00000000" "ffffffff");
  EXPECT_EQ(base::to_hex(write_assignment({}, {})), "0000" "00000000" "ffffffff");
}

}  // namespace
}  // namespace broker::group
