#include "tests/sim/copies_checker.h"

#include <algorithm>

#include "messages/crc32c.h"

namespace dfs::sim {

namespace {

// How long after a loss a proof that counted the lost copy may still be used.
constexpr Duration kProofAge = std::chrono::seconds(60);
constexpr size_t kBlockKeyBytes = 17;

std::vector<NodeId> holders_of(const GroupRow& group) {
  std::vector<NodeId> nodes = group.members;
  nodes.insert(nodes.end(), group.leaving.begin(), group.leaving.end());
  return nodes;
}

bool is_in(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

std::string Copy::path() const {
  return Cluster::storage_directory(directory) + "/segments/" + storage::segment_name(row.segment);
}

std::string to_text(const Copy& copy) {
  return "block " + storage::to_string(copy.key) + " on " + copy.node->name();
}

CopiesChecker::CopiesChecker(World& world, Cluster& cluster, Findings& findings)
    : world_(world), cluster_(cluster), findings_(findings) {
  records_.committed = [this](ObjectId id, const ObjectRow& object) { committed(id, object); };
  records_.regrouped = [this](GroupId group, const GroupRow& before, const GroupRow& after) {
    regrouped(group, before, after);
  };
  for (Process* storage : cluster.storages()) nodes_.push_back({storage, {}, 0});
  for (Process* storage : cluster.storages()) watch(*storage);
  for (Process* monitor : cluster.monitors()) watch(*monitor);
}

CopiesChecker::~CopiesChecker() {
  for (const auto& process : world_.processes()) {
    for (size_t i = 0; i < process->tables(); ++i) process->table(i).changed = nullptr;
  }
}

void CopiesChecker::watch(Process& process) {
  const bool is_node = find(process) != nullptr;
  for (size_t i = 0; i < process.tables(); ++i) {
    process.table(i).changed = [this, &process, i, is_node](const Batch* batch) {
      if (is_node) {
        if (batch != nullptr) index_changed(process, i, *batch);
      } else if (batch != nullptr) {
        records_.take(*batch);
      } else {
        records_.take_all(process.table(i));
      }
    };
  }
}

const CopiesChecker::Node* CopiesChecker::find(const Process& process) const {
  const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                  [&](const Node& node) { return node.process == &process; });
  return found == nodes_.end() ? nullptr : &*found;
}

CopiesChecker::Node* CopiesChecker::find(const Process& process) {
  return const_cast<Node*>(std::as_const(*this).find(process));
}

Process* CopiesChecker::node(NodeId id) const {
  const std::string endpoint = records_.endpoint_of(id);
  for (const Node& node : nodes_) {
    if (!endpoint.empty() && node.process->settings().listen == endpoint) return node.process;
  }
  return nullptr;
}

// ---- what the nodes hold

void CopiesChecker::after_event(Process& process) {
  Node* const node = find(process);
  if (node == nullptr || !process.ready() || node->incarnation == process.incarnation()) return;
  node->incarnation = process.incarnation();
  read_again(*node);
}

// A start finds every whole copy again that was there when the node died.
void CopiesChecker::read_again(Node& node) {
  const Blocks before = std::exchange(node.blocks, {});
  for (size_t i = 0; i < node.process->tables(); ++i) {
    (void)storage::scan_blocks(node.process->table(i), {},
                               [&](const BlockKey& key, const BlockRow& row) {
                                 node.blocks[key] = {node.process, i, key, row};
                                 return true;
                               });
  }
  for (const auto& [key, copy] : before) {
    const auto found = node.blocks.find(key);
    if (found != node.blocks.end() && !found->second.row.bad) continue;
    if (copy.row.bad) continue;
    lost_[key].push_back(world_.now());
    if (records_.is_dead(key.object)) continue;
    const std::string why = fault_of(copy);
    if (why.empty()) fault("a start lost the whole copy of " + to_text(copy));
  }
}

void CopiesChecker::index_changed(Process& process, size_t directory, const Batch& batch) {
  Node& node = *find(process);
  for (const auto& [name, value] : batch.changes()) {
    if (name.size() != kBlockKeyBytes || name[0] != 'k') continue;
    const BlockKey key{read_u64(name, 5), read_u32(name, 13), read_u32(name, 1)};
    auto row = storage::find_block(process.table(directory), key);
    DFS_ASSERT(row.ok());
    const auto known = node.blocks.find(key);
    // While a node starts, what it had is kept to be compared with what it finds.
    const bool starting = node.incarnation != process.incarnation();
    if (row->has_value()) {
      if (starting) continue;
      if (known != node.blocks.end() && !known->second.row.bad && (*row)->bad) {
        lost_[key].push_back(world_.now());
      }
      const Copy copy{&process, directory, key, **row};
      if (known == node.blocks.end() || !known->second.row.same_extent(copy.row)) {
        harmed_.erase(place_of(copy));
      }
      node.blocks[key] = copy;
    } else if (!starting && known != node.blocks.end() && known->second.directory == directory) {
      deleted(node, known->second);
      node.blocks.erase(key);
    }
  }
}

void CopiesChecker::disk_replaced(Process& process, std::optional<size_t> directory) {
  watch(process);
  Node* const node = find(process);
  if (node == nullptr) return;
  std::erase_if(node->blocks, [&](const auto& entry) {
    if (directory && entry.second.directory != *directory) return false;
    lost_[entry.first].push_back(world_.now());
    ++copies_harmed_;
    return true;
  });
  std::erase_if(harmed_, [&](const Place& place) {
    return std::get<0>(place) == process.index() &&
           (!directory || std::get<1>(place) == *directory);
  });
}

CopiesChecker::Holders CopiesChecker::holders(const BlockKey& key) const {
  Holders holders;
  for (const Node& node : nodes_) {
    const auto found = node.blocks.find(key);
    if (found != node.blocks.end() && !found->second.row.bad) holders.insert(node.process);
  }
  return holders;
}

size_t CopiesChecker::count(const BlockKey& key, const std::vector<NodeId>& nodes) const {
  const Holders all = holders(key);
  return static_cast<size_t>(
      std::count_if(nodes.begin(), nodes.end(), [&](NodeId id) { return all.contains(node(id)); }));
}

size_t CopiesChecker::lost_lately(const BlockKey& key) const {
  const auto found = lost_.find(key);
  if (found == lost_.end()) return 0;
  return static_cast<size_t>(
      std::count_if(found->second.begin(), found->second.end(),
                    [this](Duration at) { return at + kProofAge >= world_.now(); }));
}

// ---- what must not happen

void CopiesChecker::fault(const std::string& what) {
  world_.trace("copies", "checker", 0, what);
  findings_.fault(what);
}

// No deletion takes a block below its pool's number of copies.
void CopiesChecker::deleted(const Node& node, const Copy& copy) {
  const BlockKey& key = copy.key;
  ++copies_deleted_;
  if (copy.row.bad || damaged(copy) || records_.is_dead(key.object)) return;
  const auto object = records_.live().find(key.object);
  if (object == records_.live().end()) {
    return fault(to_text(copy) + " was deleted, and no log says that its object is dead");
  }
  BlockKey home = key;
  if (key.index < blocks_of(object->second)) {
    home.group = home_of(key.object, object->second, key.index);
  }
  Holders left = holders(home);
  if (home == key) left.erase(node.process);
  const size_t needed = records_.replicas(home.group);
  if (left.size() + lost_lately(home) >= needed) return;
  fault(to_text(copy) + " was deleted, which leaves " + std::to_string(left.size()) +
        " copies of the " + std::to_string(needed) + " of its pool");
}

// No change of members takes a block below its pool's number of copies, or what it had.
void CopiesChecker::regrouped(GroupId group, const GroupRow& before, const GroupRow& after) {
  const std::vector<NodeId> old_ones = holders_of(before);
  const std::vector<NodeId> new_ones = holders_of(after);
  const bool all_stay =
      std::all_of(old_ones.begin(), old_ones.end(), [&](NodeId id) { return is_in(new_ones, id); });
  if (all_stay) return;
  if (before.used) ++holders_dropped_;
  const size_t needed = records_.replicas(group);
  for (const auto& [id, object] : records_.live()) {
    for (uint32_t index = 0; index < blocks_of(object); ++index) {
      if (home_of(id, object, index) != group) continue;
      const BlockKey key{id, index, group};
      const size_t had = count(key, old_ones);
      const size_t has = count(key, new_ones);
      if (has >= had || has + lost_lately(key) >= needed) continue;
      fault("a change of its members leaves block " + storage::to_string(key) + " with " +
            std::to_string(has) + " copies in its group, where it had " + std::to_string(had));
    }
  }
}

// What is acknowledged is there.
void CopiesChecker::committed(ObjectId id, const ObjectRow& object) {
  for (uint32_t index = 0; index < blocks_of(object); ++index) {
    const GroupId group = home_of(id, object, index);
    const BlockKey key{id, index, group};
    const size_t copies = count(key, holders_of(records_.groups().at(group)));
    if (copies + lost_lately(key) >= records_.min_copies(group)) continue;
    fault("block " + storage::to_string(key) + " was acknowledged with " + std::to_string(copies) +
          " copies in its group");
  }
}

// ---- harm

CopiesChecker::Place CopiesChecker::place_of(const Copy& copy) {
  return {copy.node->index(), copy.directory, copy.row.segment, copy.row.offset};
}

void CopiesChecker::harmed(const Copy& copy) {
  harmed_.insert(place_of(copy));
  ++copies_harmed_;
}

bool CopiesChecker::damaged(const Copy& copy) const {
  return harmed_.contains(place_of(copy)) && !fault_of(copy).empty();
}

bool CopiesChecker::may_lose(const Copy& copy) const {
  if (records_.is_dead(copy.key.object)) return true;
  for (const Node& node : nodes_) {
    if (node.process == copy.node) continue;
    const auto found = node.blocks.find(copy.key);
    if (found == node.blocks.end() || found->second.row.bad) continue;
    if (!harmed_.contains(place_of(found->second))) return true;
  }
  return false;
}

bool CopiesChecker::may_lose(const Process& process, std::optional<size_t> directory) const {
  const Node& node = *find(process);
  return std::all_of(node.blocks.begin(), node.blocks.end(), [&](const auto& entry) {
    const Copy& copy = entry.second;
    return (directory && copy.directory != *directory) || copy.row.bad || may_lose(copy);
  });
}

std::vector<Copy> CopiesChecker::copies_of(const Process& process) const {
  std::vector<Copy> copies;
  for (const auto& [key, copy] : find(process)->blocks) {
    if (!copy.row.bad) copies.push_back(copy);
  }
  return copies;
}

// What is wrong with the bytes of a copy, or nothing.
std::string CopiesChecker::fault_of(const Copy& copy) const {
  const BlockRow& row = copy.row;
  const auto bytes = copy.node->disk().peek(copy.path(), row.offset, row.bytes());
  if (!bytes) return "it cannot be read";
  const auto* start = reinterpret_cast<const uint8_t*>(bytes->data());
  uint32_t region = 0;
  const auto header = storage::open_extent_header(start, row.header, region);
  if (!header) return "its header is damaged";
  if (header->key() != copy.key || header->offset != row.offset) return "its header is another's";
  if (crc32c(start + row.header, row.length) != row.crc32c) return "its data is damaged";
  const auto tail = storage::open_tail(copy.key, header->place(), row.length, row.crc32c,
                                       start + (row.tail_offset() - row.offset));
  return tail ? std::string() : "its tail is damaged";
}

// ---- when all is well again

std::string CopiesChecker::unsettled(ObjectId id, const ObjectRow& object) const {
  for (uint32_t index = 0; index < blocks_of(object); ++index) {
    const GroupId group = home_of(id, object, index);
    const BlockKey key{id, index, group};
    const Holders holding = holders(key);
    const std::vector<NodeId>& members = records_.groups().at(group).members;
    const size_t wanted = std::min<size_t>(records_.replicas(group), members.size());
    if (count(key, members) < wanted) {
      return "block " + storage::to_string(key) + " has " + std::to_string(count(key, members)) +
             " copies on the " + std::to_string(members.size()) + " members of its group, and " +
             std::to_string(holding.size()) + " in all";
    }
  }
  return {};
}

// Why a copy ought not to be there, or nothing.
std::string CopiesChecker::needless(const Copy& copy) const {
  const BlockKey& key = copy.key;
  if (copy.row.bad) return to_text(copy) + " is bad and was not replaced";
  if (damaged(copy)) return to_text(copy) + " is damaged and nobody noticed";
  const auto object = records_.live().find(key.object);
  if (object == records_.live().end()) return to_text(copy) + " is of no live object";
  if (key.index >= blocks_of(object->second) ||
      home_of(key.object, object->second, key.index) != key.group) {
    return to_text(copy) + " is not where its object has it";
  }
  const NodeId id = records_.node_at(copy.node->settings().listen);
  if (is_in(records_.groups().at(key.group).members, id)) return {};
  return to_text(copy) + " is needless: the node is no member";
}

std::string CopiesChecker::unsettled() const {
  for (const auto& [id, group] : records_.groups()) {
    if (!group.used) continue;
    if (!group.leaving.empty()) return "group " + std::to_string(id) + " has leaving members";
    if (!group.lacking.empty()) return "group " + std::to_string(id) + " has lacking members";
  }
  for (const auto& [id, object] : records_.live()) {
    std::string why = unsettled(id, object);
    if (!why.empty()) return why;
  }
  for (const Node& node : nodes_) {
    for (const auto& [key, copy] : node.blocks) {
      std::string why = needless(copy);
      if (!why.empty()) return why;
    }
  }
  return {};
}

void CopiesChecker::check_contents() {
  for (const Node& node : nodes_) {
    for (const auto& [key, copy] : node.blocks) {
      const std::string why = fault_of(copy);
      if (!why.empty()) fault(to_text(copy) + ": " + why);
    }
  }
}

}  // namespace dfs::sim
