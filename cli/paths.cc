#include "cli/paths.h"

#include <vector>

#include "cli/output.h"
#include "messages/namespace.h"

namespace dfs::cli {

namespace {
std::string& working() {
  static std::string directory = "/";
  return directory;
}
}  // namespace

const std::string& working_directory() {
  return working();
}

void set_working_directory(std::string path) {
  working() = std::move(path);
}

Result<std::string> normal_path(std::string_view typed) {
  if (typed.empty()) {
    return Result<std::string>(Code::usage, "an empty path; name a file, or / for the root");
  }
  const std::string absolute =
      typed.starts_with("/") ? std::string(typed) : join_path(working_directory(), typed);
  const std::string_view text = absolute;
  std::vector<std::string_view> names;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('/', at), text.size());
    const std::string_view name = text.substr(at, end - at);
    if (name == "..") {
      if (!names.empty()) names.pop_back();
    } else if (!name.empty() && name != ".") {
      names.push_back(name);
    }
    at = end + 1;
  }
  std::string path;
  for (const std::string_view name : names) path.append(1, '/').append(name);
  if (path.empty()) path.push_back('/');
  if (const char* why = bad_path(path)) return Result<std::string>(Code::bad_name, why);
  return path;
}

bool names_directory(std::string_view text) {
  return text.ends_with("/") || text.ends_with("/.") || text.ends_with("/..") || text == "." ||
         text == "..";
}

std::string base_name(std::string_view path) {
  while (path.ends_with("/")) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string parent_path(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos || slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.ends_with("/")) path += '/';
  return path.append(name);
}

Result<std::string> target_path(const std::string& target, TargetKind kind, bool as_directory,
                                size_t sources, const std::string& name) {
  if (kind == TargetKind::directory) {
    if (name.empty()) {
      return Result<std::string>(Code::usage, "the source has no name of its own; name the target");
    }
    return join_path(target, name);
  }
  if (kind == TargetKind::file && as_directory) {
    return Result<std::string>(Code::not_directory, "it is a file; leave the trailing slash out");
  }
  if (sources > 1) {
    return Result<std::string>(Code::usage, "several sources need an existing directory as target");
  }
  if (as_directory) {
    return Result<std::string>(Code::not_found, "no such directory; make it first with mkdir");
  }
  return target;
}

}  // namespace dfs::cli
