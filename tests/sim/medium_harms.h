// What media do to blocks at rest: bits that rot, writes that went astray, ranges that can no
// longer be read, directories and disks that are lost. Nobody tells the node. A block that has no
// other good copy is spared, and so is everything while a disk is lost: of a group whose only
// complete holder is gone for good, nobody could tell any more whether it is complete.
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
  // The node that was lost with its disk was removed.
  void lost_one_removed() { one_lost_ = false; }

 private:
  std::optional<Copy> victim();
  void harm(const char* kind, const Copy& copy);

  World& world_;
  Cluster& cluster_;
  CopiesChecker& copies_;
  Random random_;
  bool one_lost_ = false;
};

}  // namespace dfs::sim
