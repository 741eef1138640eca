#include "tests/sim/administrator.h"

#include "tests/sim/world.h"

namespace dfs::sim {

using std::chrono::milliseconds;

namespace {

constexpr Duration kPause = milliseconds(500);

Task<void> count_down(Task<void> inner, size_t* count) {
  co_await inner;
  --*count;
}

}  // namespace

NodeId Administrator::id_of(const Process& storage) const {
  return copies_.records().node_at(storage.settings().listen);
}

void Administrator::begin(Task<void> task) {
  ++tasks_;
  client().scope().spawn(count_down(std::move(task), &tasks_));
}

void Administrator::end() {
  active_ = false;
  for (Process* storage : cluster_.storages()) storage->out_of_service = false;
}

void Administrator::add_storage() {
  for (Process* storage : cluster_.storages()) {
    if (!storage->out_of_service || storage->running()) continue;
    storage->out_of_service = false;
    storage->start();
    return;
  }
}

// ---- nodes that go

void Administrator::drain() {
  Process* const storage = random_.pick(cluster_.storages());
  const NodeId node = id_of(*storage);
  if (changing_ || node == 0) return;
  changing_ = true;
  begin(drain(storage, node));
}

Task<void> Administrator::drain(Process* storage, NodeId node) {
  Task<Result<ChangeNodeReply>> asking = client().change_node(node, NodeAction::drain);
  const Result<ChangeNodeReply> asked = co_await asking;
  world_.trace("operator", storage->name(), node,
               asked ? "draining" : "not draining: " + asked.error().describe());
  const Duration until = world_.now() + random_.between(Duration(0), milliseconds(25'000));
  const bool to_remove = random_.chance(0.7);
  bool removed = false;
  while (active_ && !removed && world_.now() < until) {
    Task<void> pausing = sleep(client().bus(), kPause);
    co_await pausing;
    if (!to_remove) continue;
    Task<bool> trying = try_remove(node);
    removed = co_await trying;
  }
  if (!removed) {
    Task<void> undraining = undrain(node);
    co_await undraining;
  }
  changing_ = false;
}

Task<void> Administrator::undrain(NodeId node) {
  while (true) {
    Task<Result<ChangeNodeReply>> asking = client().change_node(node, NodeAction::undrain);
    const Result<ChangeNodeReply> asked = co_await asking;
    world_.trace("operator", "storage", node,
                 asked ? "undrained" : "not undrained: " + asked.error().describe());
    if (asked) co_return;
    // A removal whose answer was lost has removed it all the same.
    if (asked.code() == Code::not_found) {
      renew(node);
      co_return;
    }
    Task<void> pausing = sleep(client().bus(), kPause);
    co_await pausing;
  }
}

Task<bool> Administrator::try_remove(NodeId node) {
  Task<Result<ChangeNodeReply>> asking = client().change_node(node, NodeAction::remove);
  const Result<ChangeNodeReply> asked = co_await asking;
  world_.trace("operator", "storage", node,
               asked ? "removed" : "not removed: " + asked.error().describe());
  if (!asked && asked.code() != Code::not_found) co_return false;
  renew(node);
  co_return true;
}

// The machine of a removed node gets an empty disk, and is of use again as a new one.
void Administrator::renew(NodeId node) {
  Process* const storage = copies_.node(node);
  if (storage == nullptr) return;
  if (storage->running()) storage->kill(Crash::process);
  storage->replace_disk();
  copies_.disk_replaced(*storage);
  storage->start();
}

void Administrator::lose_disk() {
  Process* const storage = random_.pick(cluster_.storages());
  const NodeId node = id_of(*storage);
  if (changing_ || node == 0 || !media_.lose_disk(*storage)) return;
  changing_ = true;
  world_.after(random_.between(milliseconds(1), milliseconds(20'000)), [storage] {
    if (!storage->running()) storage->start();
  });
  begin(remove(node));
}

Task<void> Administrator::remove(NodeId node) {
  const Duration patience = world_.now() + random_.between(milliseconds(1), milliseconds(40'000));
  bool removed = false;
  while (!removed) {
    Task<void> pausing = sleep(client().bus(), kPause);
    co_await pausing;
    Task<bool> trying = world_.now() < patience ? try_remove(node) : accept_loss(node);
    removed = co_await trying;
  }
  changing_ = false;
}

// What only that node is known to have is given up; with none such it is removed like any other.
Task<bool> Administrator::accept_loss(NodeId node) {
  ChangeNode request;
  request.node = node;
  request.action = NodeAction::remove;
  request.dry_run = true;
  Task<Result<ChangeNodeReply>> looking = client().change_node(request);
  Result<ChangeNodeReply> seen = co_await looking;
  if (seen) {
    request.dry_run = false;
    request.accept_loss = true;
    request.accepted = std::move(seen->losing);
    Task<Result<ChangeNodeReply>> asking = client().change_node(std::move(request));
    seen = co_await asking;
  }
  world_.trace("operator", "storage", node,
               seen ? "given up" : "not given up: " + seen.error().describe());
  if (!seen && seen.code() != Code::not_found) co_return false;
  renew(node);
  co_return true;
}

// ---- what runs in the background

void Administrator::rebalance() {
  begin(ask_rebalance());
}

Task<void> Administrator::ask_rebalance() {
  ControlTask request;
  request.id = "rebalance";
  request.action = random_.chance(0.8) ? TaskAction::start : TaskAction::abort;
  request.dry_run = request.action == TaskAction::start && random_.chance(0.2);
  Task<Result<ControlTaskReply>> asking = client().control_task(request);
  const Result<ControlTaskReply> asked = co_await asking;
  world_.trace("operator", "rebalance", asked ? asked->plan.size() : 0,
               asked ? "" : asked.error().describe());
}

void Administrator::control_scrub() {
  Process* const storage = random_.pick(cluster_.storages());
  const NodeId node = id_of(*storage);
  if (node == 0) return;
  begin(ask_scrub(storage, node, random_.chance(0.7) ? ScrubAction::start : ScrubAction::pause));
}

// A pause outlives a restart, so it is taken back soon.
Task<void> Administrator::ask_scrub(Process* storage, NodeId node, ScrubAction action) {
  NodeView view;
  view.node = node;
  view.endpoint = storage->settings().listen;
  Task<Result<ScrubStatus>> asking = client().control_scrub(view, action);
  const Result<ScrubStatus> asked = co_await asking;
  world_.trace("operator", storage->name(), static_cast<uint64_t>(action),
               asked ? asked->state : asked.error().describe());
  bool paused = action == ScrubAction::pause;
  while (paused && copies_.node(node) == storage) {
    Task<void> pausing = sleep(client().bus(), kPause * 4);
    co_await pausing;
    Task<Result<ScrubStatus>> going_on = client().control_scrub(view, ScrubAction::start);
    const Result<ScrubStatus> went_on = co_await going_on;
    paused = !went_on;
  }
}

}  // namespace dfs::sim
