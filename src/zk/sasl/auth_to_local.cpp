#include "zk/sasl/auth_to_local.h"

#include <re2/re2.h>

#include <stdexcept>

namespace zk::sasl {

struct AuthToLocal::Rule {
  bool is_default = false;
  std::size_t components = 0;
  std::string format;
  std::unique_ptr<RE2> match;  // null: all
  std::unique_ptr<RE2> from;   // null: nothing is replaced
  std::string to;
  bool repeat = false;
};

namespace {

std::unique_ptr<RE2> compile(const std::string& pattern) {
  auto compiled = std::make_unique<RE2>(pattern, RE2::Quiet);
  if (!compiled->ok()) throw std::invalid_argument("the pattern " + pattern + " is malformed: " + compiled->error());
  return compiled;
}

// Java's "$1" and "\x" as RE2's "\1" and "x".
std::string rewrite_of(std::string_view java) {
  std::string rewrite;
  for (std::size_t i = 0; i < java.size(); ++i) {
    bool has_next = i + 1 < java.size();
    if (java[i] == '$' && has_next && java[i + 1] >= '0' && java[i + 1] <= '9') {
      rewrite += '\\';
    } else if (java[i] == '\\' && has_next) {
      rewrite += java[++i] == '\\' ? "\\\\" : std::string(1, java[i]);
    } else {
      rewrite += java[i];
    }
  }
  return rewrite;
}

// "$0" is the realm, "$1" and "$2" the components. Nothing if one isn't there.
std::optional<std::string> filled(const std::string& format, const KerberosName& name) {
  std::string result;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '$') {
      result += format[i];
      continue;
    }
    if (i + 1 == format.size()) break;
    char number = format[++i];
    if (number == '0') {
      result += *name.realm;
    } else if (number == '1') {
      result += name.service;
    } else if (number == '2' && name.host) {
      result += *name.host;
    } else {
      return std::nullopt;
    }
  }
  return result;
}

}  // namespace

AuthToLocal::AuthToLocal(std::string_view text) {
  static const RE2 rule_parser(R"(\s*(?:(DEFAULT)|RULE:\[(\d*):([^\]]*)\](?:\(([^)]*)\))?(s/([^/]*)/([^/]*)/(g)?)?))");
  while (text.find_last_not_of(" \t\r\n") != std::string_view::npos) {
    re2::StringPiece rest(text.data(), text.size());
    std::string is_default, components, format, match, replaced, from, to, repeat;
    if (!RE2::Consume(&rest, rule_parser, &is_default, &components, &format, &match, &replaced, &from, &to, &repeat)) {
      throw std::invalid_argument("a rule is malformed: " + std::string(text));
    }
    text = std::string_view(rest.data(), rest.size());
    auto rule = std::make_unique<Rule>();
    rule->is_default = !is_default.empty();
    if (!rule->is_default) {
      if (components.size() != 1) throw std::invalid_argument("a rule names no number of components from 1 to 2");
      rule->components = static_cast<std::size_t>(components[0] - '0');
      rule->format = format;
      if (!match.empty()) rule->match = compile(match);
      if (!replaced.empty()) rule->from = compile(from);
      rule->to = rewrite_of(to);
      std::string problem;
      if (rule->from && !rule->from->CheckRewriteString(rule->to, &problem)) throw std::invalid_argument(problem);
      rule->repeat = !repeat.empty();
    }
    rules_.push_back(std::move(rule));
  }
}

AuthToLocal::~AuthToLocal() = default;

std::optional<std::string> AuthToLocal::apply(const KerberosName& name, const std::string& default_realm) const {
  for (const auto& rule : rules_) {
    std::optional<std::string> result;
    if (rule->is_default) {
      if (*name.realm == default_realm) result = name.service;
    } else if (rule->components == (name.host ? 2U : 1U)) {
      auto base = filled(rule->format, name);
      if (!base) return std::nullopt;
      if (rule->match && !RE2::FullMatch(*base, *rule->match)) continue;
      if (rule->from && rule->repeat) {
        RE2::GlobalReplace(&*base, *rule->from, rule->to);
      } else if (rule->from) {
        RE2::Replace(&*base, *rule->from, rule->to);
      }
      result = std::move(base);
    }
    if (!result) continue;
    if (result->find_first_of("/@") != std::string::npos) return std::nullopt;
    return result;
  }
  return std::nullopt;
}

}  // namespace zk::sasl
