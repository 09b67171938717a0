#include "broker/net/connection_limits.h"

#include <gtest/gtest.h>

namespace broker::net {
namespace {

using Answer = ConnectionLimits::Answer;

// With the defaults of quota.window.num and .size.seconds a mean over ten seconds counts: 20 at 2 per second may come at
// once, and then each waits for the share of a second that it is too early.
TEST(ConnectionRate, LetsABurstInAndSpreadsTheRest) {
  ConnectionRate rate;
  ConnectionRateOptions options;
  options.per_second_max = 2;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(rate.add(1000, options), 0) << i;
  EXPECT_EQ(rate.add(1000, options), 500);
  EXPECT_EQ(rate.add(1500, options), 500);
  EXPECT_EQ(rate.add(1500, options), 1000) << "no longer than one sample";
  EXPECT_EQ(rate.add(12'000, options), 0) << "the old samples are gone";
}

TEST(ConnectionRate, NoLimitAndNothingAllowed) {
  ConnectionRate rate;
  for (int i = 0; i < 100'000; ++i) EXPECT_EQ(rate.add(i / 1000, {}), 0);
  ConnectionRateOptions none;
  none.per_second_max = 0;
  EXPECT_EQ(rate.add(100, none), 1000);
}

TEST(ConnectionRate, ANewLimitCountsWhatHasComeBefore) {
  ConnectionRate rate;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(rate.add(0, {}), 0);
  ConnectionRateOptions options;
  options.per_second_max = 5;
  EXPECT_EQ(rate.add(0, options), 200);
}

TEST(ConnectionLimits, OfAllOfOneListenerAndOfTheProtectedOne) {
  ConnectionLimitOptions options;
  options.connections_max = 3;
  options.listeners["OUT"].connections_max = 2;
  options.protected_listener = "IN";
  ConnectionLimits limits(options);
  EXPECT_EQ(limits.try_add("OUT", "1.1.1.1"), Answer::accepted);
  EXPECT_EQ(limits.try_add("OUT", "1.1.1.1"), Answer::accepted);
  EXPECT_TRUE(limits.full("OUT"));
  EXPECT_EQ(limits.try_add("OUT", "1.1.1.1"), Answer::full);
  EXPECT_EQ(limits.try_add("OTHER", "1.1.1.1"), Answer::accepted);
  EXPECT_EQ(limits.try_add("OTHER", "1.1.1.1"), Answer::full);
  EXPECT_EQ(limits.try_add("IN", "1.1.1.1"), Answer::accepted) << "clients don't cut brokers off";
  EXPECT_EQ(limits.count(), 4);
  limits.remove("OUT", "1.1.1.1");
  EXPECT_TRUE(limits.full("OUT")) << "the broker's limit counts as well";
  limits.remove("OTHER", "1.1.1.1");
  EXPECT_FALSE(limits.full("OUT"));
}

TEST(ConnectionLimits, ExcessIsClaimedOnce) {
  ConnectionLimits limits({});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limits.try_add("L", "1.1.1.1"), Answer::accepted);
  EXPECT_FALSE(limits.claim_excess("L"));
  ConnectionLimitOptions fewer;
  fewer.connections_max = 3;
  fewer.protected_listener = "IN";
  limits.set_options(fewer);
  EXPECT_FALSE(limits.claim_excess("IN"));
  EXPECT_TRUE(limits.claim_excess("L"));
  EXPECT_TRUE(limits.claim_excess("L"));
  EXPECT_FALSE(limits.claim_excess("L"));
  limits.remove("L", "1.1.1.1");
  limits.remove("L", "1.1.1.1");
  EXPECT_FALSE(limits.claim_excess("L"));
  EXPECT_EQ(limits.count(), 3);
}

TEST(ConnectionLimits, TheRateOfAListenerAndOfTheBroker) {
  ConnectionLimitOptions options;
  options.rate.per_second_max = 10;
  options.listeners["SLOW"].per_second_max = 1;
  options.protected_listener = "IN";
  ConnectionLimits limits(options);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limits.wait_ms("SLOW", 0), 0);
  EXPECT_EQ(limits.wait_ms("SLOW", 0), 1000);
  for (int i = 0; i < 89; ++i) EXPECT_EQ(limits.wait_ms("FAST", 0), 0) << i;
  EXPECT_EQ(limits.wait_ms("FAST", 0), 100);
  EXPECT_EQ(limits.wait_ms("IN", 0), 0);
}

}  // namespace
}  // namespace broker::net
