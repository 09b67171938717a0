// What KIP-848 tells of groups of the newer protocol, as a script (testdata/scripts).
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

TEST(ConsumerGroupScript, TheNextGeneration) {
  coordinator::testing::play_script<ConsumerWorld>(MILENA_SOURCE_DIR "/src/broker/group/testdata/scripts/kip-848.txt");
}

}  // namespace
}  // namespace broker::group
