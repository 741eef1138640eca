#include "actors/monitor/guard.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

// Every group, when the command names none.
Result<std::vector<GroupId>> groups_named(VersionedRows& rows, const SetLacking& request) {
  if (!request.groups.empty()) return request.groups;
  std::vector<GroupId> groups;
  const std::string prefix(1, keys::kGroup);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto) {
    groups.push_back(read_u32(key, 1));
    return true;
  }));
  return groups;
}

// So that no later leader takes what was dealt with for news.
Result<void> note_losses(VersionedRows& rows, const SetLacking& request) {
  if (request.losses == 0) return {};
  auto row = rows.get<NodeRow>(keys::node(request.node));
  if (!row) return row.error();
  if (!*row) return {};
  (*row)->boot = request.boot;
  (*row)->losses = request.losses;
  rows.put(keys::node(request.node), std::move(**row));
  return {};
}

}  // namespace

// A group without committed data counts too: an upload under way may have lost a copy.
Result<Done> set_lacking(VersionedRows& rows, const SetLacking& request) {
  auto groups = groups_named(rows, request);
  if (!groups) return groups.error();
  DFS_CHECK(note_losses(rows, request));
  size_t marked = 0;
  bool news = false;
  for (const GroupId id : *groups) {
    auto row = rows.get<GroupRow>(keys::group(id));
    if (!row) return row.error();
    if (!*row || !is_holder(**row, request.node)) continue;
    news = become_lacking(**row, request.node, rows.index()) || news;
    rows.put(keys::group(id), std::move(**row));
    ++marked;
  }
  if (marked > 0) {
    rows.note("node-lacking", {{"node", std::to_string(request.node)},
                               {"groups", std::to_string(marked)},
                               {"reason", request.reason}});
  }
  if (!news) return Done{};
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  return Done{};
}

}  // namespace dfs
