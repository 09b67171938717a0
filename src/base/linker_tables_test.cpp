#include "base/linker_tables.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace base {
namespace {

// Of the first parts of all libraries, read-only ones; each page of them is read before where `touch`.
std::size_t resident_kilobytes(bool touch) {
  std::ifstream maps("/proc/self/smaps");
  std::size_t resident = 0;
  bool is_first_part = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range, rights, offset, rest, path;
    words >> range >> rights;
    if (range == "Rss:" && is_first_part) resident += std::stoul(rights);
    if (range.find('-') == std::string::npos || range.back() == ':') continue;
    words >> offset >> rest >> rest >> path;
    is_first_part = rights == "r--p" && std::stoull(offset, nullptr, 16) == 0 && path.find(".so") != std::string::npos;
    if (!is_first_part || !touch) continue;
    const std::size_t dash = range.find('-');
    const auto begin = std::stoull(range.substr(0, dash), nullptr, 16), end = std::stoull(range.substr(dash + 1), nullptr, 16);
    for (auto at = begin; at < end; at += 4096) static_cast<void>(*reinterpret_cast<const volatile char*>(at));
  }
  return resident;
}

TEST(LinkerTables, AreNoLongerResidentAndCanStillBeRead) {
  resident_kilobytes(true);
  const std::size_t before = resident_kilobytes(false);
  ASSERT_GT(before, 0U);
  const std::size_t released = release_linker_tables();
  EXPECT_LT(resident_kilobytes(false), before / 2);
  EXPECT_GE(released, before / 2 * 1024);
  EXPECT_NE(::dlsym(RTLD_DEFAULT, "getaddrinfo"), nullptr);
}

}  // namespace
}  // namespace base
