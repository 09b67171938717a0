// The four-letter words: a word in place of a connection's first length is answered with text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "zk/server/coordinator.h"

namespace zk::server {

// Whether these four bytes are a word of ZooKeeper's.
bool is_four_letter_word(std::string_view word);
// What the word is answered with, also if it isn't allowed.
std::string answer_four_letter_word(std::string_view word, const Coordinator& coordinator);

}  // namespace zk::server
