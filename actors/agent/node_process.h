// A storage node as a process: how it is started, and how one learns that it is up. Used by the
// agent and by whoever starts a single node.
#pragma once

#include <memory>
#include <string>

#include "actors/agent/node_folder.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/cluster.h"

namespace dfs::agent {

// What such work sees. Disk and launcher are shared with what is still running on the pool.
struct Tools {
  Bus& bus;
  Calls& calls;
  std::shared_ptr<Disk> disk;
  std::shared_ptr<Launcher> launcher;
};

// What is known of a node's process.
struct NodeProcess {
  ProcessId id;
  bool adopted = false;       // it was running before
  uint64_t output_since = 0;  // where in `output` its own words begin
};

struct NodeSight {
  ProcessView process;
  std::string endpoint;  // empty: it takes no requests yet
  std::string words;     // its last, when it has ended
};

// Runs blocking work on the pool and returns what it returned.
template <class T>
Task<Result<T>> on_pool(Bus& bus, std::function<Result<T>()> work) {
  auto outcome = std::make_shared<Result<T>>(Code::stopping, "it was not done");
  Task<Result<void>> running = run(bus, [outcome, work] { *outcome = work(); });
  const Result<void> ran = co_await running;
  if (!ran) co_return ran.error();
  co_return std::move(*outcome);
}

// Starts the node of a folder, unless its process is there: it is never there twice.
Task<Result<NodeProcess>> start_node(Tools tools, std::string program, std::string folder,
                                     std::string token);
Task<Result<NodeSight>> look_at_node(Tools tools, std::string folder, NodeProcess process);
// The number that the node at `endpoint` says it has; 0: it has not joined yet, or is silent.
Task<NodeId> ask_number(Tools tools, std::string endpoint);

struct NodeUp {
  NodeId node = 0;
  std::string endpoint;
};
// Waits until the node has joined. Errors: `io_error` (`denied`, when the cluster refused it) when
// its process ended before, with its last words; `timeout`.
Task<Result<NodeUp>> await_joined(Tools tools, std::string folder, NodeProcess process,
                                  Duration deadline);

// A process that ended with this status would end so again.
bool is_final(int status);
// Of a node that ended before it had joined, and of any that ended.
Error not_started(const std::string& folder, const NodeSight& sight);
std::string ended_text(const NodeSight& sight);

}  // namespace dfs::agent
