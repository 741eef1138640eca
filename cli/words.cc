#include "cli/words.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace dfs::cli {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kSpecial = " \t\n\\'\"#$&*()[]{}<>?;|`!~";

bool is_control(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return byte < 0x20 || byte == 0x7f;
}

// Reads one line; `at` moves on.
class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  OpenLine split() {
    while (true) {
      while (at_ < line_.size() && kBlanks.find(line_[at_]) != std::string_view::npos) ++at_;
      if (at_ == line_.size()) break;
      if (line_[at_] == '#' && out_.words.empty()) break;
      out_.last_begins = at_;
      out_.words.push_back(word());
      in_word_ = at_ == line_.size();
    }
    return std::move(out_);
  }
  bool in_word() const { return in_word_; }  // the last word goes to the end of the line
  bool is_open() const { return open_; }     // with a quote that is not closed

 private:
  std::string word() {
    std::string text;
    out_.quote = 0;
    begin_home(text);
    while (at_ < line_.size() && kBlanks.find(line_[at_]) == std::string_view::npos) {
      const char letter = line_[at_++];
      const bool first = at_ == out_.last_begins + 1;
      if (letter == '\'' || letter == '"') {
        if (first) out_.quote = letter;
        quoted(letter, text);
      } else if (letter == '$' && at_ < line_.size() && line_[at_] == '\'') {
        if (first) out_.quote = '$';
        ++at_;
        escaped(text);
      } else if (letter == '\\') {
        open_ |= at_ == line_.size();
        if (at_ < line_.size()) text.push_back(line_[at_++]);
      } else {
        text.push_back(letter);
      }
    }
    return text;
  }

  void begin_home(std::string& text) {
    const std::string_view rest = line_.substr(at_);
    const bool alone = rest.size() == 1 || kBlanks.find(rest[1]) != std::string_view::npos;
    const char* const home = std::getenv("HOME");
    if (rest[0] != '~' || home == nullptr || (!alone && rest[1] != '/')) return;
    text = home;
    ++at_;
  }

  void quoted(char quote, std::string& text) {
    while (at_ < line_.size()) {
      const char letter = line_[at_++];
      if (letter == quote) return;
      const bool escapes = quote == '"' && letter == '\\' && at_ < line_.size() &&
                           std::string_view("\\\"$`").find(line_[at_]) != std::string_view::npos;
      text.push_back(escapes ? line_[at_++] : letter);
    }
    open_ = true;
  }

  // After $'.
  void escaped(std::string& text) {
    while (at_ < line_.size()) {
      const char letter = line_[at_++];
      if (letter == '\'') return;
      text.push_back(letter == '\\' && at_ < line_.size() ? escape() : letter);
    }
    open_ = true;
  }

  // After the backslash.
  char escape() {
    static constexpr std::string_view kNames = "abefnrtv";
    static constexpr std::string_view kMeant = "\a\b\x1b\f\n\r\t\v";
    const char letter = line_[at_++];
    if (letter == 'x') return number(16, 2);
    if (letter >= '0' && letter <= '7') {
      --at_;
      return number(8, 3);
    }
    const size_t name = kNames.find(letter);
    return name == std::string_view::npos ? letter : kMeant[name];
  }

  char number(int base, size_t digits_max) {
    unsigned value = 0;
    for (size_t digits = 0; digits < digits_max && at_ < line_.size(); ++digits, ++at_) {
      static constexpr std::string_view kDigits = "0123456789abcdef";
      const size_t digit = kDigits.find(static_cast<char>(line_[at_] | 0x20));
      if (digit >= static_cast<size_t>(base)) break;
      value = value * static_cast<unsigned>(base) + static_cast<unsigned>(digit);
    }
    return static_cast<char>(static_cast<unsigned char>(value));
  }

  const std::string_view line_;
  size_t at_ = 0;
  OpenLine out_;
  bool in_word_ = false;
  bool open_ = false;
};

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  Splitter splitter(line);
  OpenLine split = splitter.split();
  if (splitter.is_open()) {
    return Result<std::vector<std::string>>(
        Code::usage, "a quote is not closed, or a backslash ends the line; nothing was done");
  }
  return std::move(split.words);
}

OpenLine open_words(std::string_view line) {
  Splitter splitter(line);
  OpenLine split = splitter.split();
  if (!splitter.in_word()) {
    split.words.emplace_back();
    split.last_begins = line.size();
    split.quote = 0;
  }
  return split;
}

std::string open_quoted_word(std::string_view word, char quote) {
  if (std::any_of(word.begin(), word.end(), is_control)) quote = '$';
  std::string text;
  if (quote != 0) text = quote == '$' ? "$'" : std::string(1, quote);
  for (const char letter : word) {
    if (quote == '$' && is_control(letter)) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(letter));
      text += hex;
    } else if (quote == '\'' && letter == '\'') {
      text += "'\\''";
    } else {
      const std::string_view special = quote == 0     ? kSpecial
                                       : quote == '"' ? std::string_view("\\\"$`")
                                       : quote == '$' ? std::string_view("\\'")
                                                      : std::string_view();
      if (special.find(letter) != std::string_view::npos) text.push_back('\\');
      text.push_back(letter);
    }
  }
  return text;
}

std::string quoted_word(std::string_view word, char quote) {
  if (word.empty() && quote == 0) quote = '\'';
  std::string text = open_quoted_word(word, quote);
  if (text.starts_with("$'")) return text + "'";
  return quote == 0 ? text : text + quote;
}

}  // namespace dfs::cli
