#include "actors/client/assembly.h"

#include <algorithm>

#include "messages/crc32c.h"

namespace dfs {

namespace {

std::string counted(uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// The last name of a path.
std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// Blocks that are not there have no group. Of each width that a layout can have, the one for which
// fewest blocks lie elsewhere; of equals the narrowest.
std::optional<Layout> layout_of(ObjectId object, uint64_t block_bytes,
                                const std::vector<std::optional<GroupId>>& groups) {
  Layout best;
  size_t fewest = SIZE_MAX;
  const size_t widest = std::min<size_t>(groups.size(), kLayoutGroupsMax);
  for (size_t width = 1; width <= widest && fewest > 0; ++width) {
    std::vector<std::map<GroupId, size_t>> votes(width);
    for (size_t i = 0; i < groups.size(); ++i) {
      if (groups[i]) ++votes[i % width][*groups[i]];
    }
    std::vector<GroupId> chosen(width);
    size_t elsewhere = 0;
    for (size_t slot = 0; slot < width; ++slot) {
      size_t most = 0;
      size_t all = 0;
      for (const auto& [group, count] : votes[slot]) {
        all += count;
        if (count > most) chosen[slot] = group;
        most = std::max(most, count);
      }
      elsewhere += all - most;
    }
    if (elsewhere >= fewest) continue;
    fewest = elsewhere;
    best.groups = std::move(chosen);
  }
  if (fewest > kOverridesMax) return std::nullopt;
  best.object = object;
  best.block_bytes = block_bytes;
  // A slot without any block has no group of its own; any that exists will do.
  const auto some = std::find_if(groups.begin(), groups.end(), [](auto& g) { return g.has_value(); });
  for (size_t slot = 0; slot < best.groups.size(); ++slot) {
    bool used = false;
    for (size_t i = slot; i < groups.size() && !used; i += best.groups.size()) {
      used = groups[i].has_value();
    }
    if (!used) best.groups[slot] = **some;
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i] && *groups[i] != best.groups[i % best.groups.size()]) {
      best.overrides.push_back({static_cast<uint32_t>(i), *groups[i]});
    }
  }
  return best;
}

// Spreads what would otherwise all begin with the same node.
uint64_t mixed(NodeId node, GroupId group) {
  uint64_t value = (uint64_t{group} << 32 | node) * 0x9e3779b97f4a7c15ull;
  value = (value ^ (value >> 29)) * 0xbf58476d1ce4e5b9ull;
  return value ^ (value >> 32);
}

}  // namespace

const char* name_of(Guess guess) {
  switch (guess) {
    case Guess::none:
      return "certain";
    case Guess::no_path:
      return "no-path";
    case Guess::missing:
      return "missing-blocks";
    case Guess::damaged:
      return "damaged-blocks";
    case Guess::differing:
      return "differing-copies";
    case Guess::lengths:
      return "wrong-lengths";
    case Guess::open_end:
      return "open-end";
    case Guess::newer:
      return "newer-incomplete";
    case Guess::older:
      return "older";
  }
  return "unknown";
}

void Assembly::add(NodeId node, const BlockView& block) {
  std::vector<Copy>& copies = objects_[block.object].blocks[block.index];
  for (Copy& copy : copies) {
    if (copy.node != node || copy.group != block.group) continue;
    copy.length = block.length;
    copy.crc32c = block.crc32c;
    copy.bad = block.bad;
    return;
  }
  copies.push_back({node, block.group, block.length, block.crc32c, block.bad, false,
                    block.created_ms});
}

void Assembly::add(NodeId, const HintView& hint) {
  if (!hint.found) return;
  epoch_ = std::max(epoch_, hint.epoch);
  const auto object = objects_.find(hint.object);
  if (object == objects_.end() || hint.index != 0 || hint.path.empty()) return;
  HintView& known = object->second.hint;
  if (bad_path(hint.path) != nullptr || hint.path == "/") return;
  // All copies should say the same; were they not, the order of the lists must not matter.
  if (known.path.empty() || hint.path < known.path) known = hint;
}

