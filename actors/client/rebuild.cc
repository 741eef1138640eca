#include "actors/client/rebuild.h"

#include <algorithm>
#include <cstdio>

#include "actors/client/client_state.h"
#include "actors/client/node_health.h"
#include "messages/key_wrap.h"

namespace dfs {

namespace {

constexpr Duration kNodeDeadline = std::chrono::seconds(20);
constexpr Duration kLookAgain = std::chrono::milliseconds(500);
constexpr uint32_t kAttempts = 3;                     // of one question to one node
constexpr size_t kBatchBytesMax = kBodyBytesMax / 2;  // of files in one request

std::string lost_path(const AssembledFile& file) {
  char number[20];
  std::snprintf(number, sizeof number, "%llx",
                static_cast<unsigned long long>(file.found.layout.object));
  return std::string(kLostAndFound) + "/" + number +
         (file.found.name.empty() ? "" : "." + file.found.name);
}

class Rebuild {
 public:
  Rebuild(Bus& bus, Calls& calls, RebuildOptions options, Duration deadline)
      : bus_(bus), calls_(calls), options_(std::move(options)), deadline_(deadline) {}

  Task<Result<RebuildSummary>> run() {
    Task<Result<void>> checking = check_state();
    const Result<void> right = co_await checking;
    if (!right) co_return right.error();
    Task<Result<void>> waiting = wait_for_nodes();
    const Result<void> there = co_await waiting;
    if (!there) co_return there.error();
    Task<Result<void>> surveying = survey_nodes();
    const Result<void> surveyed = co_await surveying;
    if (!surveyed) co_return surveyed.error();
    const Assembled assembled = assembly_.assemble();
    count(assembled);
    if (options_.dry_run) {
      tell_all(assembled);
      co_return summary_;
    }
    Task<Result<void>> importing = import(assembled);
    const Result<void> imported = co_await importing;
    if (!imported) co_return imported.error();
    phase("done");
    co_return summary_;
  }

 private:
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

  template <Request R>
  Task<Result<typename R::Reply>> ask_node(NodeView node, R request) {
    const std::string address = storage_address(node.node);
    for (uint32_t attempt = 1;; ++attempt) {
      CallOptions options;
      options.deadline = kNodeDeadline;
      Task<Result<Answer<R>>> calling =
          calls_.call<R>(node.endpoint, address, request, std::move(options));
      Result<Answer<R>> answer = co_await calling;
      if (answer) co_return std::move(answer->message);
      if (!is_retryable(answer.code()) || attempt == kAttempts) {
        Error error = std::move(answer).error();
        error.text = address + " at " + node.endpoint +
                     " could not be listed to its end: " + error.text +
                     "; nothing was imported. Run this again when it is up";
        co_return error;
      }
      Task<void> pausing = sleep(bus_, kLookAgain);
      co_await pausing;
    }
  }

  void phase(const char* name) {
    summary_.phase = name;
    if (options_.progress) options_.progress(summary_);
  }

  Task<Result<void>> check_state() {
    Task<Result<RebuildStatus>> asking = ask(GetRebuild{});
    const Result<RebuildStatus> status = co_await asking;
    if (!status) co_return status.error();
    if (status->active || options_.dry_run) co_return Result<void>();
    co_return Error{Code::invalid,
                    "cluster " + status->cluster +
                        " is not being rebuilt: it has its files. Only after all heads are lost, "
                        "and one was founded with dfsd head --rebuild, is there something to do "
                        "here; --dry-run shows what there would be",
                    {},
                    0};
  }

  Task<Result<void>> wait_for_nodes() {
    phase("waiting for nodes");
    const Instant began = bus_.now();
    while (true) {
      Task<Result<ClusterMap>> mapping = ask(GetMap{});
      Result<ClusterMap> map = co_await mapping;
      if (!map) co_return map.error();
      nodes_.clear();
      for (const NodeView& node : map->nodes) {
        if (node.state == NodeState::up) nodes_.push_back(node);
      }
      summary_.nodes = nodes_.size();
      if (!nodes_.empty() && nodes_.size() >= options_.nodes) co_return Result<void>();
      if (options_.progress) options_.progress(summary_);
      const Duration waited = bus_.now() - began;
      if (options_.nodes == 0 ||
          (options_.patience > Duration::zero() && waited >= options_.patience)) {
        co_return Error{Code::too_few_nodes,
                        std::to_string(nodes_.size()) + " storage nodes are up, and " +
                            std::to_string(std::max(options_.nodes, 1u)) +
                            " are wanted; start the others",
                        {},
                        0};
      }
      Task<void> pausing = sleep(bus_, kLookAgain);
      co_await pausing;
    }
  }

