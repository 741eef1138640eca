// Remote paths as people type them, and where cp-like commands put things.
#pragma once

#include <string>
#include <string_view>

#include "messages/result.h"

namespace dfs::cli {

// Where relative remote paths begin: "/" until the shell's cd. Of the thread that reads the
// commands only.
const std::string& working_directory();
void set_working_directory(std::string path);  // a normal path

// The absolute path that `typed` means: one without '/' in front is below the working directory,
// doubled slashes and "." vanish, ".." goes up and stops at the root. `usage` for an empty path,
// `bad_name` for what no path can hold.
Result<std::string> normal_path(std::string_view typed);

// "/a/" and "/a/." name a directory whatever is there.
bool names_directory(std::string_view text);

std::string base_name(std::string_view path);    // of "/a/b" "b"; of "/" and "" ""
std::string parent_path(std::string_view path);  // of "/a/b" "/a"; of "/" "/"
std::string join_path(std::string_view directory, std::string_view name);

// What a target turned out to be.
enum class TargetKind { missing, file, directory };

// Where one of `sources` sources with base name `name` goes, as cp decides it: inside `target` when
// that is a directory (or is written as one: `as_directory`), else to `target` itself. `usage` when
// several sources share a target that is no directory, `not_directory` when a file was written as a
// directory, `not_found` when a directory is needed and nothing is there.
Result<std::string> target_path(const std::string& target, TargetKind kind, bool as_directory,
                                size_t sources, const std::string& name);

}  // namespace dfs::cli
