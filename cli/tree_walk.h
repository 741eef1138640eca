// A walk through the tree below a directory: parents before what is in them, siblings in the order
// of their names. Pages of lists that will be needed are asked for ahead, several at once; in
// memory are a few pages for each directory on the way down, however large the tree is.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "messages/namespace.h"
#include "messages/result.h"

namespace dfs::cli {

struct Found {
  std::string path;
  std::string name;
  InodeInfo info;
  uint32_t depth = 0;  // 0: where the walk began
  bool last = false;   // no sibling comes after it

  bool directory() const { return info.type == FileType::directory; }
  // The path as seen from `root`: of "/a/b/c" below "/a" it is "b/c".
  std::string below(const std::string& root) const;
};

struct WalkRules {
  uint32_t depth_max = UINT32_MAX;  // what is deeper is not looked at
  // What is left out is neither visited nor entered. Asked once for each entry, long before it is
  // visited; empty: nothing is left out.
  std::function<bool(const Found&)> keep = {};
};

struct WalkVisitor {
  std::function<bool(const Found&)> visit;       // false ends the walk
  std::function<bool(const Found&)> leave = {};  // a directory, when all below was visited
  std::function<bool(const Found&, const Error&)> failed;  // to list this directory; likewise
};

class TreeWalk {
 public:
  // A page of the entries of `directory` whose names are greater than `after`. Called on several
  // threads at once.
  using Lister =
      std::function<Result<ListReply>(const std::string& directory, const std::string& after)>;

  // At most `at_once` lists are under way.
  TreeWalk(Lister lister, WalkRules rules, size_t at_once);
  ~TreeWalk();

  // Visits `root`, whatever the rules say, and all below it. A directory that is gone when it is
  // its turn is passed over.
  void run(Found root, const WalkVisitor& visitor);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs::cli
