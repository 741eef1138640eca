// What the log of the heads says about content, groups and nodes, as far as any head has applied
// it. Seen through the heads' tables; that one lags behind another makes no difference.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "actors/mem_table.h"
#include "actors/monitor/rows.h"

namespace dfs::sim {

class Records {
 public:
  // From the table of one head: what was just written, or all of it.
  void take(const Batch& batch);
  void take_all(Table& table);

  // Told as the first head applies it.
  std::function<void(ObjectId, const ObjectRow&)> committed;
  std::function<void(GroupId, const GroupRow& before, const GroupRow& after)> regrouped;

  // By id; those that became content and did not die.
  const std::map<ObjectId, ObjectRow>& live() const { return live_; }
  bool is_dead(ObjectId object) const;
  const std::map<GroupId, GroupRow>& groups() const { return groups_; }
  uint32_t replicas(GroupId group) const;
  uint32_t min_copies(GroupId group) const;
  // The newest node that listens there, or 0.
  NodeId node_at(const std::string& endpoint) const;
  // Where the node listens, or nothing when another took its place there.
  std::string endpoint_of(NodeId node) const;

 private:
  void take(std::string_view key, std::string_view value);
  void take_object(ObjectId object, ObjectRow row);
  void take_group(GroupId group, GroupRow row);

  std::map<ObjectId, ObjectRow> live_;
  std::map<ObjectId, bool> died_;
  std::map<GroupId, GroupRow> groups_;
  std::map<PoolId, PoolRow> pools_;
  std::map<std::string, NodeId> node_at_;
  ObjectId settled_ = 0;  // those before it that are not content never will be
};

uint32_t blocks_of(const ObjectRow& object);
GroupId home_of(ObjectId id, const ObjectRow& object, uint32_t index);

}  // namespace dfs::sim
