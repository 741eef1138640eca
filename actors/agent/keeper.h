// Keeps one storage node running: starts it, sees it end, starts it again.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "actors/agent/node_process.h"
#include "messages/agents.h"

namespace dfs::agent {

struct KeeperSettings {
  std::string program;                                     // dfsd
  Duration check_period = std::chrono::milliseconds(500);  // between two looks at the process
  Duration pause_min = std::chrono::seconds(1);            // before the first new start;
  Duration pause_max = std::chrono::minutes(5);            // each one doubles it up to this
  Duration calm_after = std::chrono::minutes(1);  // a process that lived so long began well
};

class Keeper {
 public:
  // Tells the world of what it should know.
  using Tell = std::function<void(std::string topic, std::map<std::string, std::string> fields)>;
  Keeper(Tools tools, KeeperSettings settings, std::string name, std::string folder,
         NodeRecord record, Tell tell);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Starts the node, or takes over its process if there is one. Again after it has given up.
  void begin(std::string token = {});

  const AgentNode& view() const { return view_; }
  const NodeRecord& record() const { return record_; }
  // It asked for a node that never came to be; the folder may be used for another.
  bool is_unused() const;
  // Another request is to have the folder, which was prepared for it.
  void reassign(NodeRecord record) { record_ = std::move(record); }
  // Why it gave up.
  const std::optional<Error>& failure() const { return failure_; }
  // `view` changed.
  Signal& changed() { return changed_; }

 private:
  Task<void> keep();
  Task<NodeSight> watch(NodeProcess process);
  Task<void> note_joined(NodeId node);
  void enter(AgentNodeState state, std::string text = {});
  void give_up(Error error);

  Tools tools_;
  const KeeperSettings settings_;
  const Tell tell_;
  NodeRecord record_;
  AgentNode view_;
  std::string token_;
  std::optional<Error> failure_;
  Signal changed_;
  TaskScope scope_;  // last: its flow uses all of the above
};

}  // namespace dfs::agent
