// For tests: a whole server in a directory of its own, with the configuration of config_in().
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "base/testing/temp_dir.h"
#include "zk/server/server.h"
#include "zk/server/testing/raw_client.h"

namespace zk::server::testing {

class ServerFixture : public ::testing::Test {
 protected:
  void start() {
    server_ = std::make_unique<Server>(config_);
    server_->start();
  }
  void restart() {
    server_.reset();
    start();
  }
  std::unique_ptr<RawClient> client() {
    auto made = std::make_unique<RawClient>(server_->port());
    EXPECT_TRUE(made->connect().has_value());
    return made;
  }

  base::testing::TempDir directory_;
  ZooKeeperServerConfig config_ = config_in(directory_.path());
  std::unique_ptr<Server> server_;
};

}  // namespace zk::server::testing
