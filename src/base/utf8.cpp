#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/crc.h"

namespace base {

std::size_t utf8_character_at(std::string_view text) {
  const auto first = static_cast<std::uint8_t>(text[0]);
  const std::size_t length = first < 0x80 ? 1 : first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first >= 0xf5 || (first >= 0x80 && first < 0xc2) || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<std::uint8_t>(text[i]) & 0xc0) != 0x80) return 0;
  }
  const auto second = length > 2 ? static_cast<std::uint8_t>(text[1]) : 0;
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool outside = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
  return overlong || outside ? 0 : length;
}

std::string as_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_character_at(text);
    result += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

std::string shortened(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  const std::string end = fmt::format("~{:08x}", crc32c(as_bytes(text)));
  const std::size_t room = bytes_max - end.size();
  std::size_t kept = room;
  while (room - kept < 3 && (static_cast<std::uint8_t>(text[kept]) & 0xc0) == 0x80) --kept;
  return std::string(text.substr(0, kept)) + end;
}

}  // namespace base
