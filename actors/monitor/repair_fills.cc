// Repairs: members that lack blocks are filled, most endangered groups first.
#include <algorithm>

#include "actors/monitor/repairs.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kPoll = milliseconds(300);  // a node answers earlier when the fill has ended
constexpr Duration kAnswer = seconds(3);
constexpr uint32_t kFailuresMax = 3;
constexpr Duration kAfterFailure = seconds(3);
constexpr Duration kAfterNothing = seconds(30);  // it did what it could, and that does not count
constexpr Duration kPauseMax = std::chrono::minutes(10);  // each pause is twice the one before

bool same_places(const std::vector<FillSource>& some, const std::vector<FillSource>& others) {
  return std::equal(some.begin(), some.end(), others.begin(), others.end(),
                    [](const FillSource& a, const FillSource& b) {
                      return a.node == b.node && a.endpoint == b.endpoint;
                    });
}

std::vector<NodeId> nodes_of(const std::vector<FillSource>& sources) {
  std::vector<NodeId> nodes;
  for (const FillSource& source : sources) nodes.push_back(source.node);
  return nodes;
}

bool any_complete(const std::vector<FillSource>& sources) {
  return std::any_of(sources.begin(), sources.end(),
                     [](const FillSource& source) { return source.complete; });
}

size_t holders_of(const GroupView& group) {
  return group.members.size() + group.leaving.size();
}

bool has_all_others(const GroupView& group, const std::vector<FillSource>& sources) {
  return sources.size() + 1 == holders_of(group);
}

}  // namespace

void Repairs::tend_fills() {
  drop_stale_fills();
  begin_fills();
  const Instant now = world_.bus.now();
  std::vector<Key> due;
  for (const auto& [key, fill] : fills_) {
    if (!fill.asking && !fill.finishing && now >= fill.again) due.push_back(key);
  }
  for (const Key& key : due) scope_.spawn(ask(key));
}

// What is not wanted any more is not asked about any more; the node gives it up then, and keeps
// what it has copied.
void Repairs::drop_stale_fills() {
  for (auto it = fills_.begin(); it != fills_.end();) {
    const bool stays = it->second.finishing || refresh(it->first, it->second);
    it = stays ? std::next(it) : fills_.erase(it);
  }
  std::erase_if(parked_, [this](const auto& entry) {
    const GroupView* const group = world_.cluster.group(entry.first.first);
    return group == nullptr || !group->lacks(entry.first.second);
  });
}

// Brings the request up to date with the map; false when there is nothing to fill, or nobody to
// fill it from. A request that changed is a new one: what it promises counts from now.
bool Repairs::refresh(const Key& key, Fill& fill) {
  const GroupView* const group = world_.cluster.group(key.first);
  if (group == nullptr || !group->has_member(key.second) || !group->lacks(key.second)) return false;
  if (!world_.cluster.is_up(key.second)) return false;
  fill.task = task_of(*group);
  if (paused(fill.task)) return false;
  std::vector<FillSource> sources = sources_for(*group, key.second);
  if (sources.empty()) return false;
  FillGroup& request = fill.request;
  // One of those who had everything when it began must still be believed to.
  const bool as_good =
      !any_complete(request.sources) ||
      std::any_of(request.sources.begin(), request.sources.end(), [&](const FillSource& source) {
        return source.complete && !group->lacks(source.node);
      });
  const bool kept =
      request.epoch == group->epoch && same_places(request.sources, sources) && as_good;
  if (kept && request.as_of != 0) return true;
  request.group = key.first;
  request.epoch = group->epoch;
  request.as_of = world_.applied();
  request.sources = std::move(sources);
  fill.counts = any_complete(request.sources) || has_all_others(*group, request.sources);
  fill.last = FillGroupReply();
  return true;
}

std::vector<FillSource> Repairs::sources_for(const GroupView& group, NodeId node) const {
  std::vector<FillSource> sources;
  const auto add = [&](NodeId holder) {
    const NodeView* const view = world_.cluster.node(holder);
    if (holder == node || view == nullptr || view->state != NodeState::up) return;
    sources.push_back({holder, view->endpoint, !group.lacks(holder)});
  };
  for (const NodeId member : group.members) add(member);
  for (const NodeId leaving : group.leaving) add(leaving);
  return sources;
}

