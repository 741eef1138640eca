// What may come next on a command line of dfsctl, from the tree of its commands: for the Tab key of
// its own shell and of others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace CLI {
class App;
}

namespace dfs::cli {

class Context;

struct Suggestion {
  std::string word;  // ends with '/' or '=' when more is to follow without a blank
  std::string about;
  auto operator<=>(const Suggestion&) const = default;
};

// Besides words of the tree itself, paths here or there may be meant.
struct Expected {
  std::vector<Suggestion> words;
  bool remote_path = false;
  bool local_path = false;
};
// After `words`, of which the last is the one that is being typed. Words of the tree are those that
// begin with it.
Expected expected_at(const CLI::App& app, const std::vector<std::string>& words);

// Paths of this machine that begin with `typed`; those of directories end with '/'.
std::vector<Suggestion> local_paths(const std::string& typed);
// The same of the cluster, written as relative as `typed` is. Empty when the cluster does not
// answer within kCompletionMsMax.
std::vector<Suggestion> remote_paths(Context& context, const std::string& typed);

// All of it, sorted; with remote paths only when the cluster may be asked.
std::vector<Suggestion> suggestions(const CLI::App& app, Context& context,
                                    const std::vector<std::string>& words, bool ask_cluster = true);

// The longest beginning that all have; of none "".
std::string common_beginning(const std::vector<Suggestion>& choices);

// The name that `command` has in the tree, of `upload` for example `put`: itself for most.
std::string meant_command(const std::string& command);

struct Alias {
  const char* word;
  const char* command;
  const char* question;  // what is asked for when nothing follows the word
};
// The words of the shell for those who do not think of cp and rm.
const std::vector<Alias>& aliases();

// No request of a completion takes longer.
inline constexpr int kCompletionMsMax = 1000;

}  // namespace dfs::cli
