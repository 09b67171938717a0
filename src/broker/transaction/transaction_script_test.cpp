// What KIPs tell of transactions, as scripts (testdata/scripts).
#include "broker/transaction/testing/transaction_world.h"

namespace broker::transaction {
namespace {

void play(const std::string& name) {
  coordinator::testing::play_script<testing::TransactionWorld>(MILENA_SOURCE_DIR
                                                               "/src/broker/transaction/testdata/scripts/" + name);
}

TEST(TransactionScript, ProducersGoOnAfterErrors) { play("kip-360.txt"); }
TEST(TransactionScript, NoLateMessages) { play("kip-890.txt"); }

}  // namespace
}  // namespace broker::transaction
