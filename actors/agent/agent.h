// The agent of a machine: starts storage nodes there when an administrator asks for them, and keeps
// them running.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/disk.h"
#include "actors/launcher.h"
#include "broker/actor.h"

namespace dfs {

struct AgentSettings {
  std::string directory;  // absolute; each node gets a folder in it
  std::string program;    // dfsd
  std::string host;       // the agent's name, and the failure domain of its nodes
  std::string rack;
  std::string listen = "tcp://127.0.0.1:0";  // of the nodes; storage-K has port + K - 1 if not 0
  std::vector<std::string> brokers;          // the nodes are told of them
  std::string node_settings;                 // further lines for their files of settings
  uint32_t nodes_max = 16;
  uint64_t free_bytes_min = 1ull << 30;  // with less a new node would be full from the start
  Duration start_deadline = std::chrono::seconds(30);  // for a new node to join
  Duration heartbeat_period = std::chrono::milliseconds(500);
  Duration check_period = std::chrono::milliseconds(500);
  Duration pause_min = std::chrono::seconds(1);  // before a node that ended is started again
  Duration pause_max = std::chrono::minutes(5);
};

// When the agent ends its nodes go on: nobody is to lose access to data because the one who watches
// is restarted. The next agent on the same directory finds them.
class Agent : public Actor {
 public:
  // Whoever owns the directory holds its lock.
  Agent(Bus& bus, std::shared_ptr<Disk> disk, std::shared_ptr<Launcher> launcher,
        AgentSettings settings);
  ~Agent() override;

  void start(std::function<void(Result<void>)> ready) override;
  void receive(Envelope envelope) override;
  void observe(const std::string& topic, Envelope envelope) override;
  void link_down(const Link& link) override;
  void stop(std::function<void()> stopped) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
