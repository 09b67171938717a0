// Paths, ACLs, session buckets: the small rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "zk/tree/acl.h"
#include "zk/tree/path.h"
#include "zk/tree/session_tracker.h"

namespace zk::tree {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Path, ValidAndNot) {
  for (const char* path : {"/", "/a", "/a/b", "/a..b", "/...", "/\xc3\xa9\xe2\x82\xac", "/a b"}) {
    EXPECT_TRUE(is_valid_path(path)) << path;
  }
  for (const char* path : {"", "a", "/a/", "//a", "/a//b", "/.", "/..", "/a/../b", "/a/./b", "/\x01", "/a\x7f",
                           "/\xc2\x85", "/\xee\x80\x80", "/\xef\xbf\xbf", "/\xf0\x9f\x98\x80"}) {
    EXPECT_FALSE(is_valid_path(path)) << path;
  }
  EXPECT_EQ(parent_of("/a/b"), "/a");
  EXPECT_EQ(parent_of("/a"), "/");
}

TEST(Acl, DigestIdentityIsZooKeepers) { EXPECT_EQ(digest_identity("user:pass"), "user:smGaoVKd/cQkjm7b88GyorAUz20="); }

TEST(Acl, AddressesMatchByBits) {
  EXPECT_TRUE(ip_matches("10.1.2.3", "10.1.2.3"));
  EXPECT_TRUE(ip_matches("10.1.2.3", "10.0.0.0/8"));
  EXPECT_TRUE(ip_matches("10.1.2.3", "0.0.0.0/0"));
  EXPECT_FALSE(ip_matches("10.1.2.3", "10.1.2.4/31"));
  EXPECT_FALSE(ip_matches("::1", "0.0.0.0/0"));
  EXPECT_TRUE(ip_matches("fe80::1", "fe80::/10"));
  EXPECT_TRUE(ip_matches("10.1.2.3", "10.1.2.3/32"));
  EXPECT_FALSE(ip_matches("10.1.2.3", "10.1.2.2/32"));
  EXPECT_TRUE(ip_matches("::1", "::1/128"));
  EXPECT_FALSE(ip_matches("::1", "::/128"));
  EXPECT_FALSE(is_valid_ip_pattern("::1/129"));
  EXPECT_FALSE(is_valid_ip_pattern("10.1.2.3/33"));
  EXPECT_FALSE(is_valid_ip_pattern("10.1.2"));
}

// As ZooKeeper 3.9.4 reads them, so that what a list says is the same to both.
TEST(Acl, AddressesAreReadAsByZooKeeper) {
  EXPECT_TRUE(ip_matches("10.1.2.3", "010.001.02.3"));
  EXPECT_TRUE(ip_matches("10.1.2.3", "010.0.0.0/8"));
  EXPECT_TRUE(ip_matches("0:0:0:0:0:0:0:1", "::1"));
  for (const char* no : {"::ffff:10.1.2.3", "::10.1.2.3/128", "10.1.2.256", "10.1.2.", "10.1.2.3.4", "10.1..3", "10.1.2.x", "10.1.2.3/",
                         "10.1.2.3/8/8", "::1/-1", ""}) {
    EXPECT_FALSE(is_valid_ip_pattern(no)) << no;
  }
  EXPECT_FALSE(is_valid_ip_pattern(std::string_view("::1\0x", 5)));
}

TEST(Acl, AnIdentityIsAllowedWhatItsOwnEntryAllows) {
  AclSchemes schemes;
  schemes.sasl = true;
  const auto may = [&](const char* scheme, const char* id, const char* entry_scheme, const char* entry_id) {
    const std::vector<Identity> caller{Identity{scheme, id}};
    return is_allowed({AclEntry{kRead, Identity{entry_scheme, entry_id}}}, kRead, caller, schemes);
  };
  EXPECT_TRUE(may("digest", "u:h", "digest", "u:h"));
  EXPECT_FALSE(may("digest", "super", "digest", "u:h"));
  EXPECT_TRUE(may("sasl", "super", "sasl", "kafka"));
  EXPECT_FALSE(may("sasl", "other", "sasl", "kafka"));
  EXPECT_FALSE(may("digest", "kafka", "sasl", "kafka"));
  EXPECT_TRUE(may("super", "", "sasl", "kafka"));
  schemes.any_sasl_user = "anyone";
  EXPECT_TRUE(may("sasl", "other", "sasl", "anyone"));
  EXPECT_FALSE(may("digest", "other:h", "digest", "anyone"));
  // A list may be older than what the server offers now.
  schemes.digest = false;
  EXPECT_FALSE(may("digest", "u:h", "digest", "u:h"));
}

