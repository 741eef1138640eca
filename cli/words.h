// Lines as people type them into the shell, and the words they mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace dfs::cli {

// The words of `line`, split as sh splits them: blanks separate, '…' and "…" hold together, \ takes
// the next character as it is, $'…' has escapes as in bash, ~ in front is the home directory. A
// line whose first word begins with # has none. `usage` when a quote is not closed.
Result<std::vector<std::string>> split_words(std::string_view line);

// The end of an unfinished line, for completion.
struct OpenLine {
  std::vector<std::string> words;  // the last is the one that is being typed, perhaps empty
  size_t last_begins = 0;          // where in the line it does
  char quote = 0;                  // how it is quoted: ' or ", '$' for $'…', or 0
};
OpenLine open_words(std::string_view line);

// `word` in a form that split_words reads again, quoted as the person began it.
std::string quoted_word(std::string_view word, char quote);
// The same without what closes it, for a word to be typed on.
std::string open_quoted_word(std::string_view word, char quote);

}  // namespace dfs::cli
