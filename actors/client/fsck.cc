#include "actors/client/fsck.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "actors/client/client_state.h"
#include "actors/client/node_health.h"
#include "messages/blocks.h"
#include "messages/reclaim.h"

namespace dfs {

namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(500);
constexpr Duration kNodeDeadline = std::chrono::seconds(5);

std::string names_of(const std::vector<NodeId>& nodes) {
  std::string out;
  for (const NodeId node : nodes) out += (out.empty() ? "" : ", ") + storage_address(node);
  return out;
}

std::string of_block(const BlockSurvey& block) {
  return "block " + std::to_string(block.index) + " in group " + std::to_string(block.group);
}

// "storage/3 is silent, storage/4 lacks it": every holder without a good copy.
std::string short_text(const BlockSurvey& block) {
  std::string out;
  for (const CopyView& copy : block.copies) {
    if (copy.state == CopyState::good) continue;
    out += (out.empty() ? "" : ", ") + storage_address(copy.node) + " is " + name_of(copy.state);
  }
  return out.empty() ? "the group has too few members" : out;
}

class Fsck {
 public:
  Fsck(Bus& bus, Calls& calls, FsckOptions options, Duration deadline)
      : bus_(bus), calls_(calls), options_(std::move(options)), deadline_(deadline) {
    options_.jobs = std::max(options_.jobs, 1u);
  }

  Task<Result<FsckSummary>> run() {
    Task<Result<ClusterMap>> mapping = ask(GetMap{});
    Result<ClusterMap> map = co_await mapping;
    if (!map) co_return std::move(map).error();
    map_ = std::move(*map);
    Task<Result<StatReply>> looking = ask(Stat{options_.path, false});
    const Result<StatReply> top = co_await looking;
    if (!top) co_return top.error();
    if (top->info.type == FileType::file) {
      begin_check(options_.path, top->info);
    } else {
      Task<void> walking = walk(options_.path);
      co_await walking;
    }
    Task<void> draining = until_fewer_than(1);
    co_await draining;
    if (!error_ && options_.path == "/" && !options_.files_only) {
      judge_groups();
      for (const NodeView& node : map_.nodes) {
        ++open_;
        scope_.spawn(check_node(node));
      }
      Task<void> rest = until_fewer_than(1);
      co_await rest;
    }
    // Not on the stack of the flow that is about to be destroyed.
    Task<void> stepping_aside = sleep(bus_, Duration::zero());
    co_await stepping_aside;
    if (error_) co_return *error_;
    co_return summary_;
  }

 private:
  // A directory on the way down, and how far it was read.
  struct Frame {
    std::string path;
    ListReply page;
    size_t next = 0;
  };

  template <Request R>
  Task<Result<typename R::Reply>> ask(R request) {
    CallOptions options;
    options.deadline = deadline_;
    Task<Result<Answer<R>>> asking =
        calls_.ask<R>("monitor", std::move(request), std::move(options));
    Result<Answer<R>> answer = co_await asking;
    if (!answer) co_return std::move(answer).error();
    co_return std::move(answer->message);
  }

  Task<Result<ListReply>> list(std::string path, std::string after) {
    List request;
    request.path = std::move(path);
    request.after = std::move(after);
    return ask(std::move(request));
  }

  // Depth first, so that no more than one page of each directory on the way is in memory.
  Task<void> walk(std::string top) {
    std::vector<Frame> frames;
    Task<bool> entering = enter(top, &frames);
    const bool entered = co_await entering;
    if (!entered) co_return;
    while (!frames.empty() && !error_) {
      Frame& frame = frames.back();
      if (frame.next == frame.page.entries.size()) {
        if (!frame.page.more || frame.page.entries.empty()) {
          frames.pop_back();
          continue;
        }
        Task<Result<ListReply>> listing = list(frame.path, frame.page.entries.back().name);
        Result<ListReply> page = co_await listing;
        if (!take_page(frames.back(), page)) frames.pop_back();
        continue;
      }
      const ListEntry entry = frame.page.entries[frame.next++];
      const std::string path = (frame.path == "/" ? "" : frame.path) + "/" + entry.name;
      if (entry.info.type == FileType::directory) {
        Task<bool> going_down = enter(path, &frames);
        co_await going_down;
        continue;
      }
      Task<void> waiting = until_fewer_than(options_.jobs);
      co_await waiting;
      begin_check(path, entry.info);
    }
  }

  Task<bool> enter(std::string path, std::vector<Frame>* frames) {
    Task<Result<ListReply>> listing = list(path, "");
    Result<ListReply> page = co_await listing;
    Frame frame{path, {}, 0};
    if (!take_page(frame, page)) co_return false;
    ++summary_.directories;
    frames->push_back(std::move(frame));
    co_return true;
  }

