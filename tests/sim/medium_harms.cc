#include "tests/sim/medium_harms.h"

namespace dfs::sim {

namespace {

constexpr uint64_t kPageBytes = storage::kAlignment;

}  // namespace

std::optional<Copy> MediumHarms::victim() {
  Process& node = *random_.pick(cluster_.storages());
  std::vector<Copy> copies = copies_.copies_of(node);
  std::erase_if(copies, [this](const Copy& copy) {
    return copy.row.length == 0 || !copies_.may_lose(copy) || !copy.node->disk().holds(copy.path());
  });
  if (copies.empty()) return std::nullopt;
  return random_.pick(copies);
}

void MediumHarms::harm(const char* kind, const Copy& copy) {
  world_.trace(kind, copy.node->name(), copy.row.offset, storage::to_string(copy.key));
  copies_.harmed(copy);
}

void MediumHarms::rot() {
  const std::optional<Copy> copy = victim();
  if (!copy) return;
  // In what is nowhere but padding it would harm nobody.
  const uint64_t offset = random_.chance(0.1) ? random_.below(storage::kSealBytes)
                                              : copy->row.header + random_.below(copy->row.length);
  const auto mask = static_cast<uint8_t>(1u << random_.below(8));
  copy->node->disk().flip(copy->path(), copy->row.offset + offset, mask);
  harm("rot", *copy);
}

void MediumHarms::misdirect() {
  const std::optional<Copy> from = victim();
  if (!from) return;
  std::vector<Copy> others = copies_.copies_of(*from->node);
  std::erase_if(others, [&](const Copy& copy) {
    return copy.key == from->key || copy.row.length == 0 || !copies_.may_lose(copy) ||
           !copy.node->disk().holds(copy.path());
  });
  if (others.empty()) return;
  const Copy to = random_.pick(others);
  SimDisk& disk = from->node->disk();
  const uint64_t source =
      from->row.data_offset() +
      random_.below(storage::data_bytes(from->row.length) / kPageBytes) * kPageBytes;
  const uint64_t target = to.row.offset + random_.below(to.row.bytes() / kPageBytes) * kPageBytes;
  const auto page = disk.peek(from->path(), source, kPageBytes);
  if (!page) return;
  disk.overwrite(to.path(), target, *page);
  disk.overwrite(from->path(), source, std::string(kPageBytes, '\0'));
  harm("misdirect", *from);
  harm("misdirect", to);
}

void MediumHarms::spoil() {
  const std::optional<Copy> copy = victim();
  if (!copy) return;
  const uint64_t pages = copy->row.bytes() / kPageBytes;
  const uint64_t first = random_.below(pages);
  const uint64_t count = random_.between(1, std::min<uint64_t>(pages - first, 16));
  copy->node->disk().spoil(copy->path(), copy->row.offset + first * kPageBytes, count * kPageBytes);
  harm("spoil", *copy);
}

Process* MediumHarms::lose_directory() {
  Process& node = *random_.pick(cluster_.storages());
  if (node.tables() < 2) return nullptr;
  // The first one holds the node's identity; losing it is losing the node.
  const size_t directory = random_.between(1, node.tables() - 1);
  if (!copies_.may_lose(node, directory)) return nullptr;
  if (node.running()) node.kill(Crash::machine);
  node.lose_directory(Cluster::storage_directory(directory), directory);
  copies_.disk_replaced(node, directory);
  return &node;
}

bool MediumHarms::lose_disk(Process& node) {
  if (!copies_.may_lose(node)) return false;
  if (node.running()) node.kill(Crash::machine);
  node.replace_disk();
  copies_.disk_replaced(node);
  return true;
}

}  // namespace dfs::sim
