#include "actors/client/assembly.h"

#include <algorithm>
#include <tuple>

#include "messages/crc32c.h"

namespace dfs {

namespace {

constexpr uint64_t kBlocksMax = 1 << 26;  // of one object; 64 TiB of the smallest blocks

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
  const auto some =
      std::find_if(groups.begin(), groups.end(), [](auto& g) { return g.has_value(); });
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

// As the writer said, or else the smallest that the blocks allow.
uint64_t block_bytes_of(const FileHint& hint, const ChosenBlocks& blocks) {
  if (hint.block_bytes >= kBlockBytesMin && hint.block_bytes <= kBlockBytesMax &&
      hint.block_bytes % kPartBytes == 0) {
    return hint.block_bytes;
  }
  uint64_t longest = 1;
  for (const auto& [index, block] : blocks) longest = std::max(longest, block.length);
  return std::min((longest + kPartBytes - 1) / kPartBytes * kPartBytes, kBlockBytesMax);
}

// What all blocks of a file together say of it.
struct Sum {
  uint64_t damaged = 0;
  uint64_t differing = 0;
  bool fitting = true;  // the lengths
  uint64_t bytes = 0;
  uint32_t crc32c = 0;
};
Sum sum_of(const ChosenBlocks& blocks, uint64_t block_bytes) {
  Sum sum;
  const uint32_t last = blocks.rbegin()->first;
  for (const auto& [index, block] : blocks) {
    sum.damaged += block.good ? 0 : 1;
    sum.differing += block.differing ? 1 : 0;
    const bool fits = index == last ? block.length <= block_bytes : block.length == block_bytes;
    sum.fitting = sum.fitting && fits;
    sum.bytes += block.length;
    sum.crc32c = crc32c_combine(sum.crc32c, block.crc32c, block.length);
  }
  return sum;
}

// A last block that is shorter than the others is the end. When not even the writer's block size is
// known, a single block shows it by not being a multiple of what block sizes are multiples of.
bool ends_open(const FileHint& hint, const ChosenBlocks& blocks, uint64_t block_bytes) {
  if (hint.size != UINT64_MAX) return false;
  const bool single = blocks.size() == 1 && hint.block_bytes == 0;
  return blocks.rbegin()->second.length % (single ? kPartBytes : block_bytes) == 0;
}

std::pair<Guess, std::string> judged(const AssembledFile& file, const Sum& sum,
                                     const FileHint& hint, bool has_first, bool open_end) {
  const uint64_t wanted = file.blocks + file.blocks_missing;
  if (file.path.empty()) {
    return {Guess::no_path, has_first ? "its first block does not say whose it is"
                                      : "its first block, which has its path, is on no node"};
  }
  if (file.blocks_missing > 0) {
    return {Guess::missing, std::to_string(file.blocks_missing) + " of its " +
                                counted(wanted, "block") +
                                (file.blocks_missing == 1 ? " is" : " are") + " on no node"};
  }
  if (sum.damaged > 0) {
    return {Guess::damaged, counted(sum.damaged, "block") + " of it with damaged copies only"};
  }
  if (sum.differing > 0) {
    return {Guess::differing,
            counted(sum.differing, "block") + " of it with copies of different content"};
  }
  if (!sum.fitting) return {Guess::lengths, "its blocks are too long or too short for each other"};
  if (hint.size != UINT64_MAX && file.found.size != hint.size) {
    return {Guess::lengths, "its blocks make " + counted(file.found.size, "byte") +
                                ", and its writer wanted " + std::to_string(hint.size)};
  }
  if (open_end) {
    return {Guess::open_end, "it was a stream and ends with a full block: more may have followed"};
  }
  return {Guess::none, ""};
}

AssembledFile file_of(ObjectId id, const HintView& hint, const ChosenBlocks& blocks,
                      int64_t written_ms) {
  const uint64_t block_bytes = block_bytes_of(hint.file, blocks);
  const Sum sum = sum_of(blocks, block_bytes);
  const uint64_t last = blocks.rbegin()->first;
  const bool size_known = hint.file.size != UINT64_MAX;
  AssembledFile file;
  file.path = hint.path;
  file.blocks = blocks.size();
  file.bytes = sum.bytes;
  uint64_t wanted = last + 1;
  if (size_known) {
    wanted = std::max(wanted,
                      hint.file.size / block_bytes + (hint.file.size % block_bytes != 0 ? 1 : 0));
  }
  file.blocks_missing = wanted - blocks.size();
  FoundFile& found = file.found;
  found.size = last * block_bytes + blocks.rbegin()->second.length;
  found.crc32c = file.blocks_missing == 0 ? sum.crc32c : 0;
  found.seal = hint.file.seal;
  found.mode = hint.file.mode != 0 ? hint.file.mode : 0644;
  found.written_ms = written_ms;
  if (!hint.path.empty()) found.name = base_name(hint.path);
  std::tie(file.guess, file.text) =
      judged(file, sum, hint.file, blocks.contains(0), ends_open(hint.file, blocks, block_bytes));
  if (last >= kBlocksMax) return file;
  std::vector<std::optional<GroupId>> groups(last + 1);
  for (const auto& [index, block] : blocks) groups[index] = block.group;
  if (auto layout = layout_of(id, block_bytes, groups)) found.layout = std::move(*layout);
  return file;
}

// Of the files of one path the newest that is whole has it.
void share_paths(std::vector<AssembledFile>& files) {
  struct Newest {
    ObjectId any = 0;
    ObjectId whole = 0;
  };
  std::map<std::string, Newest> newest;
  for (const AssembledFile& file : files) {
    if (file.path.empty()) continue;
    Newest& of_path = newest[file.path];
    of_path.any = file.found.layout.object;
    if (file.guess == Guess::none) of_path.whole = of_path.any;
  }
  for (AssembledFile& file : files) {
    if (file.guess != Guess::none) continue;
    const Newest& of_path = newest[file.path];
    if (file.found.layout.object != of_path.whole) {
      file.guess = Guess::older;
      file.text = "object " + std::to_string(of_path.whole) + " is newer and has its path";
    } else if (file.path == kLostAndFound) {
      file.guess = Guess::no_path;
      file.text = "a directory has its path: the one for what was lost";
    } else {
      file.found.path = file.path;
      if (of_path.any == of_path.whole) continue;
      file.guess = Guess::newer;
      file.text = "object " + std::to_string(of_path.any) +
                  " of the same path is newer and not whole: it may have replaced this one or not";
    }
  }
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
  copies.push_back(
      {node, block.group, block.length, block.crc32c, block.bad, false, block.created_ms});
}

void Assembly::add(NodeId, const HintView& hint) {
  if (!hint.found) return;
  epoch_ = std::max(epoch_, hint.epoch);
  const auto object = objects_.find(hint.object);
  if (object == objects_.end() || hint.index != 0) return;
  HintView& known = object->second.hint;
  // Without its pool's key an encrypted file has no path, but it can be kept for when the key is
  // there.
  if (hint.path.empty() && known.path.empty() && hint.file.seal.cipher != Cipher::none) {
    known = hint;
  }
  if (hint.path.empty()) return;
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
ChosenBlock Assembly::choose(const std::vector<Copy>& copies) {
  const bool good = std::any_of(copies.begin(), copies.end(), [](auto& c) { return !c.bad; });
  std::map<std::pair<uint64_t, uint32_t>, size_t> contents;
  for (const Copy& copy : copies) {
    if (copy.bad != good) ++contents[{copy.length, copy.crc32c}];
  }
  const auto most = std::max_element(contents.begin(), contents.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  ChosenBlock chosen;
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

ChosenBlocks Assembly::choose_all(const Object& object) {
  ChosenBlocks blocks;
  for (const auto& [index, copies] : object.blocks) blocks.emplace(index, choose(copies));
  return blocks;
}

void Assembly::hold(const Object& object, const ChosenBlocks& blocks,
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

int64_t Assembly::first_written_ms(const Object& object) {
  if (object.hint.file.written_ms != 0) return object.hint.file.written_ms;
  int64_t first = INT64_MAX;
  for (const auto& [index, copies] : object.blocks) {
    for (const Copy& copy : copies) first = std::min(first, copy.created_ms);
  }
  return first;
}

// Who has most becomes a member first.
std::vector<FoundGroup> Assembly::found_groups(const std::map<GroupId, Holding>& holdings) {
  std::vector<FoundGroup> groups;
  for (const auto& [group, holding] : holdings) {
    FoundGroup& found = groups.emplace_back();
    found.group = group;
    std::vector<std::pair<NodeId, uint64_t>> nodes(holding.nodes.begin(), holding.nodes.end());
    std::sort(nodes.begin(), nodes.end(), [g = group](const auto& a, const auto& b) {
      if (a.second != b.second) return a.second > b.second;
      return std::tuple(mixed(a.first, g), a.first) < std::tuple(mixed(b.first, g), b.first);
    });
    for (const auto& [node, blocks] : nodes) {
      found.holders.push_back({node, blocks == holding.blocks});
    }
  }
  return groups;
}

Assembled Assembly::assemble() const {
  Assembled out;
  out.epoch = epoch_;
  std::map<GroupId, Holding> holdings;
  for (const auto& [id, object] : objects_) {
    out.highest = std::max(out.highest, id);
    out.blocks += object.blocks.size();
    for (const auto& [index, copies] : object.blocks) {
      out.copies += copies.size();
      for (const Copy& copy : copies) out.copies_bad += copy.bad ? 1 : 0;
    }
    const ChosenBlocks blocks = choose_all(object);
    hold(object, blocks, holdings);
    AssembledFile file = file_of(id, object.hint, blocks, first_written_ms(object));
    if (file.found.layout.object == 0 || file.found.size == 0) {
      out.unplaceable.push_back(id);
    } else {
      out.files.push_back(std::move(file));
    }
  }
  share_paths(out.files);
  out.groups = found_groups(holdings);
  return out;
}

}  // namespace dfs
