#include "tests/actors/raft/group.h"

#include <algorithm>
#include <tuple>

namespace dfs::raft {

namespace {

constexpr const char* kGroup = "test/monitor";
constexpr size_t kSettleStepsMax = 100'000;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdull;
}

}  // namespace

MemberId sender_of(const Message& message) {
  return std::visit([](const auto& m) { return m.from; }, message);
}
MemberId target_of(const Message& message) {
  return std::visit([](const auto& m) { return m.to; }, message);
}
uint64_t term_of(const Message& message) {
  return std::visit([](const auto& m) { return m.term; }, message);
}

Member make_member(MemberId id, Standing standing) {
  Member member;
  member.id = id;
  member.endpoint = "tcp://127.0.0.1:" + std::to_string(4000 + id);
  member.standing = standing;
  return member;
}

ChangeMembers make_members(size_t voters) {
  ChangeMembers members;
  for (MemberId id = 1; id <= voters; ++id) members.members.push_back(make_member(id));
  members.last_id = voters;
  return members;
}

LogEntry make_entry(std::string body) {
  LogEntry entry;
  entry.type = Type::MakeDir;
  entry.body = std::move(body);
  return entry;
}

Disk make_disk(size_t voters, const std::vector<uint64_t>& terms) {
  Disk disk;
  disk.hard.term = terms.back();
  for (const uint64_t term : terms) {
    const LogIndex index = disk.last() + 1;
    LogEntry entry = make_entry(std::to_string(index) + " of term " + std::to_string(term));
    entry.index = index;
    entry.term = term;
    if (index == 1) {
      entry.type = ChangeMembers::kType;
      entry.body = encode(make_members(voters));
    }
    disk.entries.push_back(std::make_shared<const LogEntry>(std::move(entry)));
  }
  return disk;
}

std::vector<uint64_t> terms_of(const Log& log) {
  std::vector<uint64_t> terms;
  for (LogIndex index = log.first(); index <= log.last(); ++index) {
    terms.push_back(*log.term_at(index));
  }
  return terms;
}

void Table::apply(const LogEntry& entry) {
  applied = entry.index;
  term = entry.term;
  time_ms = entry.time_ms;
  hash = mix(mix(mix(hash, entry.index), entry.term), std::hash<std::string>()(entry.body));
  if (entry.type == ChangeMembers::kType) members = decode<ChangeMembers>(entry.body).value();
}

// --- the disk ---------------------------------------------------------------------------------

std::optional<uint64_t> Disk::term_at(LogIndex index) const {
  if (index == base) return base_term;
  if (index < base || index > last()) return std::nullopt;
  return entries[index - base - 1]->term;
}

void Disk::write(const Save& save, size_t steps) {
  if (save.hard && steps > 0) {
    hard = *save.hard;
    --steps;
  }
  if (save.truncate_from != 0 && steps > 0) {
    DFS_ASSERT(save.truncate_from > base);
    if (save.truncate_from <= last()) entries.resize(save.truncate_from - base - 1);
    --steps;
  }
  for (size_t i = 0; i < save.entries.size() && steps > 0; ++i, --steps) {
    DFS_ASSERT(save.entries[i]->index == last() + 1);
    entries.push_back(save.entries[i]);
  }
}

void Disk::drop_before(LogIndex first) {
  if (first <= base + 1) return;
  DFS_ASSERT(first <= last() + 1 && first <= table.applied + 1);
  const uint64_t term = *term_at(first - 1);
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(first - 1 - base));
  base = first - 1;
  base_term = term;
}

void Disk::restart_after(LogIndex index, uint64_t term) {
  entries.clear();
  base = index;
  base_term = term;
}

