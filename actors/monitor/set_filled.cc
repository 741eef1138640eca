#include <algorithm>

#include "actors/monitor/guard.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

// Whether what these nodes held together was all that the group ever acknowledged, as far as it
// can be known: one of them had everything, or nobody else has anything.
bool suffices(const GroupRow& group, const GroupFilled& filled) {
  bool all = true;
  for (const NodeId node : holders(group)) {
    if (node == filled.node) continue;
    const bool source = includes(filled.sources, node);
    if (source && is_complete(group, node)) return true;
    all = all && source;
  }
  return all;
}

}  // namespace

Result<Done> set_filled(VersionedRows& rows, const SetFilled& request) {
  Epoch epoch = 0;  // of the map, grown with the first group that changes
  for (const GroupFilled& filled : request.filled) {
    auto row = rows.get<GroupRow>(keys::group(filled.group));
    if (!row) return row.error();
    if (!*row) continue;
    GroupRow& group = **row;
    const auto lack = std::find_if(group.lacking.begin(), group.lacking.end(),
                                   [&](const Lack& its) { return its.node == filled.node; });
    if (lack == group.lacking.end() || lack->since > filled.as_of) continue;
    if (!suffices(group, filled)) continue;
    group.lacking.erase(lack);
    if (epoch == 0) {
      auto grown = grow_map_epoch(rows);
      if (!grown) return grown.error();
      epoch = *grown;
    }
    rows.note("group-filled",
              {{"group", std::to_string(filled.group)}, {"node", std::to_string(filled.node)}});
    if (filled.unreadable > 0) {
      rows.note("blocks-unreadable", {{"group", std::to_string(filled.group)},
                                      {"node", std::to_string(filled.node)},
                                      {"blocks", std::to_string(filled.unreadable)}});
    }
    auto finished = finish_move(rows, filled.group, group, epoch);
    if (!finished) return finished.error();
    rows.put(keys::group(filled.group), std::move(group));
  }
  return Done{};
}

}  // namespace dfs
