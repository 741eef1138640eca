#include "actors/agent/keeper.h"

#include <algorithm>

namespace dfs::agent {

namespace {

constexpr Duration kLookWhileStarting = std::chrono::milliseconds(50);
// A node that was started so often in a row without lasting is worth an event of its own.
constexpr uint32_t kTriesToTell = 5;

std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

Keeper::Keeper(Tools tools, KeeperSettings settings, std::string name, std::string folder,
               NodeRecord record, Tell tell)
    : tools_(std::move(tools)),
      settings_(std::move(settings)),
      tell_(std::move(tell)),
      record_(std::move(record)) {
  view_.name = std::move(name);
  view_.folder = std::move(folder);
  view_.node = record_.node;
}

void Keeper::begin(std::string token) {
  token_ = std::move(token);
  failure_.reset();
  scope_.clear();
  enter(AgentNodeState::starting);
  scope_.spawn(keep());
}

bool Keeper::is_unused() const {
  return record_.node == 0 && view_.state == AgentNodeState::failed;
}

void Keeper::enter(AgentNodeState state, std::string text) {
  view_.state = state;
  view_.text = std::move(text);
  changed_.notify();
}

void Keeper::give_up(Error error) {
  tools_.bus.log(Level::error, "node given up", {{"node", view_.name}, {"why", error.text}});
  tell_("node-given-up", {{"name", view_.name}, {"why", error.text}});
  failure_ = error;
  view_.pid = 0;
  enter(AgentNodeState::failed, std::move(error.text));
}

Task<void> Keeper::keep() {
  uint32_t tries = 0;
  while (true) {
    const Instant begun = tools_.bus.now();
    Task<Result<NodeProcess>> starting =
        start_node(tools_, settings_.program, view_.folder, token_);
    const Result<NodeProcess> process = co_await starting;
    Error error;
    bool final = false;
    if (process) {
      Task<NodeSight> watching = watch(*process);
      const NodeSight sight = co_await watching;
      error = not_started(view_.folder, sight);
      if (record_.node != 0) error.text = ended_text(sight);
      final = sight.process.status && is_final(*sight.process.status);
    } else {
      error = process.error();
    }
    view_.pid = 0;
    // One that never joined is not started again: whoever asked for it hears why, and decides.
    if (final || record_.node == 0) {
      give_up(std::move(error));
      co_return;
    }
    if (tools_.bus.now() - begun >= settings_.calm_after) tries = 0;
    const Duration pause =
        std::min(settings_.pause_max, settings_.pause_min * (int64_t{1} << std::min(tries, 20u)));
    ++tries;
    tools_.bus.log(Level::warn, "node ended", {{"node", view_.name}, {"why", error.text}});
    if (tries == kTriesToTell) {
      tell_("node-failing", {{"name", view_.name}, {"why", error.text}});
    }
    enter(AgentNodeState::waiting, error.text + "; it is started again in " + seconds_text(pause));
    Task<void> pausing = sleep(tools_.bus, pause);
    co_await pausing;
    ++view_.restarts;
    enter(AgentNodeState::starting);
  }
}

// Returns when the process has ended.
Task<NodeSight> Keeper::watch(NodeProcess process) {
  view_.pid = static_cast<uint64_t>(process.id.pid);
  tools_.bus.log(Level::info, process.adopted ? "node found running" : "node started",
                 {{"node", view_.name}, {"pid", view_.pid}});
  bool joined = false;
  while (true) {
    Task<Result<NodeSight>> looking = look_at_node(tools_, view_.folder, process);
    const Result<NodeSight> sight = co_await looking;
    if (sight && !sight->process.running) co_return *sight;
    if (sight && !joined && !sight->endpoint.empty()) {
      Task<NodeId> asking = ask_number(tools_, sight->endpoint);
      const NodeId node = co_await asking;
      if (node != 0) {
        joined = true;
        view_.endpoint = sight->endpoint;
        Task<void> noting = note_joined(node);
        co_await noting;
      }
    }
    Task<void> pausing = sleep(tools_.bus, joined ? settings_.check_period : kLookWhileStarting);
    co_await pausing;
  }
}

Task<void> Keeper::note_joined(NodeId node) {
  view_.node = node;
  token_.clear();  // it is spent, and would hide one that node.conf names
  if (record_.node != node) {
    record_.node = node;
    Task<Result<bool>> saving = on_pool<bool>(
        tools_.bus,
        [disk = tools_.disk, folder = view_.folder, record = record_]() -> Result<bool> {
          DFS_CHECK(save_record(*disk, folder, record));
          return true;
        });
    const Result<bool> saved = co_await saving;
    // The node will tell its number again to the next agent; only an unused folder is told by it.
    if (!saved) {
      tools_.bus.log(Level::warn, "record not written", {{"why", saved.error().describe()}});
    }
  }
  enter(AgentNodeState::running);
}

}  // namespace dfs::agent