Start Disk::start() const {
  Start start;
  start.hard = hard;
  start.base = base;
  start.base_term = base_term;
  start.last = last();
  start.time_ms = entries.empty() ? table.time_ms : entries.back()->time_ms;
  start.applied = table.applied;
  start.members = table.members;
  for (const auto& entry : entries) {
    if (start.runs.empty() || start.runs.back().term != entry->term) {
      start.runs.push_back({entry->index, entry->term});
    }
    if (entry->index > table.applied && entry->type == ChangeMembers::kType) {
      start.changes.emplace_back(entry->index, decode<ChangeMembers>(entry->body).value());
    }
  }
  return start;
}

// --- members ----------------------------------------------------------------------------------

Group::Group(uint64_t seed, Settings with)
    : settings(std::move(with)), checker(nodes_, settings.election_min), seed_(seed) {
  settings.group = kGroup;
}

void Group::found(size_t voters) {
  for (MemberId id = 1; id <= voters; ++id) add(id, make_disk(voters, {1}));
}

Node& Group::add(MemberId id, Disk disk) {
  Node& node = nodes_[id];
  node.id = id;
  node.disk = std::move(disk);
  start(id);
  return node;
}

void Group::start(MemberId id) {
  Node& node = nodes_.at(id);
  DFS_ASSERT(!node.up());
  // A crash in the middle of installing a snapshot: the table has it, the log does not.
  if (node.disk.term_at(node.disk.table.applied) != node.disk.table.term &&
      node.disk.table.applied > node.disk.base) {
    node.disk.restart_after(node.disk.table.applied, node.disk.table.term);
  }
  node.table = node.disk.table;
  Settings its = settings;
  its.id = id;
  its.seed = mix(mix(seed_, id), static_cast<uint64_t>(node.now.count()));
  node.core = std::make_unique<Raft>(its, node.disk.start(), node.now);
  checker.started(node);
  pump(node);
}

void Group::crash(MemberId id, size_t written) {
  Node& node = nodes_.at(id);
  DFS_ASSERT(node.up());
  if (node.saving) node.disk.write(*node.saving, written);
  node.core.reset();
  node.saving.reset();
  node.installing.reset();
  node.fetching.clear();
  node.reading.clear();
}

// --- what may happen --------------------------------------------------------------------------

void Group::pass(Time by) {
  for (auto& [id, node] : nodes_) {
    node.now += Time(static_cast<int64_t>(static_cast<double>(by.count()) * node.clock_rate));
  }
}

void Group::tick(MemberId id) {
  Node& node = nodes_.at(id);
  if (!node.up()) return;
  node.core->tick(node.now);
  pump(node);
}

void Group::tick(MemberId id, Time by) {
  pass(by);
  tick(id);
}

void Group::wake(MemberId id) {
  Node& node = nodes_.at(id);
  const Time left = node.core->wake_at() - node.now;
  if (left > Time(0)) pass(left);
  node.now = std::max(node.now, node.core->wake_at());
  tick(id);
}

void Group::deliver(size_t at) {
  Message message = std::move(wire.at(at));
  wire.erase(wire.begin() + static_cast<ptrdiff_t>(at));
  if (!cuts_.contains({sender_of(message), target_of(message)})) receive(std::move(message));
}

void Group::receive(Message message) {
  const auto found = nodes_.find(target_of(message));
  if (found == nodes_.end() || !found->second.up()) return;
  Node& node = found->second;
  checker.arrives(node, message);
  node.core->step(node.now, std::move(message));
  pump(node);
}

size_t Group::deliver(MemberId from, MemberId to) {
  std::vector<Message> chosen;
  for (auto m = wire.begin(); m != wire.end();) {
    if (sender_of(*m) == from && target_of(*m) == to) {
      chosen.push_back(std::move(*m));
      m = wire.erase(m);
    } else {
      ++m;
    }
  }
  for (Message& message : chosen) {
    if (!cuts_.contains({from, to})) receive(std::move(message));
  }
  return chosen.size();
}

