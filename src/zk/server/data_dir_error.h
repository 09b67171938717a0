// Why a dataDir cannot be used: file, offset and what the reader may do. Nothing has been changed when it is thrown.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace zk::server {

class DataDirError : public std::runtime_error {
 public:
  explicit DataDirError(const std::string& what) : std::runtime_error(what) {}
  DataDirError(const std::string& file, std::uint64_t offset, const std::string& reason, const std::string& advice)
      : std::runtime_error(file + ", offset " + std::to_string(offset) + ": " + reason + ". " + advice) {}
};

}  // namespace zk::server