  // ---- what the nodes hold

  Task<Result<void>> survey_nodes() {
    phase("listing");
    Task<Result<void>> listing = on_nodes([this](const NodeView& node) { return list(node); });
    const Result<void> listed = co_await listing;
    if (!listed) co_return listed.error();
    phase("reading names");
    while (true) {
      wanted_ = assembly_.hints_wanted();
      if (wanted_.empty()) break;
      Task<Result<void>> reading = on_nodes([this](const NodeView& node) { return read(node); });
      const Result<void> read_all = co_await reading;
      if (!read_all) co_return read_all.error();
    }
    co_return Result<void>();
  }

  // Runs `flow` for all nodes side by side.
  template <class Flow>
  Task<Result<void>> on_nodes(Flow flow) {
    {
      TaskScope scope;
      open_ = nodes_.size();
      for (const NodeView& node : nodes_) scope.spawn(flow(node));
      while (open_ > 0) {
        Signal::Waiter step = step_.wait();
        co_await step;
      }
      // Not on the stack of the flow that is about to be destroyed.
      Task<void> stepping_aside = sleep(bus_, Duration::zero());
      co_await stepping_aside;
    }
    if (error_) co_return *error_;
    co_return Result<void>();
  }

  void over(const Result<void>& outcome) {
    if (!outcome && !error_) error_ = outcome.error();
    --open_;
    step_.notify();
  }

  Task<void> list(NodeView node) {
    ListBlocks request;
    while (!error_) {
      Task<Result<ListBlocksReply>> asking = ask_node(node, request);
      const Result<ListBlocksReply> page = co_await asking;
      if (!page) co_return over(page.error());
      for (const BlockView& block : page->blocks) assembly_.add(node.node, block);
      summary_.copies += page->blocks.size();
      if (options_.progress) options_.progress(summary_);
      if (!page->more || page->blocks.empty()) break;
      const BlockView& last = page->blocks.back();
      request.after_object = last.object;
      request.after_index = last.index;
      request.after_group = last.group;
    }
    over({});
  }

  Task<void> read(NodeView node) {
    const std::vector<BlockName> blocks = std::move(wanted_[node.node]);
    for (size_t begin = 0; begin < blocks.size() && !error_; begin += kHintsMax) {
      ReadHints request;
      const size_t end = std::min(blocks.size(), begin + kHintsMax);
      request.blocks.assign(blocks.begin() + static_cast<ptrdiff_t>(begin),
                            blocks.begin() + static_cast<ptrdiff_t>(end));
      Task<Result<HintList>> asking = ask_node(node, std::move(request));
      const Result<HintList> list = co_await asking;
      if (!list) co_return over(list.error());
      for (const HintView& hint : list->hints) assembly_.add(node.node, with_path(hint));
    }
    over({});
  }

  // An encrypted path is read when its pool's key is known.
  HintView with_path(HintView hint) const {
    const std::string& wrapped = hint.file.seal.key.bytes;
    const KeyId id = wrapped_with(wrapped);
    for (const PoolKeyView& pool : options_.keys) {
      if (pool.id != id || hint.file.sealed_path.bytes.empty()) continue;
      const auto key = unwrap({id, pool.key.bytes}, object_key_purpose(hint.object), wrapped);
      if (!key) continue;
      auto path =
          unwrap(key_of_paths(*key), path_purpose(hint.object), hint.file.sealed_path.bytes);
      if (path) hint.path = std::move(*path);
    }
    return hint;
  }

  // ---- what comes of it

  void count(const Assembled& assembled) {
    summary_.blocks = assembled.blocks;
    summary_.copies = assembled.copies;
    summary_.copies_bad = assembled.copies_bad;
    summary_.groups = assembled.groups.size();
    summary_.unplaceable = assembled.unplaceable.size();
    for (const AssembledFile& file : assembled.files) {
      const bool certain = file.guess == Guess::none;
      ++(certain ? summary_.certain : summary_.guessed);
      (certain ? summary_.certain_bytes : summary_.guessed_bytes) += file.bytes;
    }
  }

