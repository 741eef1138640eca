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

Result<void> load_pools(Rows& rows, ClusterMap& map) {
  std::optional<Error> failed;
  const std::string prefix(1, keys::kPool);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<PoolRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    map.pools.push_back({std::string(key.substr(1)), row->replicas, row->min_copies, row->groups,
                         row->id, row->key != 0});
    return true;
  }));
  if (failed) return *failed;
  std::sort(map.pools.begin(), map.pools.end(),
            [](const PoolView& a, const PoolView& b) { return a.id < b.id; });
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
  DFS_CHECK(load_pools(rows, map));
  DFS_CHECK(each_row<NodeRow>(rows, keys::kNode, [&](NodeId node, const NodeRow& row) {
    map.nodes.push_back({node, row.uuid, row.endpoint, row.host, row.rack, row.state,
                         row.total_bytes, row.standing, row.key});
  }));
  DFS_CHECK(each_row<GroupRow>(rows, keys::kGroup, [&](GroupId group, const GroupRow& row) {
    map.groups.push_back(
        {group, row.epoch, row.members, row.used, row.pool, row.leaving, row.lacking});
  }));
  auto heads = rows.get<HeadsRow>(keys::heads());
  if (!heads) return heads.error();
  if (*heads) map.heads = std::move((*heads)->heads);
  ClusterView view(std::move(map));
  if (*heads) view.voters_ = (*heads)->voters;
  auto rebuild = rows.get<RebuildRow>(keys::rebuild());
  if (!rebuild) return rebuild.error();
  view.authentication_ = (*cluster)->authentication;
  view.grant_key_ = (*cluster)->grant_key.bytes;
  view.grant_step_ms_ = (*cluster)->grant_turn_ms;
  if (view.grant_step_ms_ == 0) view.grant_step_ms_ = (*cluster)->grant_drop_ms;
  view.rebuilding_ = *rebuild && (*rebuild)->active;
  return view;
}

void ClusterView::set_group(GroupId id, const GroupRow& row) {
  DFS_ASSERT(id < map_.groups.size());
  map_.groups[id] = {id, row.epoch, row.members, row.used, row.pool, row.leaving, row.lacking};
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

const PoolView& ClusterView::pool(PoolId id) const {
  static const PoolView none;
  if (map_.pools.empty()) return none;
  return id < map_.pools.size() ? map_.pools[id] : map_.pools.front();
}

const PoolView* ClusterView::pool_named(const std::string& name) const {
  const auto found = std::find_if(map_.pools.begin(), map_.pools.end(),
                                  [&](const PoolView& pool) { return pool.name == name; });
  return found == map_.pools.end() ? nullptr : &*found;
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
  const auto add = [&](NodeId holder, bool leaving) {
    const NodeView* known = node(holder);
    if (known == nullptr) return;
    const bool shunned = std::find(shun.begin(), shun.end(), holder) != shun.end();
    route.members.push_back(
        {holder, known->endpoint, is_up(holder) && !shunned, !view->lacks(holder), leaving});
  };
  for (const NodeId member : view->members) add(member, false);
  for (const NodeId member : view->leaving) add(member, true);
  return route;
}

}  // namespace dfs
