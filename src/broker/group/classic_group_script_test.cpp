// What KIPs tell of classic groups, as scripts (testdata/scripts).
#include "broker/group/testing/classic_world.h"

namespace broker::group {
namespace {

void play(const std::string& name) {
  coordinator::testing::play_script<testing::ClassicWorld>(MILENA_SOURCE_DIR "/src/broker/group/testdata/scripts/" + name);
}

TEST(ClassicGroupScript, StaticMembers) { play("kip-345.txt"); }
TEST(ClassicGroupScript, KnownMemberIds) { play("kip-394.txt"); }
TEST(ClassicGroupScript, CooperativeRebalances) { play("kip-429.txt"); }

}  // namespace
}  // namespace broker::group
