// What the commands that go through trees share: the walk through the cluster's, --include and
// --exclude, patterns as arguments, and output of any length.
#pragma once

#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/glob.h"
#include "cli/tree_walk.h"

namespace dfs::cli {

// Declares --include and --exclude.
void add_filter_options(CLI::App& command, GlobFilter& filter);
void unshield(std::vector<std::string>& paths, GlobFilter& filter);  // see arguments.h

// A page of a directory, from the cluster; for TreeWalk and for patterns.
Result<ListReply> list_page(Context& context, const std::string& directory,
                            const std::string& after);
Result<ListReply> list_page_at(Context& context, Moment at, const std::string& directory,
                               const std::string& after);

// Walks through what is at the remote `root`. A directory that cannot be listed is told of and left
// out. Returns false when the walk was ended before all was visited, by a visitor or since the
// cluster does not answer.
bool walk_remote(Context& context, const std::string& root, WalkRules rules,
                 const std::function<bool(const Found&)>& visit,
                 const std::function<bool(const Found&)>& leave = {});

// The remote paths that the arguments mean, patterns expanded in the order of names. What a
// pattern means literally is taken when it exists. Whatever means nothing is told of and left out;
// paths that are no patterns are taken as they are.
std::vector<std::string> expanded(Context& context, const std::vector<std::string>& texts);

// Lines of results of which there may be very many: written at once on a terminal, in pieces
// elsewhere.
class Lines {
 public:
  explicit Lines(Context& context, char end = '\n');
  ~Lines() { flush(); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  // False when nobody reads them any more, or they cannot be written.
  bool print(std::string_view line);
  void flush();

 private:
  Context& context_;
  char end_;
  bool at_once_;
  bool open_ = true;
  std::string waiting_;
  Instant flushed_;
};

}  // namespace dfs::cli
