// What KIP-848 tells of groups of the newer protocol, and how groups change between the protocols, as scripts (testdata/scripts).
#include "broker/coordinator/testing/script.h"
#include "broker/group/testing/mixed_world.h"

namespace broker::group {
namespace {

class ConsumerWorld {
 public:
  std::vector<std::string> step(coordinator::testing::Words& words) {
    (void)words.rest();
    std::istringstream came(world_.step(words.text()));
    std::vector<std::string> lines;
    for (std::string line; std::getline(came, line);) lines.push_back(line);
    return lines;
  }

 private:
  testing::MixedWorld world_;
};

void play(const std::string& name) {
  coordinator::testing::play_script<ConsumerWorld>(MILENA_SOURCE_DIR "/src/broker/group/testdata/scripts/" + name);
}

TEST(ConsumerGroupScript, TheNextGeneration) { play("kip-848.txt"); }
TEST(ConsumerGroupScript, MembersOfBothProtocols) { play("mixed.txt"); }

}  // namespace
}  // namespace broker::group
