// What one transfer has learned about the storage nodes it talks to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker/bus.h"
#include "messages/ids.h"

namespace dfs {

std::string storage_address(NodeId node);  // "storage/7"

class NodeHealth {
 public:
  NodeHealth(Bus& bus, uint64_t trace) : bus_(bus), trace_(trace) {}

  // The node gave a sign of life just now.
  void heard(NodeId node);
  Instant last_heard(NodeId node) const;  // the clock's zero when never

  // Until it is heard again others are preferred; a busy node is no failed one. True when it is
  // news.
  bool slow(NodeId node, const std::string& why);
  bool is_slow(NodeId node) const;

  // From now on others are preferred. Logged at the node's first failure, not at later ones.
  void fail(NodeId node, const std::string& why);
  bool failed(NodeId node) const;
  void forgive(NodeId node);
  void forgive_all();

  std::vector<NodeId> failed_nodes() const;
  uint64_t changes() const { return changes_; }  // grows with each new failure
  std::string describe() const;                  // "storage/3 (unavailable: …), …", or empty

 private:
  struct Node {
    Instant heard{};
    bool slow = false;
    bool failed = false;
    bool logged = false;
    std::string why;  // of the last failure, kept when forgiven
  };
  Bus& bus_;
  uint64_t trace_;
  std::map<NodeId, Node> nodes_;
  uint64_t changes_ = 0;
};

}  // namespace dfs
