#include <algorithm>

#include "actors/monitor/groups_of.h"
#include "actors/monitor/operations.h"
#include "actors/monitor/reads.h"

namespace dfs {

namespace {

constexpr size_t kObjectsVisited = 4096;  // for a block to name
constexpr size_t kBlocksNamed = 4;
constexpr size_t kGroupsNamed = 64;  // in an event

// What becomes of a node's groups without it.
struct Removal {
  std::vector<std::pair<GroupId, GroupRow>> changed;
  std::vector<GroupId> given_up;  // of those changed: by the accepted loss alone
  std::vector<GroupId> needing;   // the guard refuses
  std::vector<GroupId> losing;    // of those: nobody else is known to have everything
};

// `accepted`: the loss that an administrator accepts, if one does.
Result<Removal> removal_of(Rows& rows, NodeId node, const LossRow* accepted) {
  Removal removal;
  std::optional<Error> failed;
  DFS_CHECK(each_group_of(rows, node, [&](GroupId id, const GroupRow& before) {
    GroupRow after = before;
    std::erase(after.members, node);
    std::erase(after.leaving, node);
    drop_foreign_lacks(after);
    const auto pool = pool_of(rows, before.pool);
    if (!pool) {
      failed = pool.error();
    } else if (may_replace(id, before, after, pool->replicas)) {
      removal.changed.emplace_back(id, std::move(after));
    } else if (accepted != nullptr && may_give_up(id, before, after, node, *accepted)) {
      removal.changed.emplace_back(id, std::move(after));
      removal.given_up.push_back(id);
    } else {
      removal.needing.push_back(id);
      if (is_last_complete(before, node)) removal.losing.push_back(id);
    }
  }));
  if (failed) return *failed;
  return removal;
}

Result<std::string> some_blocks_of(Rows& rows, const std::vector<GroupId>& groups) {
  std::string named;
  size_t blocks = 0;
  size_t visited = 0;
  const std::string prefix(1, keys::kObject);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    const auto object = decode<ObjectRow>(value);
    if (!object || object->state != ObjectState::live) return ++visited < kObjectsVisited;
    for (size_t i = 0; i < object->groups.size(); ++i) {
      if (std::find(groups.begin(), groups.end(), object->groups[i]) == groups.end()) continue;
      if (i * object->block_bytes >= object->size) break;
      named +=
          (named.empty() ? "" : ", ") + std::to_string(read_u64(key, 1)) + ":" + std::to_string(i);
      ++blocks;
      break;
    }
    return blocks < kBlocksNamed && ++visited < kObjectsVisited;
  }));
  return named;
}

Error still_needed(NodeId node, const Removal& removal, const std::string& blocks) {
  const std::string name = std::to_string(node);
  const std::vector<GroupId>& groups = removal.needing;
  Error error{Code::conflict,
              "storage/" + name + " cannot be removed: " + std::to_string(groups.size()) +
                  (groups.size() == 1 ? " group counts" : " groups count") +
                  " on its copies (group " + enumerated(groups) + ")",
              {{"node", name}, {"groups", enumerated(groups)}},
              0};
  if (!blocks.empty()) {
    error.cause["blocks"] = blocks;
    error.text += ", among them the blocks (object:index) " + blocks;
  }
  error.text +=
      removal.losing.empty()
          ? "; drain it first with: dfsctl node drain " + name
          : "; start it again and drain it. When it will never come back, see what would be "
            "lost with: dfsctl node remove " +
                name + " --accept-loss";
  return error;
}

Result<NodeRow> row_of(Rows& rows, NodeId node) {
  auto row = rows.get<NodeRow>(keys::node(node));
  if (!row) return row.error();
  if (*row) return std::move(**row);
  return Error{Code::not_found, "there is no node " + std::to_string(node), {}, 0};
}

Error is_up(NodeId node) {
  const std::string name = std::to_string(node);
  return Error{Code::conflict,
               "storage/" + name + " is up, so what it has need not be lost; drain it with: " +
                   "dfsctl node drain " + name + ", or stop it for ever first",
               {{"node", name}},
               0};
}

}  // namespace

Result<ChangeNodeReply> try_removal(Rows& rows, NodeId node) {
  const auto row = row_of(rows, node);
  if (!row) return row.error();
  auto removal = removal_of(rows, node, nullptr);
  if (!removal) return removal.error();
  ChangeNodeReply reply;
  reply.groups_left = removal->needing.size();
  reply.losing = std::move(removal->losing);
  if (reply.losing.size() > kBatchMax) reply.losing.resize(kBatchMax);
  return reply;
}

Result<ChangeNodeReply> remove_node(VersionedRows& rows, const SetStanding& request) {
  const NodeId node = request.node;
  const auto row = row_of(rows, node);
  if (!row) return row.error();
  if (request.accept_loss && row->state == NodeState::up) return is_up(node);
  LossRow loss{rows.index(), rows.time_ms(), row->uuid, row->endpoint, request.accepted};
  auto removal = removal_of(rows, node, request.accept_loss ? &loss : nullptr);
  if (!removal) return removal.error();
  if (!removal->needing.empty()) {
    auto blocks = some_blocks_of(rows, removal->needing);
    if (!blocks) return blocks.error();
    return still_needed(node, *removal, *blocks);
  }
  auto epoch = grow_map_epoch(rows);
  if (!epoch) return epoch.error();
  for (auto& [id, group] : removal->changed) {
    group.epoch = group.fenced = *epoch;
    rows.put(keys::group(id), std::move(group));
  }
  const std::string name = std::to_string(node);
  if (!removal->given_up.empty()) {
    rows.note("loss-accepted", {{"node", name},
                                {"uuid", row->uuid},
                                {"endpoint", row->endpoint},
                                {"groups", enumerated(removal->given_up, kGroupsNamed)}});
    loss.groups = std::move(removal->given_up);
    rows.put(keys::loss(node), std::move(loss));
  }
  rows.erase<NodeRow>(keys::node(node));
  rows.erase<TaskRow>(keys::task("drain/" + name));
  rows.put(keys::node_uuid(row->uuid), NodeUuidRow{node, true});
  rows.note("node-removed", {{"node", name}, {"endpoint", row->endpoint}});
  return ChangeNodeReply{0, rows.receipt(), {}};
}

}  // namespace dfs
