#include "actors/storage/reclaimer.h"

#include <algorithm>

namespace dfs::storage {

namespace {

constexpr Duration kSoonMost = std::chrono::seconds(4);  // after a change of the map

}  // namespace

Reclaimer::Reclaimer(Bus& bus, Volumes& store, Membership& membership, Guard& guard, Pacer& pacer,
                     ReclaimSettings settings, Notify notify)
    : bus_(bus),
      store_(store),
      membership_(membership),
      guard_(guard),
      pacer_(pacer),
      settings_(settings),
      notify_(std::move(notify)),
      began_ms_(bus.wall_ms()) {}

Reclaimer::~Reclaimer() {
  bus_.cancel(timer_);
}

void Reclaimer::begin() {
  if (std::exchange(begun_, true)) return;
  next_all_ = bus_.now() + settings_.period / 2 + jitter(settings_.period / 2);
  schedule();
}

void Reclaimer::map_changed() {
  const std::vector<GroupId> held = store_.groups();
  const bool moved = std::any_of(held.begin(), held.end(),
                                 [&](GroupId group) { return !membership_.holds(group); });
  if (!moved) return;
  const Duration most = std::min(kSoonMost, settings_.period);
  next_moved_ = std::min(next_moved_, bus_.now() + most / 4 + jitter(most));
  schedule();
}

void Reclaimer::stop() {
  begun_ = false;
  bus_.cancel(timer_);
  scope_.clear();
  removing_.clear();
  running_ = false;
}

Duration Reclaimer::jitter(Duration most) {
  return Duration(static_cast<int64_t>(bus_.random() % (most.count() + 1)));
}

void Reclaimer::schedule() {
  bus_.cancel(timer_);
  if (!begun_ || running_) return;
  const Instant next = std::min(next_all_, next_moved_);
  timer_ = bus_.after(next - bus_.now(), [this] { start(); });
}

void Reclaimer::start() {
  const Instant now = bus_.now();
  const bool all = next_all_ <= now;
  if (all) next_all_ = Instant::max();
  next_moved_ = Instant::max();
  running_ = true;
  scope_.spawn(pass(all ? Scope::all : Scope::moved));
}

Task<void> Reclaimer::pass(Scope scope) {
  left_over_ = false;
  bytes_seen_ = 0;
  bytes_total_ = 0;
  for (const GroupId group : store_.groups()) bytes_total_ += store_.digest(group).bytes;
  Task<Result<void>> going = go_through(scope);
  const Result<void> gone = co_await going;
  const Duration retry = std::min(settings_.period, kRetry);
  if (!gone) {
    bus_.log(Level::info, "reclaim was interrupted", {{"error", gone.error().describe()}});
  }
  if (scope == Scope::all) {
    next_all_ = bus_.now() + (gone ? settings_.period : retry) + jitter(retry / 4);
  }
  if (left_over_ || !gone) next_moved_ = std::min(next_moved_, bus_.now() + retry);
  running_ = false;
  schedule();
}

Task<Result<void>> Reclaimer::go_through(Scope scope) {
  ListBlocks request;
  request.limit = kBatch;
  while (true) {
    const Result<ListBlocksReply> page = store_.list(request);
    if (!page) co_return page.error();
    if (page->blocks.empty()) co_return Result<void>();
    std::vector<BlockView> old;
    for (const BlockView& block : page->blocks) {
      bytes_seen_ += block.length;
      if (scope == Scope::moved && membership_.holds(block.group)) continue;
      if (is_old(block)) old.push_back(block);
    }
    const BlockView& last = page->blocks.back();
    request.after_group = last.group;
    request.after_object = last.object;
    request.after_index = last.index;
    if (scope == Scope::moved && membership_.holds(last.group)) {
      request.after_object = UINT64_MAX;  // on to the next group
      request.after_index = UINT32_MAX - 1;
    }
    const bool more = page->more;
    const bool asked = !old.empty();
    if (asked) {
      Task<Result<void>> looking = look_at(std::move(old));
      const Result<void> looked = co_await looking;
      if (!looked) co_return looked;
    }
    if (!more) co_return Result<void>();
    Task<void> pausing = sleep(bus_, asked && pacer_.busy() ? kBusyPause : kPause);
    co_await pausing;
  }
}

// A block whose age nobody noted is as old as this process.
bool Reclaimer::is_old(const BlockView& block) const {
  const int64_t created_ms = block.created_ms != 0 ? block.created_ms : began_ms_;
  return bus_.wall_ms() - created_ms >= settings_.grace / std::chrono::milliseconds(1);
}

Task<Result<void>> Reclaimer::look_at(std::vector<BlockView> blocks) {
  Task<Result<Guard::Judged>> judging = guard_.judge(std::move(blocks));
  Result<Guard::Judged> judged = co_await judging;
  if (!judged) co_return judged.error();
  Task<Result<void>> removing = remove(std::move(judged->dead));
  const Result<void> removed = co_await removing;
  if (!removed) co_return removed;
  for (auto& [home, strays] : judged->strays) {
    for (std::vector<BlockView>& piece : Guard::pieces(std::move(strays))) {
      Task<Result<Guard::Proven>> proving = guard_.stray(home, std::move(piece));
      Result<Guard::Proven> proven = co_await proving;
      Task<void> trying = try_remove(std::move(proven));
      co_await trying;
    }
  }
  std::map<GroupId, std::vector<BlockView>> moved;
  for (const BlockView& block : judged->live) {
    const bool known = membership_.group(block.group) != nullptr;
    if (known && !membership_.holds(block.group)) moved[block.group].push_back(block);
  }
  for (auto& [group, copies] : moved) {
    for (std::vector<BlockView>& piece : Guard::pieces(std::move(copies))) {
      const size_t asked = piece.size();
      Task<Result<Guard::Proven>> proving = guard_.surplus(group, std::move(piece));
      Result<Guard::Proven> proven = co_await proving;
      if (!proven || proven->keys.size() < asked) left_over_ = true;
      const bool refused = !proven;
      Task<void> trying = try_remove(std::move(proven));
      co_await trying;
      if (refused) break;  // what was wrong with the group is wrong for the rest too
    }
  }
  co_return Result<void>();
}

// What could not be proven stays; a later pass asks again.
Task<void> Reclaimer::try_remove(Result<Guard::Proven> proven) {
  if (!proven) {
    bus_.log(Level::debug, "copies are kept", {{"why", proven.error().describe()}});
    co_return;
  }
  Task<Result<void>> removing = remove(std::move(*proven));
  const Result<void> removed = co_await removing;
  if (!removed) {
    bus_.log(Level::warn, "copies not removed", {{"error", removed.error().describe()}});
  }
}

// Comes without a pause after the proof was given.
Task<Result<void>> Reclaimer::remove(Guard::Proven proven) {
  if (proven.keys.empty()) co_return Result<void>();
  for (const BlockKey& key : proven.keys) removing_.insert(key.group);
  Completion<Result<void>> completion;
  store_.remove(proven.keys, proven.proof, completion.fire());
  const Result<void> removed = co_await completion;
  for (const BlockKey& key : proven.keys) removing_.erase(key.group);
  if (!removed) co_return removed;
  removed_ += proven.keys.size();
  notify_("blocks-reclaimed", {{"why", proven.proof.why()},
                               {"blocks", std::to_string(proven.keys.size())},
                               {"bytes", std::to_string(proven.bytes)}});
  co_return Result<void>();
}

NodeJob Reclaimer::job() const {
  NodeJob job;
  job.kind = "reclaim";
  job.state = running_ ? "running" : "waiting";
  job.done = bytes_seen_;
  job.total = bytes_total_;
  job.found = removed_;
  const Instant next = std::min(next_all_, next_moved_);
  if (!running_ && begun_ && next != Instant::max()) {
    job.until_ms =
        bus_.wall_ms() + std::max<int64_t>((next - bus_.now()) / std::chrono::milliseconds(1), 0);
  }
  return job;
}

}  // namespace dfs::storage
