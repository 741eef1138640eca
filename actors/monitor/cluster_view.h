// The cluster map as the monitor keeps it in memory, loaded from the rows whenever they change.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/monitor/versioned_rows.h"
#include "messages/cluster.h"
#include "messages/namespace.h"

namespace dfs {

class ClusterView {
 public:
  ClusterView() = default;
  explicit ClusterView(ClusterMap map);
  // Reads the rows. An empty view when there is no cluster yet.
  static Result<ClusterView> load(Rows& rows);

  // The row of a group that the map has changed.
  void set_group(GroupId id, const GroupRow& row);

  const ClusterMap& map() const { return map_; }
  bool exists() const { return !map_.cluster.empty(); }
  uint32_t voters() const { return voters_; }  // of the heads
  bool rebuilding() const { return rebuilding_; }
  Authentication authentication() const { return authentication_; }
  // The secret of ClusterRow.
  const std::string& grant_key() const { return grant_key_; }
  int64_t grant_step_ms() const { return grant_step_ms_; }  // of that change; 0: none goes on
  const NodeView* node(NodeId id) const;
  const NodeView* node_of_uuid(const std::string& uuid) const;
  const GroupView* group(GroupId id) const;
  const PoolView& pool(PoolId id) const;  // the default one when there is none of that number
  const PoolView& pool_of(const GroupView& group) const { return pool(group.pool); }
  const PoolView* pool_named(const std::string& name) const;
  bool is_up(NodeId id) const;
  // All a client needs to reach a group; nodes in `shun` are not flagged up.
  GroupRoute route(GroupId id, const std::vector<NodeId>& shun = {}) const;

 private:
  ClusterMap map_;
  uint32_t voters_ = 1;
  bool rebuilding_ = false;
  Authentication authentication_ = Authentication::off;
  std::string grant_key_;
  int64_t grant_step_ms_ = 0;
  std::unordered_map<NodeId, size_t> nodes_;  // index into map_.nodes
};

}  // namespace dfs