  void tell(const AssembledFile& file, const std::string& path) {
    if (path.starts_with(std::string(kLostAndFound) + "/") && path != file.found.path) {
      ++summary_.lost;
    }
    if (options_.found) options_.found(file, path);
  }

  void tell_all(const Assembled& assembled) {
    for (const AssembledFile& file : assembled.files) {
      tell(file, file.found.path.empty() ? lost_path(file) : file.found.path);
    }
  }

  Task<Result<void>> import(const Assembled& assembled) {
    phase("importing");
    for (size_t begin = 0; begin < assembled.groups.size(); begin += kImportGroupsMax) {
      ImportGroups request;
      request.above = assembled.epoch;
      const size_t end = std::min(assembled.groups.size(), begin + kImportGroupsMax);
      request.groups.assign(assembled.groups.begin() + static_cast<ptrdiff_t>(begin),
                            assembled.groups.begin() + static_cast<ptrdiff_t>(end));
      Task<Result<ImportGroupsReply>> asking = ask(std::move(request));
      const Result<ImportGroupsReply> reply = co_await asking;
      if (!reply) co_return reply.error();
    }
    if (!options_.keys.empty()) {
      ImportPoolKeys request;
      request.keys = options_.keys;
      Task<Result<ImportPoolKeysReply>> asking = ask(std::move(request));
      const Result<ImportPoolKeysReply> reply = co_await asking;
      if (!reply) co_return reply.error();
    }
    // What has a path first: nothing that is lost is to take a place that a path needs.
    for (const bool lost : {false, true}) {
      Task<Result<void>> importing = import_files(assembled, lost);
      const Result<void> imported = co_await importing;
      if (!imported) co_return imported.error();
    }
    Task<Result<EndRebuildReply>> ending = ask(EndRebuild{assembled.highest});
    const Result<EndRebuildReply> ended = co_await ending;
    if (!ended) co_return ended.error();
    co_return Result<void>();
  }

  Task<Result<void>> import_files(const Assembled& assembled, bool lost) {
    ImportFiles request;
    std::vector<const AssembledFile*> files;
    size_t bytes = 0;
    for (size_t i = 0; i <= assembled.files.size(); ++i) {
      const bool end = i == assembled.files.size();
      const bool skipped = !end && assembled.files[i].found.path.empty() != lost;
      if (skipped) continue;
      const size_t size = end ? 0 : encode(assembled.files[i].found).size();
      const bool full = files.size() == kImportFilesMax || bytes + size > kBatchBytesMax;
      if (!files.empty() && (end || full)) {
        Task<Result<ImportFilesReply>> asking = ask(std::exchange(request, {}));
        const Result<ImportFilesReply> reply = co_await asking;
        if (!reply) co_return reply.error();
        if (reply->paths.size() != files.size()) {
          co_return Error{Code::malformed, "the monitor told of another number of files", {}, 0};
        }
        summary_.imported += reply->imported;
        for (size_t k = 0; k < files.size(); ++k) tell(*files[k], reply->paths[k]);
        if (options_.progress) options_.progress(summary_);
        files.clear();
        bytes = 0;
      }
      if (end) break;
      request.files.push_back(assembled.files[i].found);
      files.push_back(&assembled.files[i]);
      bytes += size;
    }
    co_return Result<void>();
  }

  Bus& bus_;
  Calls& calls_;
  const RebuildOptions options_;
  const Duration deadline_;
  std::vector<NodeView> nodes_;
  std::map<NodeId, std::vector<BlockName>> wanted_;
  Assembly assembly_;
  RebuildSummary summary_;
  std::optional<Error> error_;
  size_t open_ = 0;
  Signal step_;
};

}  // namespace

Task<Result<RebuildSummary>> rebuild(Bus* bus, Calls* calls, RebuildOptions options,
                                     Duration deadline) {
  Rebuild rebuild(*bus, *calls, std::move(options), deadline);
  Task<Result<RebuildSummary>> running = rebuild.run();
  Result<RebuildSummary> summary = co_await running;
  co_return summary;
}

Task<Result<RebuildSummary>> Client::rebuild(RebuildOptions options) {
  Task<Result<void>> passing = state_->take_pass();
  const Result<void> passed = co_await passing;
  if (!passed) co_return passed.error();
  Task<Result<RebuildSummary>> rebuilding =
      dfs::rebuild(&state_->bus, &state_->calls, std::move(options), state_->settings.deadline);
  Result<RebuildSummary> summary = co_await rebuilding;
  co_return summary;
}

}  // namespace dfs