TEST(Acl, NormalListsAndMaskedOnes) {
  AclSchemes schemes;
  schemes.sasl = true;
  const auto normal = [&](AclList list) { return normalise_acl(std::move(list), {}, schemes); };
  const auto entry = [](const char* scheme, const char* id) { return AclEntry{kRead, Identity{scheme, id}}; };
  EXPECT_EQ(normal({entry("ip", "::1"), entry("world", "anyone"), entry("ip", "::1")}),
            (AclList{entry("ip", "::1"), entry("world", "anyone")}));
  EXPECT_TRUE(normal({entry("digest", "u:h:")}));
  EXPECT_FALSE(normal({entry("digest", "u:h:x")}));
  EXPECT_TRUE(normal({entry("sasl", "service/host@REALM")}));
  EXPECT_FALSE(normal({entry("sasl", "a/b/c@REALM")}));
  EXPECT_EQ(masked({entry("digest", "u:h"), entry("sasl", "a:b"), entry("ip", "::1")}),
            (AclList{entry("digest", "u:x"), entry("sasl", "a:b"), entry("ip", "::1")}));
}

TEST(Acl, MalformedListsAreRefused) {
  auto normal = [](const char* scheme, const char* id) {
    return normalise_acl({AclEntry{kAll, Identity{scheme, id}}}, {}, AclSchemes{}).has_value();
  };
  EXPECT_TRUE(normal("world", "anyone"));
  EXPECT_FALSE(normal("world", "someone"));
  EXPECT_TRUE(normal("digest", "u:h"));
  EXPECT_FALSE(normal("digest", "u"));
  EXPECT_FALSE(normal("sasl", "kafka"));
  EXPECT_FALSE(normal("auth", ""));
  EXPECT_FALSE(normalise_acl({}, {}, AclSchemes{}).has_value());
}

TEST(AclCache, ForgetsListsWithoutUsers) {
  AclCache cache;
  AclList list{AclEntry{kRead, Identity{"world", "anyone"}}};
  std::int64_t id = cache.acquire(list);
  EXPECT_EQ(cache.acquire(list), id);
  cache.release(id);
  EXPECT_NE(cache.find(id), nullptr);
  cache.release(id);
  EXPECT_EQ(cache.find(id), nullptr);
  EXPECT_NE(cache.acquire(list), id);  // an id in an older snapshot never means something else
}

// Servers of old gave equal lists two ids.
TEST(AclCache, AListUnderTwoIdsKeepsTheOneThatIsUsed) {
  AclCache cache;
  const AclList list{AclEntry{kRead, Identity{"ip", "::1"}}};
  cache.load(3, list);
  cache.load(4, list);
  ASSERT_TRUE(cache.retain(4));
  cache.drop_unused();
  EXPECT_EQ(cache.find(3), nullptr);
  EXPECT_EQ(cache.acquire(list), 4);
}

TEST(Acl, TheOpenListIsOneForAll) {
  AclHandle open, made = AclList{AclEntry{kAll, Identity{"world", "anyone"}}};
  EXPECT_TRUE(open.is_open());
  EXPECT_TRUE(made.is_open());
  EXPECT_EQ(&*open, &*made);
  for (const AclList& list : {AclList{}, AclList{AclEntry{kRead, Identity{"world", "anyone"}}},
                              AclList{AclEntry{kAll, Identity{"world", "anyone"}}, AclEntry{kAll, Identity{"ip", "::1"}}}}) {
    EXPECT_FALSE(AclHandle(list).is_open());
    EXPECT_EQ(*AclHandle(list), list);
  }
}

TEST(Path, HashesTellShortTextsApartInTheirLowBits) {
  std::set<std::uint64_t> hashes;
  const int count = 20'000;
  for (int i = 0; i < count; ++i) hashes.insert(hash_of("/load/255-" + std::to_string(i)) & 0xffffffff);
  EXPECT_GT(hashes.size(), count - 10U);
  for (std::size_t size = 0; size <= 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      const std::uint64_t before = hash_of(text);
      EXPECT_NE(before, hash_of(text + 'a'));
      text[at] = 'b';
      EXPECT_NE(before & 0xffff, hash_of(text) & 0xffff) << size << ' ' << at;
    }
  }
}

TEST(SessionTracker, TimeIsRoundedUpToTicks) {
  SessionTracker tracker(2000);
  tracker.touch(1, 4000, 1000);  // due at 6000
  EXPECT_THAT(tracker.take_expired(5999), IsEmpty());
  tracker.touch(1, 4000, 3500);  // now at 8000
  EXPECT_THAT(tracker.take_expired(6000), IsEmpty());
  EXPECT_THAT(tracker.take_expired(8000), ElementsAre(1));
  EXPECT_EQ(tracker.size(), 0u);
}

TEST(SessionTracker, AShorterTimeoutCounts) {
  SessionTracker tracker(1000);
  tracker.touch(1, 60000, 0);
  tracker.touch(1, 2000, 0);
  EXPECT_THAT(tracker.take_expired(3000), ElementsAre(1));
  EXPECT_THAT(tracker.take_expired(100000), IsEmpty());
}

}  // namespace
}  // namespace zk::tree