void Group::deliver_one(MemberId from, MemberId to) {
  const auto oldest = std::find_if(wire.begin(), wire.end(), [&](const Message& m) {
    return sender_of(m) == from && target_of(m) == to;
  });
  if (oldest != wire.end()) deliver(static_cast<size_t>(oldest - wire.begin()));
}

void Group::drop(MemberId from, MemberId to) {
  std::erase_if(wire, [&](const Message& m) { return sender_of(m) == from && target_of(m) == to; });
}

void Group::save(MemberId id) {
  Node& node = nodes_.at(id);
  if (!node.up() || !node.saving) return;
  node.disk.write(*node.saving);
  node.saving.reset();
  node.core->saved(node.now);
  pump(node);
}

void Group::fetch(MemberId id) {
  Node& node = nodes_.at(id);
  if (!node.up() || node.fetching.empty()) return;
  const Fetch fetch = node.fetching.front();
  node.fetching.pop_front();
  LogEntries entries;
  size_t bytes = 0;
  for (LogIndex index = fetch.from; index > node.disk.base && index <= node.disk.last(); ++index) {
    const auto& entry = node.disk.entries[index - node.disk.base - 1];
    bytes += entry->body.size();
    if (!entries.empty() && bytes > fetch.bytes_max) break;
    entries.push_back(entry);
  }
  node.core->fetched(node.now, fetch.member, fetch.from, entries);
  pump(node);
}

void Group::install(MemberId id) {
  Node& node = nodes_.at(id);
  if (!node.up() || !node.installing) return;
  save(id);  // the log is written by one at a time
  if (!node.installing) return;
  const InstallSnapshot offer = *std::exchange(node.installing, std::nullopt);
  if (offer.index <= node.table.applied) {
    node.core->install_failed();
  } else {
    node.table = snapshots_.at(offer.snapshot);
    node.disk.table = node.table;
    node.disk.restart_after(offer.index, offer.index_term);
    node.saving.reset();
    node.core->installed(node.now, offer);
  }
  pump(node);
}

void Group::compact(MemberId id, LogIndex first) {
  Node& node = nodes_.at(id);
  first = std::min(first, node.disk.table.applied + 1);
  if (!node.up() || first <= node.disk.base + 1) return;
  node.disk.drop_before(first);
  node.core->compacted(first);
  pump(node);
}

Result<LogIndex> Group::propose(MemberId id, std::string body) {
  Node& node = nodes_.at(id);
  auto index = node.core->propose(node.now, make_entry(std::move(body)));
  node.core->flush();
  pump(node);
  return index;
}

Result<LogIndex> Group::change(MemberId id, std::vector<Member> wanted) {
  Node& node = nodes_.at(id);
  MemberId last_id = node.core->members().last_id;
  for (const Member& member : wanted) last_id = std::max(last_id, member.id);
  auto index = node.core->change_members(node.now, wanted, last_id, 0);
  pump(node);
  return index;
}

Result<void> Group::transfer(MemberId id, MemberId to) {
  Node& node = nodes_.at(id);
  auto begun = node.core->transfer(node.now, to);
  pump(node);
  return begun;
}

Result<uint64_t> Group::read(MemberId id) {
  Node& node = nodes_.at(id);
  const LogIndex floor = checker.acknowledged();
  auto read = node.core->begin_read(node.now);
  if (read) node.reading[*read] = floor;
  pump(node);
  return read;
}

// --- what comes of it -------------------------------------------------------------------------

