// stat checksum
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "cli/arguments.h"
#include "cli/check_view.h"
#include "cli/commands.h"
#include "cli/digest.h"
#include "cli/walking.h"

namespace dfs::cli {

namespace {

struct StatOptions {
  std::vector<std::string> paths;
  bool blocks = false;
  bool durability = false;
  bool numeric = false;
};

// What one node holds of a file.
struct Share {
  uint64_t blocks = 0;
  uint64_t bytes = 0;
};

struct Places {
  std::vector<BlockLocation> blocks;
  std::map<NodeId, Share> shares;
  size_t copies_min = 0;

  explicit Places(std::vector<BlockLocation> located) : blocks(std::move(located)) {
    copies_min = blocks.empty() ? 0 : SIZE_MAX;
    for (const BlockLocation& block : blocks) {
      copies_min = std::min(copies_min, block.nodes.size());
      for (const NodeId node : block.nodes) {
        shares[node].blocks += 1;
        shares[node].bytes += block.length;
      }
    }
  }
};

std::string numbers(const std::vector<NodeId>& nodes, std::string_view between) {
  std::string out;
  for (const NodeId node : nodes) {
    if (!out.empty()) out += between;
    out += std::to_string(node);
  }
  return out;
}

std::string places_json(const Places& places) {
  std::string out = "[";
  for (const BlockLocation& block : places.blocks) {
    JsonLine line;
    line.add("index", block.index).add("length", block.length).add("group", block.group);
    line.raw("nodes", "[" + numbers(block.nodes, ",") + "]");
    out += (out.size() > 1 ? "," : "") + line.str();
  }
  return out + "]";
}

std::string shares_json(const Places& places) {
  JsonLine all;
  for (const auto& [node, share] : places.shares) {
    JsonLine line;
    line.add("blocks", share.blocks).add("bytes", share.bytes);
    all.raw(std::to_string(node), line.str());
  }
  return all.str();
}

std::string places_tables(const Places& places) {
  using Align = TextTable::Align;
  TextTable blocks({{"BLOCK", Align::right},
                    {"LENGTH", Align::right},
                    {"GROUP", Align::right},
                    {"COPIES", Align::right},
                    {"NODES"}});
  for (const BlockLocation& block : places.blocks) {
    blocks.add({std::to_string(block.index), human_bytes(block.length), std::to_string(block.group),
                std::to_string(block.nodes.size()),
                block.nodes.empty() ? "none" : numbers(block.nodes, " ")});
  }
  TextTable nodes({{"NODE", Align::right}, {"BLOCKS", Align::right}, {"BYTES", Align::right}});
  for (const auto& [node, share] : places.shares) {
    nodes.add({std::to_string(node), std::to_string(share.blocks), human_bytes(share.bytes)});
  }
  return blocks.str() + "\n" + nodes.str();
}

std::string content_of(const InodeInfo& info) {
  if (info.size == 0) return "empty";
  const std::string how = info.encrypted ? ", encrypted" : "";
  if (info.object == 0) return "kept with the name, on the heads" + how;
  const uint64_t stored = info.encrypted ? sealed_bytes(info.size) : info.size;
  const uint64_t count = (stored + info.block_bytes - 1) / info.block_bytes;
  return counted(count, "block") + " of " + human_bytes(info.block_bytes) + ", object " +
         std::to_string(info.object) + how;
}

std::string owner_text(Context& context, const InodeInfo& info, bool numeric) {
  const auto text = [&](const char* kind, uint32_t id, const std::string& name) {
    const std::string number = std::string(kind) + " " + std::to_string(id);
    return numeric || name == std::to_string(id) ? number : name + " (" + number + ")";
  };
  const std::string user = numeric ? "" : context.users().user(info.uid);
  const std::string group = numeric ? "" : context.users().group(info.gid);
  return text("uid", info.uid, user) + ", " + text("gid", info.gid, group);
}

void print_info(Context& context, const std::string& path, const InodeInfo& info, bool numeric) {
  const bool directory = info.type == FileType::directory;
  context.print("path      " + context.shown(path));
  context.print(std::string("type      ") + (directory ? "directory" : "file") + ", " +
                human_mode(info.type, info.mode) + ", " + counted(info.links, "link") + ", inode " +
                std::to_string(info.ino));
  context.print("owner     " + owner_text(context, info, numeric) +
                (info.has_acl ? "; dfsctl acl get tells who else" : ""));
  context.print("created   " + human_time(info.created_ms));
  context.print("modified  " + human_time(info.modified_ms));
  if (directory) return;
  context.print("size      " + human_bytes(info.size) +
                (info.size < 1024 ? "" : " (" + counted(info.size, "byte") + ")"));
  context.print("version   " + std::to_string(info.version));
  context.print("crc32c    " +
                (info.crc32c_known ? hex32(info.crc32c) : "unknown since the heads were lost"));
  context.print("content   " + content_of(info));
}

// What is promised of the file, and what the nodes hold of it.
struct Durability {
  FileSurvey file;
  HeadList heads;
};

Result<Durability> durability_of(Context& context, const std::string& path) {
  auto file = context.session().run<FileSurvey>(
      [&](Client& client) { return client.survey(path, context.stale); });
  if (!file) return std::move(file).error();
  auto heads =
      context.session().run<HeadList>([&](Client& client) { return client.heads(context.stale); });
  if (!heads) return std::move(heads).error();
  return Durability{std::move(*file), std::move(*heads)};
}

void stat_one(Context& context, const StatOptions& options, const std::string& text) {
  auto path = normal_path(text);
  if (!path) return (void)context.fail(text, path.error());
  auto info = context.stat(*path);
  if (!info) return (void)context.fail(*path, info.error());
  const bool locate = options.blocks && info->type == FileType::file;
  std::vector<BlockLocation> located;
  if (locate) {
    auto found = context.session().run<std::vector<BlockLocation>>(
        [&](Client& client) { return client.locate(*path, context.stale); });
    if (!found) return (void)context.fail(*path, found.error());
    located = std::move(*found);
  }
  std::optional<Durability> durability;
  if (options.durability && info->type == FileType::file) {
    auto asked = durability_of(context, *path);
    if (!asked) return (void)context.fail(*path, asked.error());
    durability = std::move(*asked);
  }
  const Places places(std::move(located));
  if (context.json()) {
    JsonLine line;
    add_info(line.add("path", *path).add("name", base_name(*path)), *info);
    context.add_freshness_to(line);
    if (locate) {
      line.add("copies_min", places.copies_min).raw("nodes", shares_json(places));
      line.raw("blocks", places_json(places));
    }
    if (durability) line.raw("durability", durability_json(durability->file, durability->heads));
    return context.print(line.str());
  }
  print_info(context, *path, *info, options.numeric);
  if (durability) {
    for (const auto& line : durability_lines(durability->file, durability->heads)) {
      context.print(line);
    }
  }
  if (!locate || places.blocks.empty()) return;
  context.print("copies    at least " + std::to_string(places.copies_min) + " of every block\n");
  std::string tables = places_tables(places);
  tables.pop_back();
  context.print(tables);
}

struct ChecksumOptions {
  std::vector<std::string> paths;
  bool md5 = false;
  bool sha256 = false;
  bool crc = false;
  bool read = false;

