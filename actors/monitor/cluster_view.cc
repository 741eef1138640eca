#include "actors/monitor/cluster_view.h"

#include <algorithm>

namespace dfs {

namespace {

// Calls visit(number in the key, row) for every row of one kind.
template <Fielded R, class Visit>
Result<void> each_row(Rows& rows, char kind, const Visit& visit) {
  std::optional<Error> failed;
  const std::string prefix(1, kind);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<R>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    visit(read_u32(key, 1), *row);
    return true;
  }));
  if (failed) return *failed;
  return {};
}

}  // namespace

ClusterView::ClusterView(ClusterMap map) : map_(std::move(map)) {
  for (size_t i = 0; i < map_.nodes.size(); ++i) nodes_[map_.nodes[i].node] = i;
}

Result<ClusterView> ClusterView::load(Rows& rows) {
  ClusterMap map;
  auto cluster = rows.get<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  if (!*cluster) return ClusterView();
  map.cluster = (*cluster)->cluster;
  map.epoch = (*cluster)->map_epoch;
  auto pool = rows.require<PoolRow>(keys::pool(kDefaultPool));
  if (!pool) return pool.error();
  map.pool = PoolView{kDefaultPool, pool->replicas, pool->min_copies, pool->groups};
  DFS_CHECK(each_row<NodeRow>(rows, keys::kNode, [&](NodeId node, const NodeRow& row) {
    map.nodes.push_back(
        {node, row.uuid, row.endpoint, row.host, row.rack, row.state, row.total_bytes});
  }));
  DFS_CHECK(each_row<GroupRow>(rows, keys::kGroup, [&](GroupId group, const GroupRow& row) {
    map.groups.push_back({group, row.epoch, row.members, row.used});
  }));
  auto heads = rows.get<HeadsRow>(keys::heads());
  if (!heads) return heads.error();
  if (*heads) map.heads = std::move((*heads)->heads);
  ClusterView view(std::move(map));
  if (*heads) view.voters_ = (*heads)->voters;
  return view;
}

const NodeView* ClusterView::node(NodeId id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : &map_.nodes[found->second];
}

const NodeView* ClusterView::node_of_uuid(const std::string& uuid) const {
  const auto found = std::find_if(map_.nodes.begin(), map_.nodes.end(),
                                  [&](const NodeView& node) { return node.uuid == uuid; });
  return found == map_.nodes.end() ? nullptr : &*found;
}

// Groups are numbered from 0 without gaps.
const GroupView* ClusterView::group(GroupId id) const {
  return id < map_.groups.size() ? &map_.groups[id] : nullptr;
}

bool ClusterView::is_up(NodeId id) const {
  const NodeView* view = node(id);
  return view != nullptr && view->state == NodeState::up;
}

GroupRoute ClusterView::route(GroupId id, const std::vector<NodeId>& shun) const {
  GroupRoute route;
  route.group = id;
  const GroupView* view = group(id);
  if (view == nullptr) return route;
  route.epoch = view->epoch;
  for (const NodeId member : view->members) {
    const NodeView* known = node(member);
    if (known == nullptr) continue;
    const bool shunned = std::find(shun.begin(), shun.end(), member) != shun.end();
    route.members.push_back({member, known->endpoint, is_up(member) && !shunned});
  }
  return route;
}

}  // namespace dfs
