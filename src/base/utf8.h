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

}  // namespace base
