#include "base/properties.h"

#include <fmt/format.h>

#include <ctime>

namespace base {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }
bool is_line_end(char c) { return c == '\n' || c == '\r'; }

void append_utf8(std::string& to, std::uint32_t code) {
  const auto byte = [&to](std::uint32_t value) { to.push_back(static_cast<char>(value)); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) return byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F));
  if (code < 0x10000) return byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F));
  byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)), byte(0x80 | (code >> 6 & 0x3F)),
      byte(0x80 | (code & 0x3F));
}

struct LogicalLine {
  std::string text;  // continuation lines joined, escapes still in place
  int line = 0;
};

// Splits the text as Properties.load does: comments and blank lines dropped, a line whose last backslash is not itself
// escaped continues on the next one, whose leading blanks go. A line that continues another is never a comment.
std::vector<LogicalLine> logical_lines(std::string_view text) {
  std::vector<LogicalLine> lines;
  std::size_t at = 0;
  int number = 1;
  const auto next_natural_line = [&] {
    std::size_t end = at;
    while (end < text.size() && !is_line_end(text[end])) ++end;
    std::string_view line = text.substr(at, end - at);
    at = end;
    if (at < text.size()) at += text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n' ? 2 : 1;
    ++number;
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    return line;
  };
  while (at < text.size()) {
    LogicalLine logical{{}, number};
    std::string_view line = next_natural_line();
    if (line.empty() || line.front() == '#' || line.front() == '!') continue;
    while (true) {
      std::size_t backslashes = 0;
      while (backslashes < line.size() && line[line.size() - 1 - backslashes] == '\\') ++backslashes;
      const bool continues = backslashes % 2 == 1;
      logical.text += line.substr(0, line.size() - (continues ? 1 : 0));
      if (!continues || at >= text.size()) break;
      line = next_natural_line();
    }
    if (!logical.text.empty()) lines.push_back(std::move(logical));
  }
  return lines;
}

class Unescaper {
 public:
  explicit Unescaper(int line) : line_(line) {}

  std::string operator()(std::string_view raw) {
    std::string text;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\') {
        add(text, static_cast<unsigned char>(raw[i]));
      } else if (++i < raw.size()) {
        i += add_escape(text, raw.substr(i));
      }
    }
    flush(text);
    return text;
  }

 private:
  // Returns how many characters beyond the first it took.
  std::size_t add_escape(std::string& text, std::string_view raw) {
    switch (raw.front()) {
      case 't':
        return add(text, '\t'), 0;
      case 'n':
        return add(text, '\n'), 0;
      case 'r':
        return add(text, '\r'), 0;
      case 'f':
        return add(text, '\f'), 0;
      case 'u':
        break;
      default:
        return add(text, static_cast<unsigned char>(raw.front())), 0;
    }
    std::uint32_t unit = 0;
    for (std::size_t i = 1; i <= 4; ++i) {
      const char c = i < raw.size() ? raw[i] : ' ';
      std::uint32_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<std::uint32_t>(c - '0');
      } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        digit = static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
      } else {
        throw PropertiesError(line_, "Malformed \\uxxxx encoding.");
      }
      unit = unit << 4 | digit;
    }
    add(text, unit);
    return 4;
  }

  // Code units are UTF-16: a surrogate pair is one character, a lone surrogate the replacement character.
  void add(std::string& text, std::uint32_t unit) {
    if (high_ != 0 && unit >= 0xDC00 && unit <= 0xDFFF) {
      append_utf8(text, 0x10000 + ((high_ - 0xD800) << 10) + (unit - 0xDC00));
      high_ = 0;
      return;
    }
    flush(text);
    if (unit >= 0xD800 && unit <= 0xDBFF) {
      high_ = unit;
    } else {
      append_utf8(text, unit >= 0xDC00 && unit <= 0xDFFF ? 0xFFFD : unit);
    }
  }

  void flush(std::string& text) {
    if (high_ != 0) append_utf8(text, 0xFFFD);
    high_ = 0;
  }

  int line_;
  std::uint32_t high_ = 0;
};

void append_unit(std::string& to, std::uint32_t unit) { to += fmt::format("\\u{:04X}", unit); }

std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int extra = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  std::uint32_t code = lead & (0x3Fu >> extra);
  for (int i = 0; i < extra && at < text.size(); ++i)
    code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3Fu);
  return code;
}

std::string escape(std::string_view text, bool is_key) {
  std::string to;
  for (std::size_t at = 0; at < text.size();) {
    const bool first = at == 0;
    const std::uint32_t code = next_code_point(text, at);
    switch (code) {
      case ' ':
        to += first || is_key ? "\\ " : " ";
        continue;
      case '\t':
        to += "\\t";
        continue;
      case '\n':
        to += "\\n";
        continue;
      case '\r':
        to += "\\r";
        continue;
      case '\f':
        to += "\\f";
        continue;
      case '=':
      case ':':
      case '#':
      case '!':
      case '\\':
        to += '\\', to += static_cast<char>(code);
        continue;
      default:
        break;
    }
    if (code >= 0x20 && code <= 0x7E) {
      to += static_cast<char>(code);
    } else if (code < 0x10000) {
      append_unit(to, code);
    } else {
      append_unit(to, 0xD800 + ((code - 0x10000) >> 10));
      append_unit(to, 0xDC00 + ((code - 0x10000) & 0x3FF));
    }
  }
  return to;
}

}  // namespace

Properties Properties::parse(std::string_view text) {
  Properties properties;
  for (const LogicalLine& line : logical_lines(text)) {
    const std::string_view raw = line.text;
    std::size_t key_end = 0;
    while (key_end < raw.size() && raw[key_end] != '=' && raw[key_end] != ':' && !is_blank(raw[key_end])) {
      key_end += raw[key_end] == '\\' && key_end + 1 < raw.size() ? 2 : 1;
    }
    std::size_t value = key_end;
    bool separated = false;
    while (value < raw.size() && (is_blank(raw[value]) || (!separated && (raw[value] == '=' || raw[value] == ':')))) {
      separated = separated || !is_blank(raw[value]);
      ++value;
    }
    Unescaper unescape(line.line);
    std::string key = unescape(raw.substr(0, key_end));
    properties.set(std::move(key), unescape(raw.substr(value)), line.line);
  }
  return properties;
}

void Properties::set(std::string key, std::string value, int line) {
  entries_.insert_or_assign(std::move(key), Entry{std::move(value), line});
}

bool Properties::erase(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  entries_.erase(found);
  return true;
}

const Properties::Entry* Properties::find(std::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

std::optional<std::string> Properties::get(std::string_view key) const {
  const Entry* entry = find(key);
  return entry == nullptr ? std::nullopt : std::optional(entry->value);
}

std::string write_properties(const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view comment,
                             std::int64_t now_ms) {
  const std::time_t seconds = now_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[40];
  // Java's Date.toString(), in UTC: "Mon Nov 23 01:02:57 UTC 2026".
  if (std::strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &utc) == 0) date[0] = '\0';
  std::string text = fmt::format("#{}\n#{}\n", comment, date);
  for (const auto& [key, value] : pairs) text += fmt::format("{}={}\n", escape(key, true), escape(value, false));
  return text;
}

}  // namespace base
