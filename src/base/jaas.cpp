#include "base/jaas.h"

#include <strings.h>

#include <algorithm>
#include <array>

namespace base {

namespace {

enum class TokenKind { word, quoted, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  int line = 1;
};

bool is_word_byte(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-' || c == '$' || c == '*' || byte >= 0x80;
}

bool is_symbol(const Token& token, char symbol) {
  return token.kind == TokenKind::symbol && token.text.front() == symbol;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Token next() {
    skip_space_and_comments();
    Token token;
    token.line = line_;
    if (at_ == text_.size()) return token;
    char c = text_[at_];
    if (c == '"') {
      token.kind = TokenKind::quoted;
      token.text = read_quoted();
    } else if (is_word_byte(c)) {
      token.kind = TokenKind::word;
      while (at_ < text_.size() && is_word_byte(text_[at_])) token.text += text_[at_++];
    } else {
      token.kind = TokenKind::symbol;
      token.text = c;
      ++at_;
    }
    return token;
  }

 private:
  void skip_space_and_comments() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '\n') ++line_;
      if (static_cast<unsigned char>(c) <= ' ') {
        ++at_;
      } else if (text_.substr(at_).starts_with("//")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (text_.substr(at_).starts_with("/*")) {
        skip_comment();
      } else {
        return;
      }
    }
  }
  void skip_comment() {
    std::size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) throw JaasError(line_, "a comment that begins here has no end");
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end + 2;
  }
  std::string read_quoted() {
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') {
        ++at_;
        return value;
      }
      if (c == '\n' || c == '\r') break;
      if (c != '\\') {
        value += c;
      } else if (++at_ < text_.size()) {
        value += read_escape();
      }
    }
    throw JaasError(line_, "a quoted text has no end on its line");
  }
  // Leaves the position on the last character of the escape.
  char read_escape() {
    char c = text_[at_];
    if (c >= '0' && c <= '7') {
      int code = 0;
      std::size_t digits_max = c <= '3' ? 3 : 2;
      std::size_t end = std::min(at_ + digits_max, text_.size());
      for (; at_ < end && text_[at_] >= '0' && text_[at_] <= '7'; ++at_) code = code * 8 + (text_[at_] - '0');
      --at_;
      return static_cast<char>(code);
    }
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      default:
        return c;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

class Parser {
 public:
  Parser(std::string_view text, const Jaas::PropertyLookup& property) : scanner_(text), property_(property) {
    advance();
  }

  bool at_end() const { return token_.kind == TokenKind::end; }

  std::pair<std::string, std::vector<JaasModule>> parse_section() {
    std::string name = take_name("the name of a section");
    expect('{', "after the section's name " + name);
    std::vector<JaasModule> modules;
    while (!is_symbol(token_, '}')) modules.push_back(parse_module());
    if (modules.empty()) throw JaasError(token_.line, "section " + name + " names no login module");
    advance();
    expect(';', "after the closing brace of section " + name);
    return {std::move(name), std::move(modules)};
  }

  int line() const { return token_.line; }

 private:
  void advance() { token_ = scanner_.next(); }

  std::string take_name(const char* what) {
    if (token_.kind != TokenKind::word && token_.kind != TokenKind::quoted) {
      throw JaasError(token_.line, std::string("here must be ") + what);
    }
    std::string name = std::move(token_.text);
    advance();
    return name;
  }

  void expect(char symbol, const std::string& where) {
    if (!is_symbol(token_, symbol)) throw JaasError(token_.line, std::string("'") + symbol + "' is missing " + where);
    advance();
  }

  JaasModule parse_module() {
    JaasModule module;
    module.line = token_.line;
    module.name = take_name("the class of a login module, or '}'");
    static constexpr std::array<std::string_view, 4> kFlags = {"required", "requisite", "sufficient", "optional"};
    int flag_line = token_.line;
    std::string flag = take_name("required, requisite, sufficient or optional");
    for (std::string_view known : kFlags) {
      if (::strcasecmp(flag.c_str(), std::string(known).c_str()) == 0) module.flag = known;
    }
    // The word isn't shown: where an option stands in the flag's place, it may be a secret.
    if (module.flag.empty()) {
      throw JaasError(flag_line, "after " + module.name + " must come required, requisite, sufficient or optional");
    }
    while (!is_symbol(token_, ';')) {
      int line = token_.line;
      std::string key = take_name("an option of the login module, or ';'");
      expect('=', "after an option's name");
      if (token_.kind != TokenKind::word && token_.kind != TokenKind::quoted) {
        throw JaasError(token_.line, "an option has no value");
      }
      module.options.insert_or_assign(std::move(key), expanded(token_.text, line));
      advance();
    }
    advance();
    return module;
  }

  std::string expanded(const std::string& value, int line) const {
    std::string result;
    std::size_t at = 0;
    for (;;) {
      std::size_t start = value.find("${", at);
      std::size_t end = start == std::string::npos ? start : value.find('}', start);
      if (end == std::string::npos) return result + value.substr(at);
      result += value.substr(at, start - at);
      std::string name = value.substr(start + 2, end - start - 2);
      std::optional<std::string> found = name == "/" ? std::optional<std::string>("/") : std::nullopt;
      if (!found && property_) found = property_(name);
      if (!found) throw JaasError(line, "an option's value names a property by ${…} that no -D option sets");
      result += *found;
      at = end + 1;
    }
  }

  Scanner scanner_;
  const Jaas::PropertyLookup& property_;
  Token token_;
};

}  // namespace

std::optional<std::string> JaasModule::option(std::string_view key) const {
  auto found = options.find(key);
  if (found == options.end()) return std::nullopt;
  return found->second;
}

bool JaasModule::is_true(std::string_view key) const {
  auto found = options.find(key);
  return found != options.end() && ::strcasecmp(found->second.c_str(), "true") == 0;
}

bool JaasModule::is_class(std::string_view simple_name) const {
  std::string_view whole = name;
  return whole.substr(whole.rfind('.') + 1) == simple_name;
}

Jaas Jaas::parse(std::string_view text, const PropertyLookup& property) {
  if (text.size() > kFileBytesMax) throw JaasError(1, "the file is larger than 1 MiB");
  Jaas jaas;
  Parser parser(text, property);
  while (!parser.at_end()) {
    int line = parser.line();
    auto [name, modules] = parser.parse_section();
    if (jaas.sections_.contains(name)) throw JaasError(line, "section " + name + " is there twice");
    jaas.sections_.emplace(std::move(name), std::move(modules));
  }
  return jaas;
}

const std::vector<JaasModule>* Jaas::find(std::string_view section) const {
  auto found = sections_.find(section);
  return found == sections_.end() ? nullptr : &found->second;
}

}  // namespace base
