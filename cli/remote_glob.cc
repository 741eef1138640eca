#include "cli/remote_glob.h"

#include <algorithm>
#include <set>
#include <span>

#include "cli/glob.h"
#include "cli/paths.h"

namespace dfs::cli {

namespace {

// The beginning that all matches of one component share.
std::string literal_prefix(std::string_view component) {
  std::string prefix;
  for (size_t i = 0; i < component.size(); ++i) {
    if (std::string_view("*?[").find(component[i]) != std::string_view::npos) break;
    if (component[i] == '\\' && i + 1 < component.size()) ++i;
    prefix += component[i];
  }
  return prefix;
}

class Expansion {
 public:
  Expansion(const TreeWalk::Lister& lister, bool directories)
      : lister_(lister), directories_(directories) {}

  Result<void> search(const std::string& directory, std::span<const std::string> patterns) {
    const std::string& first = patterns.front();
    const auto rest = patterns.subspan(1);
    if (first != "**") return match(directory, first, rest, false);
    // `a/**` is all below a, `a/**/b` is b in a and everywhere below.
    if (rest.empty()) return match(directory, "*", rest, true);
    DFS_CHECK(search(directory, rest));
    return each(directory, "", [&](const ListEntry& entry) -> Result<void> {
      if (entry.info.type != FileType::directory) return {};
      return search(join_path(directory, entry.name), patterns);
    });
  }

  const std::set<std::string>& paths() const { return paths_; }

 private:
  // What matches `pattern` in this directory, and with `deep` in those below too.
  Result<void> match(const std::string& directory, const std::string& pattern,
                     std::span<const std::string> rest, bool deep) {
    return each(directory, literal_prefix(pattern), [&](const ListEntry& entry) -> Result<void> {
      if (!name_matches(pattern, entry.name)) return {};
      const std::string path = join_path(directory, entry.name);
      const bool is_directory = entry.info.type == FileType::directory;
      if (!rest.empty()) return is_directory ? search(path, rest) : Result<void>();
      if (is_directory || !directories_) paths_.insert(path);
      return deep && is_directory ? match(path, pattern, rest, true) : Result<void>();
    });
  }

  Result<void> each(const std::string& directory, const std::string& prefix,
                    const std::function<Result<void>(const ListEntry&)>& visit) {
    std::string after = prefix;
    // The greatest name that is less than the prefix and as short as it.
    if (!after.empty()) after.back() = static_cast<char>(static_cast<uint8_t>(after.back()) - 1);
    while (true) {
      auto page = lister_(directory, after);
      const bool absent = page.code() == Code::not_found || page.code() == Code::not_directory;
      if (absent) return {};
      if (!page) return page.error();
      for (const ListEntry& entry : page->entries) {
        if (bad_name(entry.name) != nullptr) continue;
        const bool has_prefix = entry.name.starts_with(prefix);
        if (!has_prefix && entry.name > prefix) return {};
        if (has_prefix) DFS_CHECK(visit(entry));
      }
      if (!page->more || page->entries.empty()) return {};
      after = page->entries.back().name;
    }
  }

  const TreeWalk::Lister& lister_;
  bool directories_;
  std::set<std::string> paths_;  // `a/**/**` finds one several times
};

}  // namespace

Result<void> expand_pattern(const TreeWalk::Lister& lister, const std::string& pattern,
                            const std::function<void(std::string)>& found) {
  const std::vector<std::string> components = components_of(pattern);
  // The directories above the first wildcard need not be listed.
  std::string directory = "/";
  size_t plain = 0;
  while (plain < components.size() && !is_pattern(components[plain])) {
    directory = join_path(directory, unescaped(components[plain++]));
  }
  if (plain == components.size()) return {};
  Expansion expansion(lister, pattern.ends_with('/'));
  DFS_CHECK(expansion.search(directory, std::span(components).subspan(plain)));
  for (const std::string& path : expansion.paths()) found(path);
  return {};
}

}  // namespace dfs::cli
