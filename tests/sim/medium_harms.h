// What media do to blocks at rest: bits that rot, writes that went astray, ranges that can no
// longer be read, directories and disks that are lost. Nobody tells the node. A block that has no
// other good copy is spared: so whatever the administrator gives up, nothing is really lost.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tests/sim/copies_checker.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class MediumHarms {
 public:
  MediumHarms(World& world, Cluster& cluster, CopiesChecker& copies, Random random)
      : world_(world), cluster_(cluster), copies_(copies), random_(random) {}

  void rot();
  // A page of one copy went to where another is, and never came where it should.
  void misdirect();
  void spoil();
  // The process is killed, and finds nothing in one of its directories when it is started again, or
  // an empty disk: then it is a new node. Not done when that would lose a block.
  Process* lose_directory();
  bool lose_disk(Process& node);

 private:
  std::optional<Copy> victim();
  void harm(const char* kind, const Copy& copy);

  World& world_;
  Cluster& cluster_;
  CopiesChecker& copies_;
  Random random_;
};

}  // namespace dfs::sim
