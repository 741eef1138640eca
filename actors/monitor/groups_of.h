// The groups that a node takes part in.
#pragma once

#include "actors/monitor/guard.h"

namespace dfs {

// Calls visit(group number, row) for each group that the node takes part in.
template <class Visit>
Result<void> each_group_of(Rows& rows, NodeId node, const Visit& visit) {
  std::optional<Error> failed;
  const std::string prefix(1, keys::kGroup);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<GroupRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    if (is_holder(*row, node)) visit(read_u32(key, 1), *row);
    return true;
  }));
  if (failed) return *failed;
  return {};
}

}  // namespace dfs
