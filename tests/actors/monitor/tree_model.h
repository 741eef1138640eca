#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "messages/result.h"

namespace dfs {

// A tree of names that is as simple as can be, and what the operations on it say.
struct TreeModel {
  // Path → content of a file, or nothing for a directory.
  std::map<std::string, std::optional<std::string>> paths = {{"/", std::nullopt}};

  static std::string parent(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  static std::string below(const std::string& path) { return path == "/" ? path : path + "/"; }
  bool exists(const std::string& path) const { return paths.contains(path); }
  bool is_directory(const std::string& path) const {
    return exists(path) && !paths.at(path).has_value();
  }
  std::vector<std::string> children(const std::string& path) const {
    std::vector<std::string> out;
    for (const auto& [other, content] : paths) {
      if (other != "/" && parent(other) == path) out.push_back(other);
    }
    return out;
  }

  // Why the way to `path` is blocked, or ok.
  Code way(const std::string& path) const {
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
      const std::string part = path.substr(0, at);
      if (!exists(part)) return Code::not_found;
      if (!is_directory(part)) return Code::not_directory;
    }
    return Code::ok;
  }

  Code make_dir(const std::string& path, bool parents) {
    if (!parents) {
      if (const Code code = way(path); code != Code::ok) return code;
      if (exists(path)) return Code::exists;
      paths[path] = std::nullopt;
      return Code::ok;
    }
    std::vector<std::string> parts;
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
      parts.push_back(path.substr(0, at));
    }
    parts.push_back(path);
    for (const std::string& part : parts) {
      if (exists(part) && !is_directory(part)) return Code::not_directory;
    }
    for (const std::string& part : parts) paths[part] = std::nullopt;
    return Code::ok;
  }

  Code put(const std::string& path, const std::string& content) {
    if (const Code code = way(path); code != Code::ok) return code;
    if (is_directory(path)) return Code::is_directory;
    paths[path] = content;
    return Code::ok;
  }

  Code remove(const std::string& path, bool recursive) {
    if (const Code code = way(path); code != Code::ok) return code;
    if (path == "/") return Code::invalid;
    if (!exists(path)) return Code::not_found;
    if (!children(path).empty() && !recursive) return Code::not_empty;
    std::erase_if(paths, [&](const auto& row) {
      return row.first == path || row.first.starts_with(below(path));
    });
    return Code::ok;
  }

  Code rename(const std::string& from, const std::string& to, bool replace) {
    if (from == "/" || to == "/") return Code::invalid;
    if (const Code code = way(from); code != Code::ok) return code;
    if (!exists(from)) return Code::not_found;
    if (const Code code = way(to); code != Code::ok) return code;
    if (is_directory(from) && to.starts_with(below(from))) return Code::loop;
    if (exists(to)) {
      if (!replace) return Code::exists;
      if (from == to) return Code::ok;
      if (is_directory(from) && !is_directory(to)) return Code::not_directory;
      if (!is_directory(from) && is_directory(to)) return Code::is_directory;
      if (!children(to).empty()) return Code::not_empty;
    }
    std::map<std::string, std::optional<std::string>> moved;
    for (const auto& [path, content] : paths) {
      if (path == from || path.starts_with(below(from))) {
        moved[to + path.substr(from.size())] = content;
      }
    }
    std::erase_if(paths, [&](const auto& row) {
      return row.first == from || row.first.starts_with(below(from));
    });
    for (const auto& [path, content] : moved) paths[path] = content;
    return Code::ok;
  }

  // What `from` held in `then`, which may be of the past.
  Code copy(const TreeModel& then, const std::string& from, const std::string& to) {
    if (const Code code = then.way(from); code != Code::ok) return code;
    if (!then.exists(from)) return Code::not_found;
    if (then.is_directory(from)) return Code::is_directory;
    return put(to, *then.paths.at(from));
  }
};

}  // namespace dfs
