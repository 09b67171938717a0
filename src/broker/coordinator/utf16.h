// Java's view of a string: UTF-16, in which its hashes are taken. Stateless.
#pragma once

#include <cstdint>
#include <string_view>

namespace broker::coordinator {

// Calls `add(std::uint16_t)` for each unit of this UTF-8 text. What isn't UTF-8 gives units all the same.
template <class Add>
void for_each_utf16_unit(std::string_view text, Add add) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) -> std::uint32_t {
      return at < text.size() ? static_cast<std::uint8_t>(text[at]) : 0U;
    };
    const auto unit = [&add](std::uint32_t value) { add(static_cast<std::uint16_t>(value)); };
    const std::uint32_t first = byte(i);
    if (first < 0x80) {
      unit(first);
      i += 1;
    } else if (first < 0xE0) {
      unit((first & 0x1F) << 6 | (byte(i + 1) & 0x3F));
      i += 2;
    } else if (first < 0xF0) {
      unit((first & 0x0F) << 12 | (byte(i + 1) & 0x3F) << 6 | (byte(i + 2) & 0x3F));
      i += 3;
    } else {  // two surrogates
      const std::uint32_t point =
          ((first & 0x07) << 18 | (byte(i + 1) & 0x3F) << 12 | (byte(i + 2) & 0x3F) << 6 | (byte(i + 3) & 0x3F)) -
          0x10000;
      unit(0xD800 + (point >> 10));
      unit(0xDC00 + (point & 0x3FF));
      i += 4;
    }
  }
}

}  // namespace broker::coordinator
