// Files that all clients write, overwrite, remove and look at as they like. What they saw must be
// linearizable, file by file.
#pragma once

#include <string>

#include "actors/client/client.h"
#include "tests/sim/findings.h"
#include "tests/sim/linearizability.h"
#include "tests/sim/random.h"
#include "tests/sim/world.h"

namespace dfs::sim {

class SharedFiles {
 public:
  SharedFiles(World& world, uint32_t files, Findings& findings);

  // One operation on one of them. `strict`: it must have its outcome.
  Task<void> operate(Client* client, Random* random, TransferOptions transfer, bool strict);
  Task<void> stat_all(Client* client);
  // Afterwards: complains of what cannot be explained.
  void check();
  uint64_t undecided() const { return undecided_; }
  uint64_t operations() const { return history_.size(); }

 private:
  Task<void> put(Client* client, Random* random, std::string path, TransferOptions transfer,
                 bool strict);
  Task<void> stat(Client* client, std::string path, bool strict);
  Task<void> remove(Client* client, std::string path, bool strict);
  void failed(const std::string& what, const Error& error, bool strict);

  World& world_;
  const uint32_t files_;
  Findings& findings_;
  History history_;
  uint64_t seen_version_ = 0;  // by whoever looked last
  uint64_t undecided_ = 0;
};

}  // namespace dfs::sim
