#include "actors/monitor/operations.h"

namespace dfs {

Result<Done> set_node_state(VersionedRows& rows, const SetNodeState& request) {
  const std::string key = keys::node(request.node);
  auto row = rows.get<NodeRow>(key);
  if (!row) return row.error();
  if (!*row) {
    return Error{Code::not_found, "there is no node " + std::to_string(request.node), {}, 0};
  }
  if ((*row)->state == request.state) return Done{};
  (*row)->state = request.state;
  (*row)->state_ms = rows.time_ms();
  const bool back = request.state == NodeState::up && (*row)->standing == NodeStanding::out;
  if (back) (*row)->standing = NodeStanding::in;
  rows.note(request.state == NodeState::up ? "node-up" : "node-down",
            {{"node", std::to_string(request.node)},
             {"endpoint", (*row)->endpoint},
             {"reason", request.reason}});
  rows.put(key, std::move(**row));
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  return Done{};
}

}  // namespace dfs
