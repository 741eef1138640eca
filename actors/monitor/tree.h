// Finding one's way in the directory tree, and the words for not finding it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/monitor/rights.h"
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
// the directories on the way is not there or not a directory (cause `at` names it), with `denied`
// when `who` may not search one of them. When `through` is given, it receives the inodes passed,
// the root first.
Result<Place> find_place(Rows& rows, const std::string& path, const Requester& who,
                         std::vector<Ino>* through = nullptr);

struct Found {
  Ino ino = 0;
  InodeRow inode;
};
// What is at `path`; `not_found` when nothing is, `denied` as find_place().
Result<Found> find(Rows& rows, const std::string& path, const Requester& who);

// What follows fails with `denied` and says what is missing, where, and whose that is.

// The ticket must be good for what is at `path`, or for changing what is there.
Result<void> check_within(const Requester& who, const std::string& path);
Result<void> check_changes(const Requester& who, const std::string& path);
// Their rights to what is at `path`.
Result<void> check_rights(const Requester& who, const InodeRow& inode, uint32_t rights,
                          const std::string& path);
// Something is looked for in, or added to, the directory that holds `path`.
Result<void> check_may_search(Rows& rows, Ino directory, const Requester& who,
                              const std::string& path);
Result<void> check_may_add(Rows& rows, Ino directory, const Requester& who,
                           const std::string& path);
// The entry of `place` is taken away, or gets another name.
Result<void> check_may_take(Rows& rows, const Place& place, const Requester& who,
                            const std::string& path);
// `what`: "may not change the mode".
Error not_allowed(const Requester& who, const InodeRow& inode, const std::string& what,
                  const std::string& right, const std::string& path);

// The pool that the nearest directory above `path` names for new files; empty when none does. Fails
// like find_place().
Result<std::string> pool_for(Rows& rows, const std::string& path);
Result<bool> goes_to_encrypted_pool(Rows& rows, const std::string& path);

InodeInfo info_of(Ino ino, const InodeRow& row);

// A path in a sentence: as it is when it is plain, else quoted with its control characters escaped.
std::string shown(const std::string& path);
Error error_at(Code code, const std::string& what, const std::string& path);
Error no_such_path(const std::string& path);

}  // namespace dfs
