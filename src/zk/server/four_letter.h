// The four-letter words: a word in place of a connection's first length is answered with text, in ZooKeeper's lines, so
// that the usual tools read it. Called from the coordinator's loop.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "zk/server/coordinator.h"

namespace zk::server {

// Whether these four bytes are a word of ZooKeeper's.
bool is_four_letter_word(std::string_view word);
// What the word is answered with, also if it isn't allowed. `argument` is what came behind it.
std::string answer_four_letter_word(std::string_view word, base::ByteView argument, Coordinator& coordinator);

// How many bytes the files of a directory take.
std::uint64_t directory_bytes(const std::string& directory);
// What envi says about process and machine, in order. Nothing about a JVM.
std::vector<std::pair<std::string, std::string>> environment_rows();
// The coordinator's watches by the number of the session that set them; ZooKeeper lists those on data and existence.
std::int64_t session_of(const Coordinator& coordinator, tree::WatcherId watcher);

}  // namespace zk::server
