// Watches every copy of every block at all times, through the indexes and disks of the storage
// nodes and the tables of the heads: what is deleted, who leaves a group, what a start finds again.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "actors/storage/block_index.h"
#include "tests/sim/cluster.h"
#include "tests/sim/findings.h"
#include "tests/sim/records.h"

namespace dfs::sim {

using storage::BlockKey;
using storage::BlockRow;

// A finished copy: on which node, and where there.
struct Copy {
  Process* node = nullptr;
  size_t directory = 0;
  BlockKey key;
  BlockRow row;

  std::string path() const;  // of its segment
};

class CopiesChecker {
 public:
  CopiesChecker(World& world, Cluster& cluster, Findings& findings);
  ~CopiesChecker();
  CopiesChecker(const CopiesChecker&) = delete;
  CopiesChecker& operator=(const CopiesChecker&) = delete;

  void after_event(Process& process);
  // Its tables are others now. What it held was lost, and nobody of ours is to blame.
  void disk_replaced(Process& process, std::optional<size_t> directory = std::nullopt);

  // For who does harm. What may be lost has another good copy somewhere, or is dead.
  bool may_lose(const Copy& copy) const;
  bool may_lose(const Process& node, std::optional<size_t> directory = std::nullopt) const;
  std::vector<Copy> copies_of(const Process& node) const;
  void harmed(const Copy& copy);
  uint64_t copies_harmed() const { return copies_harmed_; }
  uint64_t copies_deleted() const { return copies_deleted_; }    // by the nodes
  uint64_t holders_dropped() const { return holders_dropped_; }  // out of groups with content

  // Why the blocks are not yet all where they belong, with nothing else beside them; or nothing.
  std::string unsettled() const;
  // Reads every copy.
  void check_contents();

  const Records& records() const { return records_; }
  // The process of a node, or nullptr when its disk was lost.
  Process* node(NodeId node) const;

 private:
  using Blocks = std::map<BlockKey, Copy>;
  struct Node {
    Process* process = nullptr;
    Blocks blocks;             // as its indexes said when it last ran
    uint64_t incarnation = 0;  // in which they were compared with what was there before
  };
  using Place = std::tuple<size_t, size_t, uint32_t, uint64_t>;  // node, directory, segment, offset
  using Holders = std::set<const Process*>;

  Node* find(const Process& process);
  const Node* find(const Process& process) const;
  void watch(Process& process);
  void index_changed(Process& process, size_t directory, const Batch& batch);
  void read_again(Node& node);
  void deleted(const Node& node, const Copy& copy);
  void committed(ObjectId id, const ObjectRow& object);
  void regrouped(GroupId group, const GroupRow& before, const GroupRow& after);

  // With copies that are whole for all that the nodes know.
  Holders holders(const BlockKey& key) const;
  size_t count(const BlockKey& key, const std::vector<NodeId>& nodes) const;
  size_t lost_lately(const BlockKey& key) const;
  std::string unsettled(ObjectId id, const ObjectRow& object) const;
  std::string needless(const Copy& copy) const;
  bool damaged(const Copy& copy) const;
  std::string fault_of(const Copy& copy) const;
  static Place place_of(const Copy& copy);
  void fault(const std::string& what);

  World& world_;
  Cluster& cluster_;
  Findings& findings_;
  Records records_;
  std::vector<Node> nodes_;
  std::set<Place> harmed_;
  std::map<BlockKey, std::vector<Duration>> lost_;  // when a copy of it was found or made lost
  uint64_t copies_harmed_ = 0;
  uint64_t copies_deleted_ = 0;
  uint64_t holders_dropped_ = 0;
};

std::string to_text(const Copy& copy);

}  // namespace dfs::sim
