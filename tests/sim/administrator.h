// What somebody who runs the cluster does meanwhile: drains nodes and takes them out, lets new ones
// in, removes those whose disk was lost, accepting the loss where nothing else helps, asks for a
// rebalance or a scrub. What was begun comes to
// its end.
#pragma once

#include "actors/client/client.h"
#include "tests/sim/cluster.h"
#include "tests/sim/medium_harms.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class Administrator {
 public:
  Administrator(World& world, Cluster& cluster, CopiesChecker& copies, MediumHarms& media,
                Random random)
      : world_(world), cluster_(cluster), copies_(copies), media_(media), random_(random) {}

  void drain();        // undone after a while, or the node is removed and comes back as a new one
  void add_storage();  // one of those that were to come later
  void rebalance();
  void control_scrub();
  // Its disk was lost: the node that it was is removed as soon as nobody counts on it.
  void lose_disk();
  // From here on only what was begun is ended.
  void end();
  bool idle() const { return tasks_ == 0; }

 private:
  Task<void> drain(Process* storage, NodeId node);
  Task<void> remove(NodeId node);
  Task<void> undrain(NodeId node);
  Task<void> ask_rebalance();
  Task<void> ask_scrub(Process* storage, NodeId node, ScrubAction action);
  // Whether the node is gone: removed now, or before.
  Task<bool> try_remove(NodeId node);
  Task<bool> accept_loss(NodeId node);
  void renew(NodeId node);

  Client& client() { return Cluster::client(cluster_.operator_process()); }
  NodeId id_of(const Process& storage) const;
  void begin(Task<void> task);

  World& world_;
  Cluster& cluster_;
  CopiesChecker& copies_;
  MediumHarms& media_;
  Random random_;
  bool active_ = true;
  bool changing_ = false;  // a node is on its way out; one at a time
  size_t tasks_ = 0;
};

}  // namespace dfs::sim
