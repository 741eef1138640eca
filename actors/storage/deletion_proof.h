// Why blocks may be deleted. Nobody but the guard (guard.h), which has looked into it, can say so,
// and nothing is deleted without.
#pragma once

namespace dfs::storage {

class DeletionProof {
 public:
  const char* why() const { return why_; }  // for the log: "dead", "surplus", "stray"

 private:
  friend class Guard;
  friend class Volumes;         // of a block that is in two directories of a node
  friend struct ProofForTests;  // defined by tests alone
  explicit DeletionProof(const char* why) : why_(why) {}

  const char* why_;
};

}  // namespace dfs::storage