  DigestKind kind() const {
    return md5 ? DigestKind::md5 : sha256 ? DigestKind::sha256 : DigestKind::crc32c;
  }
};

Result<std::string> checksum_of(Context& context, const ChecksumOptions& options,
                                const std::string& path) {
  if (options.kind() == DigestKind::crc32c && !options.read) {
    auto info = context.session().stat(path);
    if (!info) return std::move(info).error();
    if (info->type == FileType::directory) {
      return Result<std::string>(Code::is_directory, "only files have a checksum; name one");
    }
    if (info->crc32c_known) return hex32(info->crc32c);
  }
  auto sink = std::make_shared<DigestSink>(options.kind());
  TransferOptions transfer;
  transfer.jobs = context.options.jobs;
  transfer.deadline = context.options.timeout;
  ProgressLine progress("checksum " + printable(path), !context.options.quiet && !context.json());
  transfer.progress = [&](const Progress& now) { progress.show(now.done_bytes, now.total_bytes); };
  auto report = context.session().get(path, sink, transfer);
  if (!report) return std::move(report).error();
  return sink->hex();
}

int checksum(Context& context, const ChecksumOptions& options) {
  for (const std::string& text : expanded(context, options.paths)) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    auto sum = checksum_of(context, options, *path);
    if (!sum) {
      context.fail(*path, sum.error());
    } else if (context.json()) {
      JsonLine line;
      line.add("path", *path).add("algorithm", name_of(options.kind())).add("checksum", *sum);
      context.print(line.str());
    } else {
      context.print(*sum + "  " + context.shown(*path));
    }
  }
  return context.status();
}

}  // namespace

void add_inspect_commands(CLI::App& app, Context& context) {
  auto* stat = app.add_subcommand("stat", "all that is known about files and directories");
  auto stating = std::make_shared<StatOptions>();
  stat->add_option("PATH", stating->paths, "what to look at; may be a pattern")->required();
  auto* blocks = stat->add_flag("--blocks", stating->blocks,
                                "ask the storage nodes what they really hold of it");
  auto* durability =
      stat->add_flag("--durability", stating->durability,
                     "ask the storage nodes for every copy, and tell what is promised");
  stat->add_flag("-n,--numeric", stating->numeric, "owner and group as numbers");
  add_stale_flag(*stat, context);
  add_at_option(*stat, context)->excludes(blocks)->excludes(durability);
  stat->callback([&context, stating] {
    unshield(stating->paths);
    context.run = [&context, stating] {
      for (const auto& path : expanded(context, stating->paths)) {
        stat_one(context, *stating, path);
      }
      return context.status();
    };
  });

  auto* sum = app.add_subcommand("checksum", "of the content, in the form of md5sum");
  auto summing = std::make_shared<ChecksumOptions>();
  sum->add_option("PATH", summing->paths, "the files; may be a pattern")->required();
  auto* md5 = sum->add_flag("--md5", summing->md5, "read the content and hash it");
  auto* sha256 = sum->add_flag("--sha256", summing->sha256, "read the content and hash it");
  auto* crc = sum->add_flag("--crc32c", summing->crc, "as recorded with the file (the default)");
  md5->excludes(sha256)->excludes(crc);
  sha256->excludes(crc);
  sum->add_flag("--read", summing->read, "with --crc32c: compute it from the content");
  sum->callback([&context, summing] {
    unshield(summing->paths);
    context.run = [&context, summing] { return checksum(context, *summing); };
  });
}

}  // namespace dfs::cli