  // What was removed meanwhile needs no look.
  bool take_page(Frame& frame, Result<ListReply>& page) {
    if (!page) {
      if (page.code() != Code::not_found && page.code() != Code::not_directory) {
        error_ = page.error();
      }
      return false;
    }
    frame.page.entries.swap(page->entries);
    frame.page.more = page->more;
    frame.next = 0;
    if (options_.progress) options_.progress(summary_);
    return true;
  }

  void begin_check(const std::string& path, const InodeInfo& info) {
    ++summary_.files;
    if (info.object == 0) {
      ++summary_.files_inline;
      return;
    }
    ++open_;
    scope_.spawn(check_file(path));
  }

  Task<void> check_file(std::string path) {
    Task<std::optional<FileSurvey>> first_look = look_at(path);
    std::optional<FileSurvey> file = co_await first_look;
    if (file && !(file->complete() && file->checksum_right && sound(*file))) {
      Task<void> pausing = sleep(bus_, kLookAgain);
      co_await pausing;
      Task<std::optional<FileSurvey>> second_look = look_at(path);
      file = co_await second_look;
    }
    if (file) tell(path, *file);
    --open_;
    step_.notify();
  }

  // Nothing when the file is gone.
  Task<std::optional<FileSurvey>> look_at(std::string path) {
    Task<Result<OpenFileReply>> opening = ask(OpenFile{path, false});
    Result<OpenFileReply> opened = co_await opening;
    if (!opened) {
      const bool gone = opened.code() == Code::not_found || opened.code() == Code::is_directory ||
                        opened.code() == Code::not_directory;
      if (!gone) error_ = opened.error();
      co_return std::nullopt;
    }
    Task<Result<FileSurvey>> surveying = survey(&bus_, &calls_, &map_, std::move(*opened));
    Result<FileSurvey> file = co_await surveying;
    if (!file) {
      error_ = file.error();
      co_return std::nullopt;
    }
    co_return std::move(*file);
  }

  static bool sound(const FileSurvey& file) {
    return std::all_of(file.blocks.begin(), file.blocks.end(), [](const BlockSurvey& block) {
      return block.nodes_with(CopyState::bad).empty() && block.nodes_with(CopyState::wrong).empty();
    });
  }

  void tell(const std::string& path, const FileSurvey& file) {
    for (const BlockSurvey& block : file.blocks) {
      ++summary_.blocks;
      summary_.bytes += block.length;
      summary_.copies_wanted += block.wanted;
      summary_.copies_good += std::min(block.good(), block.wanted);
      tell_block(path, file, block);
    }
    if (file.checksum_right) return;
    report({FsckFault::wrong_checksum,
            path,
            file.info.object,
            0,
            0,
            {},
            "the checksums of its blocks do not add up to the one that was recorded with it"});
  }

  void tell_block(const std::string& path, const FileSurvey& file, const BlockSurvey& block) {
    const auto finding = [&](FsckFault fault, std::vector<NodeId> nodes, std::string text) {
      report({fault, path, file.info.object, block.index, block.group, std::move(nodes),
              of_block(block) + " " + std::move(text)});
    };
    const std::vector<NodeId> bad = block.nodes_with(CopyState::bad);
    const std::vector<NodeId> wrong = block.nodes_with(CopyState::wrong);
    if (!bad.empty()) finding(FsckFault::bad_copy, bad, "is damaged on " + names_of(bad));
    if (!wrong.empty()) {
      finding(FsckFault::wrong_copy, wrong,
              "has another length or checksum than it must have on " + names_of(wrong));
    }
    if (block.good() >= block.wanted) return;
    std::vector<NodeId> without;
    for (const CopyView& copy : block.copies) {
      if (copy.state != CopyState::good) without.push_back(copy.node);
    }
    if (block.good() == 0) {
      finding(FsckFault::no_copy, without, "has no good copy: " + short_text(block));
    } else {
      finding(FsckFault::too_few_copies, without,
              "has " + std::to_string(block.good()) + " of " + std::to_string(block.wanted) +
                  " copies: " + short_text(block));
    }
  }

  void judge_groups() {
    for (const GroupView& group : map_.groups) {
      if (!group.used) continue;
      const PoolView& pool = map_.pools[group.pool < map_.pools.size() ? group.pool : 0];
      std::vector<NodeId> lacking;
      for (const Lack& lack : group.lacking) lacking.push_back(lack.node);
      const std::string name = "group " + std::to_string(group.group);
      if (!lacking.empty()) {
        report({FsckFault::group, "", 0, 0, group.group, lacking,
                name + ": " + names_of(lacking) + " may lack blocks"});
      }
      if (group.members.size() >= pool.replicas) continue;
      report({FsckFault::group,
              "",
              0,
              0,
              group.group,
              {},
              name + " has " + std::to_string(group.members.size()) + " members of the " +
                  std::to_string(pool.replicas) + " that its pool asks for"});
    }
  }