std::map<NodeId, std::vector<BlockName>> Assembly::hints_wanted() {
  std::map<NodeId, std::vector<BlockName>> wanted;
  for (auto& [id, object] : objects_) {
    const auto first = object.blocks.find(0);
    if (!object.hint.path.empty() || first == object.blocks.end()) continue;
    std::vector<Copy>& copies = first->second;
    for (size_t i = 0; i < copies.size(); ++i) {
      Copy& copy = copies[(id + i) % copies.size()];
      if (copy.asked) continue;
      copy.asked = true;
      wanted[copy.node].push_back({id, 0, copy.group});
      break;
    }
  }
  return wanted;
}

// Copies that are known to be damaged have no say, unless there are no others.
Assembly::Chosen Assembly::choose(const std::vector<Copy>& copies) {
  const bool good = std::any_of(copies.begin(), copies.end(), [](auto& c) { return !c.bad; });
  std::map<std::pair<uint64_t, uint32_t>, size_t> contents;
  for (const Copy& copy : copies) {
    if (copy.bad != good) ++contents[{copy.length, copy.crc32c}];
  }
  const auto most = std::max_element(contents.begin(), contents.end(), [](auto& a, auto& b) {
    return a.second < b.second;
  });
  Chosen chosen;
  chosen.good = good;
  chosen.differing = contents.size() > 1;
  chosen.length = most->first.first;
  chosen.crc32c = most->first.second;
  std::map<GroupId, size_t> groups;
  for (const Copy& copy : copies) {
    const bool same = copy.length == chosen.length && copy.crc32c == chosen.crc32c;
    if (copy.bad != good && same) ++groups[copy.group];
  }
  const auto home = std::max_element(groups.begin(), groups.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  chosen.group = home->first;
  return chosen;
}

Assembly::Blocks Assembly::choose_all(const Object& object) {
  Blocks blocks;
  for (const auto& [index, copies] : object.blocks) blocks.emplace(index, choose(copies));
  return blocks;
}

void Assembly::hold(const Object& object, const Blocks& blocks,
                    std::map<GroupId, Holding>& holdings) {
  for (const auto& [index, chosen] : blocks) {
    Holding& holding = holdings[chosen.group];
    holding.blocks += chosen.good ? 1 : 0;
    for (const Copy& copy : object.blocks.at(index)) {
      const bool same = copy.length == chosen.length && copy.crc32c == chosen.crc32c;
      if (copy.group != chosen.group) continue;
      holding.nodes[copy.node] += !copy.bad && same ? 1 : 0;
    }
  }
}

AssembledFile Assembly::assemble_file(ObjectId id, const Object& object, const Blocks& blocks) {
  const HintView& hint = object.hint;
  const uint32_t last = blocks.rbegin()->first;
  uint64_t block_bytes = hint.file.block_bytes;
  if (block_bytes == 0 || block_bytes % kPartBytes != 0 || block_bytes > kBlockBytesMax) {
    for (const auto& [index, block] : blocks) block_bytes = std::max(block_bytes, block.length);
    block_bytes = std::clamp<uint64_t>((block_bytes + kPartBytes - 1) / kPartBytes * kPartBytes,
                                       kBlockBytesMin, kBlockBytesMax);
  }
  AssembledFile file;
  file.path = hint.path;
  file.blocks = blocks.size();
  uint64_t damaged = 0;
  uint64_t differing = 0;
  bool fitting = true;
  std::vector<std::optional<GroupId>> groups(uint64_t{last} + 1);
  for (const auto& [index, block] : blocks) {
    groups[index] = block.group;
    damaged += block.good ? 0 : 1;
    differing += block.differing ? 1 : 0;
    fitting = fitting && (index == last ? block.length <= block_bytes : block.length == block_bytes);
    file.bytes += block.length;
    file.found.crc32c = crc32c_combine(file.found.crc32c, block.crc32c, block.length);
  }
  const uint64_t tail = blocks.rbegin()->second.length;
  file.found.size = last * block_bytes + tail;
  const bool size_known = hint.file.size != UINT64_MAX && !hint.path.empty();
  uint64_t wanted = uint64_t{last} + 1;
  if (size_known) wanted = std::max(wanted, (hint.file.size + block_bytes - 1) / block_bytes);
  file.blocks_missing = wanted - blocks.size();
  if (file.blocks_missing > 0) file.found.crc32c = 0;
  if (hint.path.empty()) {
    file.guess = Guess::no_path;
    file.text = blocks.contains(0) ? "its first block does not say whose it is"
                                   : "its first block, which has its path, is on no node";
  } else if (file.blocks_missing > 0) {
    file.guess = Guess::missing;
    file.text = std::to_string(file.blocks_missing) + " of its " + counted(wanted, "block") +
                (file.blocks_missing == 1 ? " is on no node" : " are on no node");
  } else if (damaged > 0) {
    file.guess = Guess::damaged;
    file.text = counted(damaged, "block") + " of it with damaged copies only";
  } else if (differing > 0) {
    file.guess = Guess::differing;
    file.text = counted(differing, "block") + " of it with copies of different content";
  } else if (!fitting || (size_known && file.found.size != hint.file.size)) {
    file.guess = Guess::lengths;
    file.text = "its blocks make " + counted(file.found.size, "byte") +
                (size_known ? ", its writer wanted " + std::to_string(hint.file.size) : "") +
                (fitting ? "" : "; some are too long or too short");
  } else if (!size_known && tail % (hint.file.block_bytes == 0 && last == 0 ? kPartBytes
                                                                            : block_bytes) == 0) {
    file.guess = Guess::open_end;
    file.text = "it was a stream and ends with a full block: more may have followed";
  }
  file.found.name = hint.path.empty() ? std::string() : base_name(hint.path);
  file.found.mode = hint.file.mode != 0 ? hint.file.mode : 0644;
  file.found.written_ms = hint.file.written_ms;
  if (file.found.written_ms == 0) {
    int64_t first = INT64_MAX;
    for (const auto& [index, copies] : object.blocks) {
      for (const Copy& copy : copies) first = std::min(first, copy.created_ms);
    }
    file.found.written_ms = first;
  }
  if (auto layout = layout_of(id, block_bytes, groups)) file.found.layout = std::move(*layout);
  return file;
}

Assembled Assembly::assemble() const {
  Assembled out;
  out.epoch = epoch_;
  std::map<GroupId, Holding> holdings;
  for (const auto& [id, object] : objects_) {
    out.highest = std::max(out.highest, id);
    for (const auto& [index, copies] : object.blocks) {
      out.copies += copies.size();
      for (const Copy& copy : copies) out.copies_bad += copy.bad ? 1 : 0;
    }
    out.blocks += object.blocks.size();
    const Blocks blocks = choose_all(object);
    hold(object, blocks, holdings);
    AssembledFile file = assemble_file(id, object, blocks);
    if (file.found.layout.object == 0 || file.found.size == 0) {
      out.unplaceable.push_back(id);
    } else {
      out.files.push_back(std::move(file));
    }
  }
  // The newest that is whole has the path.
  std::map<std::string, std::pair<ObjectId, ObjectId>> newest;  // the newest, and the newest whole
  for (const AssembledFile& file : out.files) {
    if (file.path.empty()) continue;
    auto& [any, whole] = newest[file.path];
    any = file.found.layout.object;
    if (file.guess == Guess::none) whole = any;
  }
  for (AssembledFile& file : out.files) {
    if (file.guess != Guess::none) continue;
    const auto& [any, whole] = newest[file.path];
    if (file.found.layout.object != whole) {
      file.guess = Guess::older;
      file.text = "object " + std::to_string(whole) + " is newer and has its path";
      continue;
    }
    if (file.path == kLostAndFound) {
      file.guess = Guess::no_path;
      file.text = "a directory has its path: the one for what was lost";
      continue;
    }
    file.found.path = file.path;
    if (any == whole) continue;
    file.guess = Guess::newer;
    file.text = "object " + std::to_string(any) +
                " of the same path is newer and not whole: it may or may not have replaced this one";
  }
  for (const auto& [group, holding] : holdings) {
    FoundGroup found;
    found.group = group;
    std::vector<std::pair<NodeId, uint64_t>> nodes(holding.nodes.begin(), holding.nodes.end());
    std::sort(nodes.begin(), nodes.end(), [g = group](const auto& a, const auto& b) {
      if (a.second != b.second) return a.second > b.second;
      return std::tuple(mixed(a.first, g), a.first) < std::tuple(mixed(b.first, g), b.first);
    });
    for (const auto& [node, blocks] : nodes) {
      found.holders.push_back({node, blocks == holding.blocks});
    }
    out.groups.push_back(std::move(found));
  }
  return out;
}

}  // namespace dfs
