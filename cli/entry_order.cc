#include "cli/entry_order.h"

#include <algorithm>

namespace dfs::cli {

void sort_entries(std::vector<ListEntry>& entries, EntryOrder order, bool reverse) {
  const auto before = [order](const ListEntry& a, const ListEntry& b) {
    if (order == EntryOrder::time && a.info.modified_ms != b.info.modified_ms) {
      return a.info.modified_ms > b.info.modified_ms;
    }
    if (order == EntryOrder::size && a.info.size != b.info.size) return a.info.size > b.info.size;
    return a.name < b.name;
  };
  std::sort(entries.begin(), entries.end(), before);
  if (reverse) std::reverse(entries.begin(), entries.end());
}

}  // namespace dfs::cli
