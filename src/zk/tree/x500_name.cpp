#include "zk/tree/x500_name.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace zk::tree {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool is_object_identifier(std::string_view text) {
  std::vector<std::uint64_t> numbers;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc() || end != part.data() + part.size()) return false;
    numbers.push_back(number);
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  return numbers.size() >= 2 && numbers[0] <= 2 && (numbers[0] == 2 || numbers[1] < 40);
}

bool is_keyword(std::string_view text) {
  static const std::set<std::string, std::less<>> known = {
      "CN",           "C",   "L",          "S",       "ST",        "O",        "OU",         "T",     "IP",
      "STREET",       "DC",  "UID",        "SURNAME", "GIVENNAME", "INITIALS", "GENERATION", "EMAIL", "EMAILADDRESS",
      "SERIALNUMBER", "DNQ", "DNQUALIFIER"};
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (upper.starts_with("OID.")) return is_object_identifier(std::string_view(upper).substr(4));
  if (!upper.empty() && upper[0] >= '0' && upper[0] <= '9') return is_object_identifier(upper);
  return known.contains(upper);
}

// What follows a backslash: two hex digits or a character that needs one. Moves past it.
bool skip_escape(std::string_view& text) {
  if (text.empty()) return false;
  if (is_hex(text[0])) {
    if (text.size() < 2 || !is_hex(text[1])) return false;
    text.remove_prefix(2);
    return true;
  }
  if (std::string_view(",=\n+<>#;\\\" ").find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

bool is_encoded_value(std::string_view hex) {
  const auto bytes = base::from_hex(hex);
  if (!bytes || bytes->size() < 2) return false;
  const std::size_t length = (*bytes)[1];
  if (length < 0x80) return bytes->size() >= 2 + length;
  const std::size_t more = length & 0x7f;
  if (more == 0 || more > 4 || bytes->size() < 2 + more) return false;
  std::size_t size = 0;
  for (std::size_t i = 0; i < more; ++i) size = size << 8 | (*bytes)[2 + i];
  return bytes->size() >= 2 + more + size;
}

// A value up to the separator that ends it, or the end; the separator stays.
bool skip_value(std::string_view& text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\n')) text.remove_prefix(1);
  if (text.empty()) return true;
  if (text[0] == '#') {
    const std::size_t end = std::min(text.find_first_of("+,;"), text.size());
    const bool good = is_encoded_value(trimmed(text.substr(1, end - 1)));
    text.remove_prefix(end);
    return good;
  }
  if (text[0] == '"') {
    text.remove_prefix(1);
    while (!text.empty() && text[0] != '"') {
      const bool escape = text[0] == '\\';
      text.remove_prefix(1);
      if (escape && !skip_escape(text)) return false;
    }
    if (text.empty()) return false;
    text.remove_prefix(1);
    while (!text.empty() && is_space(text[0])) text.remove_prefix(1);
    return text.empty() || std::string_view("+,;").find(text[0]) != std::string_view::npos;
  }
  while (!text.empty() && std::string_view("+,;").find(text[0]) == std::string_view::npos) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c == '<' || c == '>' || c == '"') return false;
    if (c == '\\' && !skip_escape(text)) return false;
  }
  return true;
}

}  // namespace

bool is_x500_name(std::string_view text) {
  if (text.empty()) return true;
  while (true) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || !is_keyword(trimmed(text.substr(0, equals)))) return false;
    text.remove_prefix(equals + 1);
    if (!skip_value(text)) return false;
    if (text.empty()) return true;
    text.remove_prefix(1);
  }
}

}  // namespace zk::tree
