#include "cli/glob.h"

#include <fnmatch.h>

#include <algorithm>
#include <clocale>
#include <span>

#include "cli/paths.h"

namespace dfs::cli {

namespace {

// fnmatch(3) takes characters for those of the thread's locale, and the programs set none.
class InUtf8 {
 public:
  InUtf8() : before_(locale() == nullptr ? nullptr : uselocale(locale())) {}
  ~InUtf8() {
    if (before_ != nullptr) uselocale(before_);
  }
  InUtf8(const InUtf8&) = delete;
  InUtf8& operator=(const InUtf8&) = delete;

 private:
  static locale_t locale() {
    static locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
  }
  locale_t before_;
};

bool components_match(std::span<const std::string> patterns, std::span<const std::string> names) {
  while (!patterns.empty() && patterns.front() != "**") {
    if (names.empty() || !name_matches(patterns.front(), names.front())) return false;
    patterns = patterns.subspan(1);
    names = names.subspan(1);
  }
  if (patterns.empty()) return names.empty();
  // Several `**` in a row are one, which keeps the search below short.
  while (!patterns.empty() && patterns.front() == "**") patterns = patterns.subspan(1);
  if (patterns.empty()) return true;
  for (size_t skipped = 0; skipped < names.size(); ++skipped) {
    if (components_match(patterns, names.subspan(skipped))) return true;
  }
  return false;
}

bool rule_matches(std::string_view rule, const std::string& relative, bool directory) {
  if (rule.ends_with('/')) {
    if (!directory) return false;
    rule.remove_suffix(1);
  }
  if (rule.find('/') == std::string_view::npos && rule != "**") {
    return name_matches(std::string(rule), base_name(relative));
  }
  return components_match(components_of(rule), components_of(relative));
}

}  // namespace

bool is_pattern(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
      return true;
    }
  }
  return false;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

bool name_matches(const std::string& pattern, const std::string& name, bool any_case) {
  const InUtf8 locale;
  return fnmatch(pattern.c_str(), name.c_str(), any_case ? FNM_CASEFOLD : 0) == 0;
}

bool path_matches(std::string_view pattern, std::string_view path) {
  return components_match(components_of(pattern), components_of(path));
}

std::vector<std::string> components_of(std::string_view path) {
  std::vector<std::string> components;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) components.emplace_back(path.substr(at, end - at));
    at = end + 1;
  }
  return components;
}

bool GlobFilter::takes(const std::string& relative, bool directory) const {
  const auto matches = [&](const std::string& rule) {
    return rule_matches(rule, relative, directory);
  };
  if (std::any_of(exclude.begin(), exclude.end(), matches)) return false;
  if (directory || include.empty()) return true;
  return std::any_of(include.begin(), include.end(), matches);
}

}  // namespace dfs::cli