void Group::pump(Node& node) {
  Raft& core = *node.core;
  apply(node);
  if (!node.saving) {
    node.saving = core.take_save();
    if (node.saving) {
      checker.saving(node, *node.saving);
      if (observer.saving) observer.saving(node, *node.saving);
    }
  }
  for (Message& message : core.take_messages()) post(node, std::move(message));
  for (const MemberId member : core.take_snapshots()) {
    InstallSnapshot offer = core.offer_to(member);
    offer.index = node.table.applied;
    offer.index_term = node.table.term;
    offer.time_ms = node.table.time_ms;
    offer.members = node.table.members;
    offer.snapshot = node.table.applied;  // all members have the same state at the same index
    snapshots_[offer.snapshot] = node.table;
    post(node, std::move(offer));
  }
  for (const Fetch& fetch : core.take_fetches()) {
    node.fetching.push_back(fetch);
    if (observer.fetching) observer.fetching(node, fetch);
  }
  if (auto offer = core.take_install()) {
    if (observer.installing) observer.installing(node, *offer);
    node.installing = std::move(offer);
  }
  for (const Read& read : core.take_reads()) {
    const LogIndex floor = node.reading.at(read.id);
    node.reading.erase(read.id);
    if (read.confirmed) checker.read(node, read.index, floor);
    if (observer.read) observer.read(node, read);
    node.reads.push_back(read);
  }
  checker.stepped(node);
  if (observer.changed) {
    const auto state =
        std::make_tuple(core.role(), core.term(), core.leader(), core.known_commit());
    if (std::exchange(node.state, state) != state) observer.changed(node);
  }
}

void Group::apply(Node& node) {
  Raft& core = *node.core;
  checker.stepped(node);
  while (node.table.applied < core.commit()) {
    const LogIndex index = node.table.applied + 1;
    DFS_ASSERT(index > node.disk.base && index <= node.disk.last());
    const LogEntry& entry = *node.disk.entries[index - node.disk.base - 1];
    node.table.apply(entry);
    checker.applied(node, entry, node.table.hash);
    if (observer.applied) observer.applied(node, entry);
    core.applied(index);
  }
}

void Group::post(const Node& node, Message message) {
  checker.sent(node, message);
  if (observer.sent) observer.sent(message);
  wire.push_back(std::move(message));
}

bool Group::busy() const {
  return !wire.empty() || std::any_of(nodes_.begin(), nodes_.end(), [](const auto& each) {
    const Node& node = each.second;
    return node.up() && (node.saving || node.installing || !node.fetching.empty());
  });
}

void Group::settle() {
  for (size_t steps = 0; busy(); ++steps) {
    if (steps > kSettleStepsMax) throw Violation("the group does not come to rest");
    for (auto& [id, node] : nodes_) {
      save(id);
      fetch(id);
      install(id);
    }
    for (size_t left = wire.size(); left > 0 && !wire.empty(); --left) deliver(size_t{0});
  }
}

bool Group::run_until(const std::function<bool()>& done, Time limit, Time step) {
  settle();
  for (Time passed{}; passed < limit && !done(); passed += step) {
    pass(step);
    for (auto& [id, node] : nodes_) {
      if (node.up() && node.core->wake_at() <= node.now) tick(id);
    }
    settle();
  }
  return done();
}

void Group::run(Time duration, Time step) {
  run_until([] { return false; }, duration, step);
}

void Group::elect(MemberId id) {
  pass(settings.election_min);
  for (int tries = 0; tries < 10 && !nodes_.at(id).leads(); ++tries) {
    wake(id);
    settle();
  }
  if (!nodes_.at(id).leads()) throw Violation("the member was not elected");
  tick(id, settings.heartbeat);  // the others learn what is committed
  settle();
}

MemberId Group::leader() const {
  const Node* newest = nullptr;
  for (const auto& [id, node] : nodes_) {
    if (!node.leads() || !node.core->established()) continue;
    if (newest == nullptr || node.core->term() > newest->core->term()) newest = &node;
  }
  return newest == nullptr ? 0 : newest->id;
}

void Group::isolate(MemberId id) {
  for (const auto& [other, node] : nodes_) {
    cut(id, other);
    cut(other, id);
  }
}

void Group::reconnect(MemberId id) {
  std::erase_if(cuts_, [&](const auto& cut) { return cut.first == id || cut.second == id; });
}

}  // namespace dfs::raft
