// Patterns of names and paths, and what --include and --exclude leave of a tree. In a pattern `*`
// is any text without '/', `?` one character, `[a-z]` one of these, `[!a-z]` none of these; a
// backslash takes their meaning from them. A component `**` is any number of directories, also
// none. Names that begin with a dot are like others.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dfs::cli {

// Whether `text` means more than itself.
bool is_pattern(std::string_view text);
// What a text means that is no pattern: "a\*" is the name "a*".
std::string unescaped(std::string_view text);

// Of one name, without '/'.
bool name_matches(const std::string& pattern, const std::string& name, bool any_case = false);
// Of a path, component by component. Both begin with '/', or neither does.
bool path_matches(std::string_view pattern, std::string_view path);

// The components of a path, without empty ones.
std::vector<std::string> components_of(std::string_view path);

// What --include and --exclude leave. A pattern without '/' is one of names wherever they are, one
// with '/' of paths as seen from where the walk begins; one that ends with '/' is of directories.
struct GlobFilter {
  std::vector<std::string> include;  // of files; none: all
  std::vector<std::string> exclude;  // of all; a directory goes with all below it

  bool empty() const { return include.empty() && exclude.empty(); }
  // Whether something whose path is `relative` belongs to the walk. Directories do unless they are
  // excluded: there may be something to include below.
  bool takes(const std::string& relative, bool directory) const;
};

}  // namespace dfs::cli
