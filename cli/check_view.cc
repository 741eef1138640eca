#include "cli/check_view.h"

#include <algorithm>

#include "cli/nodes_view.h"

namespace dfs::cli {

namespace {

using Align = TextTable::Align;

constexpr size_t kBlocksShown = 20;

struct Space {
  uint64_t total = 0;
  uint64_t used = 0;
  uint64_t blocks = 0;
  uint64_t bad = 0;

  uint64_t free() const { return total - std::min(used, total); }
};

Space space_of(const NodeStatus& node) {
  const Heartbeat& beat = node.heartbeat;
  const uint64_t total = beat.total_bytes != 0 ? beat.total_bytes : node.view.total_bytes;
  return {total, beat.used_bytes, beat.blocks, beat.blocks_bad};
}

Space space_of(const ClusterStatus& status) {
  Space all;
  for (const NodeStatus& node : status.nodes) {
    const Space one = space_of(node);
    all.total += one.total;
    all.used += one.used;
    all.blocks += one.blocks;
    all.bad += one.bad;
  }
  return all;
}

void add_row(TextTable& table, const std::string& node, const std::string& state,
             const Space& space) {
  table.add({node, state, human_bytes(space.total), human_bytes(space.used),
             human_bytes(space.free()), share_of(space.used, space.total),
             std::to_string(space.blocks), std::to_string(space.bad)});
}

JsonLine& add_space(JsonLine& line, const Space& space) {
  return line.add("total_bytes", space.total)
      .add("used_bytes", space.used)
      .add("free_bytes", space.free())
      .add("blocks", space.blocks)
      .add("blocks_bad", space.bad);
}

std::string numbers(const std::vector<NodeId>& nodes) {
  std::string out = "[";
  for (const NodeId node : nodes) out += (out.size() > 1 ? "," : "") + std::to_string(node);
  return out + "]";
}

uint64_t voters(const HeadList& heads) {
  return static_cast<uint64_t>(
      std::count_if(heads.heads.begin(), heads.heads.end(),
                    [](const HeadStatus& head) { return head.standing != Standing::learner; }));
}

std::string copies_text(const BlockSurvey& block) {
  std::string out = std::to_string(block.good()) + " of " + counted(block.wanted, "copy");
  for (const CopyView& copy : block.copies) {
    if (copy.state == CopyState::good) continue;
    out += ", storage/" + std::to_string(copy.node) + " " + name_of(copy.state);
  }
  return out;
}

std::string block_json(const BlockSurvey& block) {
  JsonLine copies;
  for (const CopyView& copy : block.copies)
    copies.add(std::to_string(copy.node), name_of(copy.state));
  JsonLine line;
  line.add("index", block.index).add("group", block.group).add("length", block.length);
  line.add("copies", block.good()).add("copies_wanted", block.wanted);
  line.add("verified_ms", block.verified_ms());
  return line.raw("nodes", copies.str()).str();
}

std::string tally_text(const char* what, const BlockTally& tally) {
  return std::string(what) + " " + counted(tally.blocks, "block") + " of " +
         human_bytes(tally.bytes);
}

std::string tally_json(const BlockTally& tally) {
  return JsonLine().add("blocks", tally.blocks).add("bytes", tally.bytes).str();
}

}  // namespace

std::string space_table(const ClusterStatus& status) {
  TextTable table({{"NODE", Align::right},
                   {"STATE"},
                   {"SIZE", Align::right},
                   {"USED", Align::right},
                   {"FREE", Align::right},
                   {"FULL", Align::right},
                   {"BLOCKS", Align::right},
                   {"BAD", Align::right}});
  for (const NodeStatus& node : status.nodes) {
    add_row(table, std::to_string(node.view.node), state_text(node), space_of(node));
  }
  add_row(table, "all", "", space_of(status));
  return table.str();
}

std::vector<std::string> space_notes(const ClusterStatus& status) {
  const ContentCounts& content = status.content;
  std::vector<std::string> notes;
  notes.push_back("content  " + counted(status.files, "file") + " in " +
                  counted(status.directories, "directory") + "; " +
                  human_bytes(content.live_bytes) + " in " + counted(content.live, "object") +
                  ", of now and of history, before replication");
  notes.push_back("dead     " + counted(content.dead, "object") + " of " +
                  human_bytes(content.dead_bytes) +
                  " that died lately; the nodes take their blocks back by themselves");
  return notes;
}

std::string space_json(const ClusterStatus& status) {
  std::string nodes = "[";
  for (const NodeStatus& node : status.nodes) {
    JsonLine line;
    line.add("node", node.view.node).add("state", state_text(node));
    nodes += (nodes.size() > 1 ? "," : "") + add_space(line, space_of(node)).str();
  }
  JsonLine line;
  add_space(line, space_of(status));
  line.add("files", status.files).add("directories", status.directories);
  line.add("objects", status.content.live).add("objects_bytes", status.content.live_bytes);
  line.add("objects_dead", status.content.dead);
  line.add("objects_dead_bytes", status.content.dead_bytes);
  return line.raw("nodes", nodes + "]").str();
}

std::string metadata_text(const HeadList& heads) {
  const uint64_t all = voters(heads);
  if (all <= 1) return "on the one head, synced before the put was acknowledged";
  return "on " + counted(all, "head") + ", synced on " + std::to_string(all / 2 + 1) +
         " of them before the put was acknowledged";
}

std::vector<std::string> durability_lines(const FileSurvey& file, const HeadList& heads) {
  std::vector<std::string> lines{"metadata  " + metadata_text(heads)};
  if (file.blocks.empty()) {
    lines.push_back("copies    with the metadata, on every head");
    return lines;
  }
  uint32_t wanted = 0;
  for (const BlockSurvey& block : file.blocks) wanted = std::max(wanted, block.wanted);
  lines.push_back("copies    at least " + std::to_string(file.copies_min()) + " of " +
                  std::to_string(wanted) + " of every block, each synced before it counted");
  const int64_t verified = file.verified_ms();
  lines.push_back("verified  " +
                  (verified == 0 ? "not known when" : "every copy since " + human_time(verified)));
  if (!file.checksum_right) {
    lines.push_back("checksum  the blocks do not add up to that of the file");
  }
  size_t shown = 0;
  size_t left_out = 0;
  for (const BlockSurvey& block : file.blocks) {
    if (block.good() >= block.wanted) continue;
    if (++shown > kBlocksShown) {
      ++left_out;
      continue;
    }
    lines.push_back("block " + std::to_string(block.index) + " in group " +
                    std::to_string(block.group) + " has " + copies_text(block));
  }
  if (left_out != 0) lines.push_back("and " + counted(left_out, "more block"));
  return lines;
}

std::string durability_json(const FileSurvey& file, const HeadList& heads) {
  const uint64_t all = voters(heads);
  std::string blocks = "[";
  uint32_t wanted = 0;
  for (const BlockSurvey& block : file.blocks) {
    wanted = std::max(wanted, block.wanted);
    if (block.good() < block.wanted) blocks += (blocks.size() > 1 ? "," : "") + block_json(block);
  }
  JsonLine line;
  line.add("complete", file.complete()).add("checksum_right", file.checksum_right);
  if (file.blocks.empty()) {
    line.add("copies", all).add("copies_wanted", all);
  } else {
    line.add("copies", file.copies_min()).add("copies_wanted", wanted);
  }
  line.add("copies_synced", true).add("verified_ms", file.verified_ms());
  JsonLine metadata;
  metadata.add("heads", all).add("synced_on", all / 2 + 1);
  line.raw("metadata", metadata.str());
  return line.raw("blocks_short", blocks + "]").str();
}

std::string finding_text(const FsckFinding& finding) {
  const std::string where = finding.path.empty() ? "" : printable(finding.path) + ": ";
  return std::string(name_of(finding.fault)) + "  " + where + finding.text;
}

std::string finding_json(const FsckFinding& finding) {
  JsonLine line;
  line.add("finding", name_of(finding.fault));
  if (!finding.path.empty()) line.add("path", finding.path).add("object", finding.object);
  const bool of_block = !finding.path.empty() && finding.fault != FsckFault::wrong_checksum;
  if (of_block) line.add("block", finding.index);
  if (of_block || finding.fault == FsckFault::group) line.add("group", finding.group);
  return line.raw("nodes", numbers(finding.nodes)).add("text", finding.text).str();
}

std::vector<std::string> summary_lines(const FsckSummary& summary) {
  std::vector<std::string> lines;
  lines.push_back("files    " + counted(summary.files, "file") + " in " +
                  counted(summary.directories, "directory") + ", " +
                  std::to_string(summary.files_inline) + " of them kept with their names");
  lines.push_back("blocks   " + counted(summary.blocks, "block") + " of " +
                  human_bytes(summary.bytes) + ", " + std::to_string(summary.copies_good) + " of " +
                  counted(summary.copies_wanted, "copy") + " good");
  if (summary.nodes != 0) {
    lines.push_back("nodes    " + counted(summary.nodes, "node") + " with " +
                    tally_text("live", summary.live));
    lines.push_back("besides  " + tally_text("dead", summary.dead) + ", " +
                    tally_text("stray", summary.stray) + ", " +
                    tally_text("surplus", summary.surplus) + ", " +
                    tally_text("pending", summary.pending));
  }
  lines.push_back(summary.findings == 0 ? "clean" : counted(summary.findings, "finding"));
  return lines;
}

std::string summary_json(const FsckSummary& summary) {
  JsonLine line;
  line.add("summary", true).add("findings", summary.findings);
  line.add("directories", summary.directories).add("files", summary.files);
  line.add("files_inline", summary.files_inline);
  line.add("blocks", summary.blocks).add("bytes", summary.bytes);
  line.add("copies_good", summary.copies_good).add("copies_wanted", summary.copies_wanted);
  line.add("nodes", summary.nodes);
  line.raw("live", tally_json(summary.live)).raw("dead", tally_json(summary.dead));
  line.raw("stray", tally_json(summary.stray)).raw("surplus", tally_json(summary.surplus));
  return line.raw("pending", tally_json(summary.pending)).str();
}

}  // namespace dfs::cli
