// Finding one's way in the directory tree, and the words for not finding it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/monitor/versioned_rows.h"

namespace dfs {

// Where a path leads: its last name in the directory that holds it, and what is there, if anything.
struct Place {
  Ino parent = 0;  // 0: the path is the root
  std::string name;
  std::optional<EntryRow> entry;

  bool is_root() const { return parent == 0; }
  bool is_directory() const { return entry && entry->type == FileType::directory; }
};

// Walks to the directory that holds `path`. Fails with `not_found` or `not_directory` when one of
// the directories on the way is not there or not a directory (cause `at` names it). When `through`
// is given, it receives the inodes passed, the root first.
Result<Place> find_place(Rows& rows, const std::string& path, std::vector<Ino>* through = nullptr);

struct Found {
  Ino ino = 0;
  InodeRow inode;
};
// What is at `path`; `not_found` when nothing is.
Result<Found> find(Rows& rows, const std::string& path);

// The pool that the nearest directory above `path` names for new files; empty when none does. Fails
// like find_place().
Result<std::string> pool_for(Rows& rows, const std::string& path);

InodeInfo info_of(Ino ino, const InodeRow& row);

// A path in a sentence: as it is when it is plain, else quoted with its control characters escaped.
std::string shown(const std::string& path);
Error error_at(Code code, const std::string& what, const std::string& path);
Error no_such_path(const std::string& path);

}  // namespace dfs
