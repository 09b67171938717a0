// What is wrong with a file, and where.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace storage::inspect {

struct Fault {
  std::string file;
  std::uint64_t position = 0;  // in bytes; 0 where the whole file is meant
  std::string what;
};

// Called for each fault as it is found.
using FaultSink = std::function<void(const Fault&)>;

}  // namespace storage::inspect
