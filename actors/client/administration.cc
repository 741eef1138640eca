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
  ChangeNode request;
  request.node = node;
  request.action = action;
  return state_->ask(std::move(request));
}

Task<Result<ChangeNodeReply>> Client::change_node(ChangeNode request) {
  return state_->ask(std::move(request));
}

Task<Result<SetPoolReply>> Client::set_pool(SetPool request) {
  return state_->ask(std::move(request));
}

Task<Result<RotatePoolKeyReply>> Client::rotate_pool_key(std::string pool) {
  RotatePoolKey request;
  request.pool = std::move(pool);
  return state_->ask(std::move(request));
}

Task<Result<PoolKeyList>> Client::export_pool_keys(std::string pool) {
  return state_->ask(ExportPoolKeys{std::move(pool)});
}

Task<Result<ImportPoolKeysReply>> Client::import_pool_keys(std::vector<PoolKeyView> keys) {
  ImportPoolKeys request;
  request.keys = std::move(keys);
  return state_->ask(std::move(request));
}

Task<Result<SetAttributesReply>> Client::set_attributes(SetAttributes request) {
  return state_->ask(std::move(request));
}

Task<Result<AgentList>> Client::agents() {
  return state_->ask(ListAgents{});
}

Task<Result<CreateNodeReply>> Client::create_node(std::string host, CreateNode request) {
  CallOptions options;
  options.deadline = state_->settings.deadline;
  options.trace = state_->bus.random();
  Task<Result<Answer<CreateNode>>> asking =
      state_->calls.ask<CreateNode>(kAgentService + host, std::move(request), std::move(options));
  Result<Answer<CreateNode>> answer = co_await asking;
  if (!answer) co_return std::move(answer).error();
  co_return std::move(answer->message);
}

Task<Result<AddJoinTokenReply>> Client::add_join_token(AddJoinToken request) {
  return state_->ask(std::move(request));
}

Task<Result<SetJoinRuleReply>> Client::set_join_rule(JoinRule rule) {
  return state_->ask(SetJoinRule{rule});
}

Task<Result<JoinTokenList>> Client::join_tokens() {
  return state_->ask(ListJoinTokens{});
}

Task<Result<ScrubStatus>> Client::control_scrub(NodeView node, ScrubAction action) {
  Task<Result<void>> passing = state_->take_pass();
  const Result<void> passed = co_await passing;
  if (!passed) co_return passed.error();
  CallOptions options;
  options.deadline = state_->settings.deadline;
  Task<Result<Answer<ControlScrub>>> calling = state_->calls.call<ControlScrub>(
      node.endpoint, storage_address(node.node), ControlScrub{action}, std::move(options));
  Result<Answer<ControlScrub>> answer = co_await calling;
  if (!answer) co_return std::move(answer).error();
  co_return std::move(answer->message);
}

}  // namespace dfs
