// What a head knows of the nodes from their heartbeats. It lives in memory only. Every head
// listens, so that a new leader knows at once who has how much space; but it judges nobody by a
// silence that began before it led.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/monitor/cluster_view.h"
#include "broker/bus.h"
#include "messages/cluster.h"

namespace dfs {

class Members {
 public:
  // Every node counts as heard now.
  void begin(Instant now);

  enum class Sign {
    old,    // seen before, or repeated by a broker that remembers it: says nothing of now
    alive,  // the node is there
  };
  // Takes a heartbeat. The first of a process (boot) may be one that a broker remembered; it is
  // believed only for a node that is `up`, whose silence it may shorten by once.
  Sign heard(const Heartbeat& heartbeat, Instant now, bool up);
  // The node was just registered.
  void joined(NodeId node, Instant now);
  // All nodes are excused for a time, up to now, in which this actor itself did not run.
  void excuse(Duration pause, Instant now);

  Duration silence(NodeId node, Instant now) const;
  // The nodes of the map that are up and have been silent for `limit` or longer.
  std::vector<NodeId> silent(const ClusterMap& map, Duration limit, Instant now) const;
  // The last heartbeat, or nullptr.
  const Heartbeat* last(NodeId node) const;
  bool accepts_writes(NodeId node) const;
  // Nothing when the node has not told yet.
  std::optional<uint64_t> free_bytes(NodeId node) const;

 private:
  struct Member {
    Instant heard;
    Heartbeat last;  // boot 0: none yet
  };
  Instant begun_;
  std::unordered_map<NodeId, Member> members_;
};

}  // namespace dfs
