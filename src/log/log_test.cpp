#include "log/log.h"

#include <gtest/gtest.h>

#include "base/memory_file_system.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::LogFixture;

class LogTest : public LogFixture {};

TEST_F(LogTest, AppendsAndReadsBack) {
  open();
  EXPECT_EQ(append({"a", "b"}).first_offset, 0);
  AppendResult second = append({"c"});
  EXPECT_EQ(second.first_offset, 2);
  EXPECT_EQ(second.last_offset, 2);
  EXPECT_EQ(log().log_end_offset(), 3);
  EXPECT_EQ(read_values(0), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(read_values(1), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(read_values(2), (std::vector<std::string>{"c"}));
  EXPECT_EQ(read_values(3), (std::vector<std::string>{}));
}

TEST_F(LogTest, ReopensAfterACleanClose) {
  open();
  append({"a", "b"});
  append({"c"});
  log().close();
  open({.clean_shutdown = true});
  EXPECT_EQ(log().log_end_offset(), 3);
  EXPECT_EQ(read_values(0), (std::vector<std::string>{"a", "b", "c"}));
  append({"d"});
  EXPECT_EQ(read_values(2), (std::vector<std::string>{"c", "d"}));
}

}  // namespace
}  // namespace storage
