// What an administrator asks for: nodes, pools, and work in the background.
#include "actors/client/client_state.h"
#include "actors/client/node_health.h"

namespace dfs {

Task<Result<TaskList>> Client::tasks() {
  return state_->ask(ListTasks{});
}

Task<Result<ControlTaskReply>> Client::control_task(ControlTask request) {
  return state_->ask(std::move(request));
}

Task<Result<ChangeNodeReply>> Client::change_node(NodeId node, NodeAction action) {
  return state_->ask(ChangeNode{node, action});
}

Task<Result<SetPoolReply>> Client::set_pool(SetPool request) {
  return state_->ask(std::move(request));
}

Task<Result<SetAttributesReply>> Client::set_attributes(SetAttributes request) {
  return state_->ask(std::move(request));
}

Task<Result<ScrubStatus>> Client::control_scrub(NodeView node, ScrubAction action) {
  CallOptions options;
  options.deadline = state_->settings.deadline;
  Task<Result<Answer<ControlScrub>>> calling = state_->calls.call<ControlScrub>(
      node.endpoint, storage_address(node.node), ControlScrub{action}, std::move(options));
  Result<Answer<ControlScrub>> answer = co_await calling;
  if (!answer) co_return std::move(answer).error();
  co_return std::move(answer->message);
}

}  // namespace dfs