bool Repairs::may_wait(const Key& key, const std::vector<FillSource>& sources) const {
  const auto parked = parked_.find(key);
  if (parked == parked_.end() || world_.bus.now() >= parked->second.until) return false;
  return parked->second.sources == nodes_of(sources) &&
         parked->second.epoch == world_.cluster.group(key.first)->epoch;
}

// Those that can begin, most endangered group first.
std::vector<Repairs::Wanted> Repairs::fills_wanted() const {
  std::vector<Wanted> wanted;
  for (const GroupView& group : world_.cluster.map().groups) {
    for (const Lack& lack : group.lacking) {
      const Key key{group.group, lack.node};
      if (!group.has_member(lack.node) || !world_.cluster.is_up(lack.node)) continue;
      if (fills_.contains(key) || paused(task_of(group))) continue;
      const std::vector<FillSource> sources = sources_for(group, lack.node);
      const bool alone = holders_of(group) == 1;
      if ((sources.empty() && !alone) || may_wait(key, sources)) continue;
      wanted.push_back({complete_live(world_.cluster, group), key});
    }
  }
  std::sort(wanted.begin(), wanted.end());
  return wanted;
}

void Repairs::begin_fills() {
  const size_t most = std::max<uint32_t>(1, world_.settings.fills_per_node);
  std::map<NodeId, size_t> filled;   // fills of each node
  std::map<NodeId, size_t> reading;  // fills that read from each node
  const auto count = [&](const Key& key, const FillGroup& request) {
    ++filled[key.second];
    for (const FillSource& source : request.sources) ++reading[source.node];
  };
  for (const auto& [key, fill] : fills_) count(key, fill.request);
  for (const Wanted& wanted : fills_wanted()) {
    const GroupView& group = *world_.cluster.group(wanted.key.first);
    if (holders_of(group) == 1) {
      // Nobody else ever had these blocks; there is nothing to wait for.
      if (proposed_.contains("filled")) continue;
      filled_.push_back({group.group, wanted.key.second, world_.applied(), {}, 0});
      continue;
    }
    if (filled[wanted.key.second] >= most) continue;
    const std::vector<FillSource> sources = sources_for(group, wanted.key.second);
    const bool busy = std::any_of(sources.begin(), sources.end(), [&](const FillSource& source) {
      return reading[source.node] >= 2 * most;
    });
    if (busy) continue;
    Fill fill;
    fill.number = ++last_fill_;
    if (!refresh(wanted.key, fill)) continue;
    count(wanted.key, fill.request);
    fills_.emplace(wanted.key, std::move(fill));
  }
  report_filled();
}

// Asks for as long as the fill goes on; a failure waits for the next tick.
Task<void> Repairs::ask(Key key) {
  const uint64_t number = fills_.at(key).number;
  while (true) {
    Fill& asked = fills_.at(key);
    const NodeView* const node = world_.cluster.node(key.second);
    asked.asking = true;
    asked.again = world_.bus.now() + kPoll;
    asked.request.bytes_per_second = limit(asked.task);
    asked.request.wait_ms = static_cast<uint32_t>(kPoll / milliseconds(1));
    CallOptions options;
    options.deadline = kAnswer;
    Task<Result<Answer<FillGroup>>> asking = world_.calls.call(
        node->endpoint, "storage/" + std::to_string(key.second), asked.request, std::move(options));
    const Result<Answer<FillGroup>> answer = co_await asking;
    auto found = fills_.find(key);
    if (found == fills_.end() || found->second.number != number) co_return;
    found->second.asking = false;
    take_answer(key, found->second, answer);
    found = fills_.find(key);
    if (found == fills_.end() || found->second.number != number) co_return;
    Fill& fill = found->second;
    const bool due = answer && !fill.finishing && world_.bus.now() >= fill.again;
    if (!due) co_return;
    if (!refresh(key, fill)) {
      fills_.erase(found);
      co_return;
    }
  }
}

