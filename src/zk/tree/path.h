// Rules for znode paths. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace zk::tree {

// Whether a path may be stored: absolute, no empty, "." or ".." element, no trailing slash, no control characters and
// none of U+D800-F8FF and U+FFF0-FFFF. Paths are UTF-8.
bool is_valid_path(std::string_view path);

// npos if there is none.
std::size_t last_slash(std::string_view path);
// "/a/b" -> "/a", "/a" -> "/". The path has a slash.
std::string_view parent_of(std::string_view path);
// "/a/b" -> "b".
std::string_view name_of(std::string_view path);
// Made by the server itself; never deleted.
bool is_special_path(std::string_view path);
std::string join(std::string_view parent, std::string_view name);
// For tables in memory: of paths and of names.
std::uint64_t hash_of(std::string_view text);

inline constexpr std::string_view kZookeeper = "/zookeeper";
inline constexpr std::string_view kQuota = "/zookeeper/quota";
inline constexpr std::string_view kConfig = "/zookeeper/config";

}  // namespace zk::tree