  // Page by page, the node tells what it has and the monitor what that is.
  Task<void> check_node(NodeView node) {
    ListBlocks request;
    bool told = node.state == NodeState::up;
    while (told && !error_) {
      CallOptions options;
      options.deadline = kNodeDeadline;
      Task<Result<Answer<ListBlocks>>> calling = calls_.call<ListBlocks>(
          node.endpoint, storage_address(node.node), request, std::move(options));
      const Result<Answer<ListBlocks>> page = co_await calling;
      told = page.ok();
      if (!page) break;
      const ListBlocksReply& blocks = page->message;
      JudgeBlocks judge;  // by nobody: who only looks declares nothing dead
      for (const BlockView& block : blocks.blocks) {
        judge.blocks.push_back({block.object, block.index, block.group});
      }
      if (judge.blocks.empty()) break;
      Task<Result<JudgeBlocksReply>> judging = ask(std::move(judge));
      const Result<JudgeBlocksReply> verdicts = co_await judging;
      if (!verdicts) {
        error_ = verdicts.error();
        break;
      }
      count(node.node, blocks, *verdicts);
      if (!blocks.more) break;
      request.after_object = blocks.blocks.back().object;
      request.after_index = blocks.blocks.back().index;
      request.after_group = blocks.blocks.back().group;
    }
    if (told) {
      ++summary_.nodes;
    } else {
      report({FsckFault::silent_node,
              "",
              0,
              0,
              0,
              {node.node},
              storage_address(node.node) + " at " + node.endpoint +
                  (node.state == NodeState::up ? " does not answer" : " is down")});
    }
    --open_;
    step_.notify();
  }

  void count(NodeId node, const ListBlocksReply& blocks, const JudgeBlocksReply& verdicts) {
    for (size_t i = 0; i < blocks.blocks.size() && i < verdicts.verdicts.size(); ++i) {
      const BlockView& block = blocks.blocks[i];
      BlockTally& tally = tally_of(node, block.group, verdicts.verdicts[i].verdict);
      tally.blocks += 1;
      tally.bytes += block.length;
    }
    if (options_.progress) options_.progress(summary_);
  }

  BlockTally& tally_of(NodeId node, GroupId group, Verdict verdict) {
    switch (verdict) {
      case Verdict::live: {
        const bool belongs = group < map_.groups.size() && map_.groups[group].holds(node);
        return belongs ? summary_.live : summary_.surplus;
      }
      case Verdict::stray:
        return summary_.stray;
      case Verdict::dead:
        return summary_.dead;
      case Verdict::pending:
        break;
    }
    return summary_.pending;
  }

  void report(FsckFinding finding) {
    ++summary_.findings;
    if (options_.found) options_.found(finding);
  }

  Task<void> until_fewer_than(size_t most) {
    while (open_ >= most) {
      Signal::Waiter step = step_.wait();
      co_await step;
    }
  }

  Bus& bus_;
  Calls& calls_;
  FsckOptions options_;
  const Duration deadline_;
  ClusterMap map_;
  FsckSummary summary_;
  std::optional<Error> error_;
  size_t open_ = 0;  // flows that look at a file or a node
  Signal step_;
  TaskScope scope_;  // last: its flows use all of the above
};

}  // namespace

const char* name_of(FsckFault fault) {
  switch (fault) {
    case FsckFault::no_copy:
      return "no-copy";
    case FsckFault::too_few_copies:
      return "too-few-copies";
    case FsckFault::bad_copy:
      return "bad-copy";
    case FsckFault::wrong_copy:
      return "wrong-copy";
    case FsckFault::wrong_checksum:
      return "wrong-checksum";
    case FsckFault::group:
      return "group";
    case FsckFault::silent_node:
      return "silent-node";
  }
  return "unknown";
}

Task<Result<FsckSummary>> fsck(Bus* bus, Calls* calls, FsckOptions options, Duration deadline) {
  Fsck fsck(*bus, *calls, std::move(options), deadline);
  Task<Result<FsckSummary>> running = fsck.run();
  Result<FsckSummary> summary = co_await running;
  co_return summary;
}

Task<Result<FsckSummary>> Client::fsck(FsckOptions options) {
  Task<Result<void>> passing = state_->take_pass();
  const Result<void> passed = co_await passing;
  if (!passed) co_return passed.error();
  Task<Result<FsckSummary>> checking =
      dfs::fsck(&state_->bus, &state_->calls, std::move(options), state_->settings.deadline);
  Result<FsckSummary> summary = co_await checking;
  co_return summary;
}

}  // namespace dfs
