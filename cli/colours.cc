#include "cli/colours.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace dfs::cli {

namespace {

constexpr std::array<std::string_view, 5> kGood = {"up", "ok", "running", "good", "done"};
constexpr std::array<std::string_view, 5> kBad = {"down", "failed", "unavailable", "lost", "bad"};
constexpr std::array<std::string_view, 6> kWarning = {"full",    "paused",   "degraded",
                                                      "waiting", "draining", "locked"};

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

const char* code_of(Colour colour) {
  switch (colour) {
    case Colour::none:
      return "";
    case Colour::good:
      return "\x1b[32m";
    case Colour::warning:
      return "\x1b[33m";
    case Colour::bad:
      return "\x1b[31m";
    case Colour::directory:
      return "\x1b[1;34m";
  }
  return "";
}

}  // namespace

bool colours_wanted(bool is_terminal, const char* no_color, const char* term) {
  const bool refused = no_color != nullptr && no_color[0] != '\0';
  return is_terminal && !refused && term != nullptr && term[0] != '\0' &&
         std::string_view(term) != "dumb";
}

bool colours_on(int file) {
  return colours_wanted(::isatty(file) != 0, std::getenv("NO_COLOR"), std::getenv("TERM"));
}

std::string painted(Colour colour, std::string_view text) {
  if (colour == Colour::none || text.empty()) return std::string(text);
  return code_of(colour) + std::string(text) + "\x1b[0m";
}

std::string painted_for(int file, Colour colour, std::string_view text) {
  return colours_on(file) ? painted(colour, text) : std::string(text);
}

Colour colour_of_state(std::string_view state) {
  // "up, draining": what comes later is worse.
  Colour worst = Colour::none;
  for (size_t begin = 0; begin < state.size();) {
    const size_t end = std::min(state.find(", ", begin), state.size());
    const std::string_view part = state.substr(begin, end - begin);
    const std::string_view word = part.substr(0, part.find(' '));
    Colour colour = Colour::none;
    if (is_one_of(kGood, word)) colour = Colour::good;
    if (is_one_of(kWarning, word)) colour = Colour::warning;
    if (is_one_of(kBad, word) || part.ends_with("failed")) colour = Colour::bad;
    worst = std::max(worst, colour);
    begin = end + 2;
  }
  return worst;
}

}  // namespace dfs::cli