void Repairs::take_answer(const Key& key, Fill& fill, const Result<Answer<FillGroup>>& answer) {
  if (!answer) {
    fill.again = world_.bus.now() + kPoll;
    if (++fill.failures < kFailuresMax) return;
    world_.bus.log(Level::warn, "a node does not fill a group",
                   {{"node", key.second}, {"group", key.first}, {"error", answer.error().text}});
    return park(key, kAfterFailure, answer.error().text);
  }
  fill.failures = 0;
  const FillGroupReply& reply = answer->message;
  // The node may still be at what another leader asked for; it begins anew when that is done.
  if (reply.as_of != fill.request.as_of || reply.epoch != fill.request.epoch) return;
  take_progress(fill, reply);
  if (reply.state == FillState::done) return take_done(key, fill, reply);
  if (reply.state != FillState::failed) return;
  world_.bus.log(Level::warn, "a fill failed",
                 {{"node", key.second}, {"group", key.first}, {"why", reply.why}});
  park(key, kAfterFailure, reply.why);
}

void Repairs::take_progress(Fill& fill, const FillGroupReply& reply) {
  Progress& progress = progress_[fill.task];
  const uint64_t bytes = reply.bytes_done - std::min(reply.bytes_done, fill.last.bytes_done);
  progress.bytes += bytes;
  progress.blocks += reply.blocks_done - std::min(reply.blocks_done, fill.last.blocks_done);
  if (bytes > 0) progress.recent.emplace_back(world_.bus.now(), bytes);
  fill.last = reply;
}

void Repairs::take_done(const Key& key, Fill& fill, const FillGroupReply& reply) {
  const GroupView* const group = world_.cluster.group(key.first);
  // A block that no source could give may be on a holder that was not asked.
  const bool all = group != nullptr && has_all_others(*group, fill.request.sources);
  const bool counts = fill.counts && (reply.blocks_unreadable == 0 || all);
  if (!counts) return park(key, kAfterNothing, reply.why);
  if (reply.blocks_unreadable > 0) {
    world_.bus.log(Level::error, "no holder of a group has a good copy of some blocks",
                   {{"node", key.second},
                    {"group", key.first},
                    {"blocks", reply.blocks_unreadable},
                    {"why", reply.why}});
  }
  fill.finishing = true;
  filled_.push_back({key.first, key.second, reply.as_of, nodes_of(fill.request.sources),
                     reply.blocks_unreadable});
  report_filled();
}

void Repairs::park(const Key& key, Duration pause, const std::string& why) {
  const auto found = fills_.find(key);
  std::vector<NodeId> sources = nodes_of(found->second.request.sources);
  const Epoch epoch = found->second.request.epoch;
  fills_.erase(found);
  Parked& parked = parked_[key];
  if (parked.sources == sources && parked.epoch == epoch) {
    pause = std::min(kPauseMax, std::max(pause, 2 * parked.pause));
  }
  parked = {world_.bus.now() + pause, pause, std::move(sources), epoch, why};
}

// What one of the task's fills waits for, if one does.
std::string Repairs::why_parked(const std::string& task) const {
  for (const auto& [key, parked] : parked_) {
    const GroupView* const group = world_.cluster.group(key.first);
    if (parked.why.empty() || group == nullptr || task_of(*group) != task) continue;
    return "group " + std::to_string(key.first) + " on storage/" + std::to_string(key.second) +
           " waits and is tried again: " + parked.why;
  }
  return {};
}

// Those that come while a command is on its way go with the next one.
void Repairs::report_filled() {
  if (filled_.empty() || !proposed_.insert("filled").second) return;
  SetFilled command;
  const size_t count = std::min(filled_.size(), kBatchMax);
  const auto end = filled_.begin() + static_cast<long>(count);
  command.filled.assign(filled_.begin(), end);
  filled_.erase(filled_.begin(), end);
  std::vector<Key> keys;
  for (const GroupFilled& filled : command.filled) keys.emplace_back(filled.group, filled.node);
  propose(command, [this, keys = std::move(keys)](const Result<Outcome>& outcome) {
    proposed_.erase("filled");
    // Whoever lacks something still, or anew, is filled again.
    for (const Key& key : keys) fills_.erase(key);
    // A log that takes nothing now says so at once, and would again: the next tick tries.
    if (!outcome) return;
    report_filled();
    // The next ones follow at once: a node that waits for the next tick is idle.
    move_groups();
    tend_fills();
  });
}

}  // namespace dfs
