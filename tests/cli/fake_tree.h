// A tree of directories in memory, listed in pages as the cluster lists its own.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cli/paths.h"
#include "cli/tree_walk.h"

namespace dfs::cli {

class FakeTree {
 public:
  explicit FakeTree(size_t page_entries = 2) : page_entries_(page_entries) {
    directories_["/"] = {};
  }

  // A path that ends with '/' is a directory; those above are made too.
  FakeTree& add(const std::string& text, uint64_t size = 1) {
    std::string path = text;
    InodeInfo info;
    info.size = size;
    if (path.ends_with('/')) {
      path.pop_back();
      info.type = FileType::directory;
      info.size = 0;
      directories_[path];
    }
    const std::string above = parent_path(path);
    if (!directories_.contains(above)) add(above + "/");
    directories_[above][base_name(path)] = info;
    return *this;
  }
  void fail(const std::string& directory, Code code) { failing_[directory] = code; }

  Result<ListReply> list(const std::string& directory, const std::string& after) {
    const std::scoped_lock lock(mutex_);
    lists.push_back(directory);
    if (failing_.contains(directory)) return Error{failing_.at(directory), "made to fail", {}, 0};
    const auto entries = directories_.find(directory);
    if (entries == directories_.end()) return Error{Code::not_found, "no such directory", {}, 0};
    ListReply page;
    for (auto at = entries->second.upper_bound(after); at != entries->second.end(); ++at) {
      if (page.entries.size() == page_entries_) {
        page.more = true;
        break;
      }
      page.entries.push_back({at->first, at->second});
    }
    return page;
  }
  TreeWalk::Lister lister() {
    return [this](const std::string& directory, const std::string& after) {
      return list(directory, after);
    };
  }

  std::vector<std::string> lists;  // which directories were listed, a page each

 private:
  const size_t page_entries_;
  std::map<std::string, std::map<std::string, InodeInfo>> directories_;
  std::map<std::string, Code> failing_;
  std::mutex mutex_;
};

}  // namespace dfs::cli
