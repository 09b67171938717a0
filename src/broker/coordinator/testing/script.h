// Scenarios as text, for state machines in simulated time. A file is read as:
//
//   # a comment
//   [the name of a scenario]          each begins in a new world
//   a step, in words
//     what comes of it, a line each   indented by two blanks; nothing: nothing comes of it
//
// The world is what plays steps: step(Words&) gives the lines that come of one, and throws BadStep for what it doesn't know.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace broker::coordinator::testing {

struct BadStep : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A step, word by word. Each word must be used once, so that none is overlooked: "a joins as i" has the name "a", the verb
// "joins", and "i" after "as".
class Words {
 public:
  explicit Words(const std::string& text) : text_(text) {
    std::istringstream in(text);
    for (std::string word; in >> word;) words_.push_back(word);
    used_.assign(words_.size(), false);
  }
  const std::string& text() const { return text_; }
  std::string next() {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (!used_[i]) return use(i);
    }
    throw BadStep("something is missing at the end");
  }
  bool take(const std::string& word) {
    const auto at = find(word);
    if (at) (void)use(*at);
    return at.has_value();
  }
  // "being x": x
  std::optional<std::string> after(const std::string& word) {
    const auto at = find(word);
    if (!at || *at + 1 >= words_.size()) return std::nullopt;
    (void)use(*at);
    return use(*at + 1);
  }
  std::optional<std::int64_t> number_after(const std::string& word) {
    const auto text = after(word);
    if (!text) return std::nullopt;
    return number(*text);
  }
  std::int64_t next_number() { return number(next()); }
  // "10 s", "500 ms"
  std::int64_t next_milliseconds() {
    const std::int64_t count = next_number();
    return count * unit(next());
  }
  // "within 10 s"
  std::optional<std::int64_t> milliseconds_after(const std::string& word) {
    const auto at = find(word);
    if (!at || *at + 2 >= words_.size()) return std::nullopt;
    (void)use(*at);
    const std::int64_t count = number(use(*at + 1));
    return count * unit(use(*at + 2));
  }
  // What is left, in order.
  std::vector<std::string> rest() {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (!used_[i]) words.push_back(use(i));
    }
    return words;
  }
  void expect_end() {
    const std::vector<std::string> words = rest();
    if (!words.empty()) throw BadStep("nobody knows what \"" + words[0] + "\" means here");
  }

 private:
  static std::int64_t number(const std::string& text) {
    try {
      return std::stoll(text);
    } catch (const std::logic_error&) {
      throw BadStep("\"" + text + "\" isn't a number");
    }
  }
  static std::int64_t unit(const std::string& text) {
    if (text == "ms") return 1;
    if (text == "s") return 1000;
    throw BadStep("a time is in s or ms, not in " + text);
  }
  std::optional<std::size_t> find(const std::string& word) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (!used_[i] && words_[i] == word) return i;
    }
    return std::nullopt;
  }
  std::string use(std::size_t at) {
    used_[at] = true;
    return words_[at];
  }

  std::string text_;
  std::vector<std::string> words_;
  std::vector<bool> used_;
};

struct ScriptStep {
  int line = 0;
  std::string text;
  std::vector<std::string> expected;
};
struct Scenario {
  std::string name;
  std::vector<ScriptStep> steps;
};

inline std::vector<Scenario> read_script(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path << " can't be read";
  std::vector<Scenario> scenarios;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      scenarios.emplace_back().name = line.substr(1, line.size() - 2);
    } else if (scenarios.empty()) {
      ADD_FAILURE_AT(path.c_str(), number) << "a step before the first [scenario]";
    } else if (!line.starts_with("  ")) {
      scenarios.back().steps.push_back({number, line, {}});
    } else if (scenarios.back().steps.empty()) {
      ADD_FAILURE_AT(path.c_str(), number) << "there is no step that this could come of";
    } else {
      scenarios.back().steps.back().expected.push_back(line.substr(2));
    }
  }
  EXPECT_FALSE(scenarios.empty()) << path << " has no scenario";
  return scenarios;
}

inline std::string indented(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n    " + line;
  return text.empty() ? "\n    (nothing)" : text;
}

// All steps of all scenarios, each scenario in a world of its own. A failure is reported at the line of its step.
template <class World>
void play_script(const std::string& path) {
  for (const Scenario& scenario : read_script(path)) {
    World world;
    for (const ScriptStep& step : scenario.steps) {
      std::vector<std::string> got;
      try {
        Words words(step.text);
        got = world.step(words);
        words.expect_end();
      } catch (const std::exception& problem) {
        got.push_back(std::string("can't be played: ") + problem.what());
      }
      if (got == step.expected) continue;
      ADD_FAILURE_AT(path.c_str(), step.line) << "[" << scenario.name << "]\n  " << step.text << "\n  expected:"
                                              << indented(step.expected) << "\n  got:" << indented(got);
    }
  }
}

}  // namespace broker::coordinator::testing
