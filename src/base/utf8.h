// Text that came from outside and should be UTF-8. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace base {

// How many bytes the character at the beginning of the text has, which isn't empty; 0 if there is none of UTF-8.
std::size_t utf8_character_at(std::string_view text);

// With U+FFFD for each byte that isn't part of a character, as Java shows it.
std::string as_utf8(std::string_view text);

// For names that outsiders choose, where they are shown or kept many times: one of more bytes than this is cut between
// two characters, and ends in ~ and the CRC32C of all of it, which tells those apart that begin alike. bytes_max: 16 and more.
std::string shortened(std::string_view text, std::size_t bytes_max);

}  // namespace base
