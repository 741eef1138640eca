// A group of cores without anything around them: messages, disks and tables are plain values that a
// test may look at, hold back, repeat or lose. Each does for its core what the Replica does, as
// slowly as the test likes; the checker watches every step.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "actors/raft/raft.h"
#include "tests/actors/raft/checker.h"

namespace dfs::raft {

using namespace std::chrono_literals;

// A state machine: all it keeps is how far it is and a hash over everything it has applied.
struct Table {
  LogIndex applied = 0;
  uint64_t term = 0;    // of that entry
  int64_t time_ms = 0;  // likewise
  uint64_t hash = 0;
  ChangeMembers members;

  void apply(const LogEntry& entry);
};

// What a crash leaves of a member.
struct Disk {
  HardState hard;
  LogIndex base = 0;
  uint64_t base_term = 0;
  LogEntries entries;  // from base + 1 on
  Table table;         // as it was flushed last

  LogIndex last() const { return base + entries.size(); }
  std::optional<uint64_t> term_at(LogIndex index) const;
  // As many of the steps of the write as are given: the hard state, the truncation, each entry.
  void write(const Save& save, size_t steps = SIZE_MAX);
  void drop_before(LogIndex first);
  void restart_after(LogIndex index, uint64_t term);
  Start start() const;  // what recovery finds
};

struct Node {
  MemberId id = 0;
  Time now{};  // by its own clock
  double clock_rate = 1.0;
  std::unique_ptr<Raft> core;  // nullptr: it is down
  Table table;
  Disk disk;
  std::optional<Save> saving;  // the write under way
  std::optional<InstallSnapshot> installing;
  std::deque<Fetch> fetching;
  std::map<uint64_t, LogIndex> reading;  // what each read must at least see
  std::vector<Read> reads;               // that are answered, for the test to look at
  // What the observer was told last: role, term, leader, commit.
  std::tuple<Role, uint64_t, MemberId, LogIndex> state;

  bool up() const { return core != nullptr; }
  bool leads() const { return up() && core->role() == Role::leader; }
};

MemberId sender_of(const Message& message);
MemberId target_of(const Message& message);
uint64_t term_of(const Message& message);

Member make_member(MemberId id, Standing standing = Standing::voter);
ChangeMembers make_members(size_t voters);
LogEntry make_entry(std::string body);
// A disk whose log has entries of these terms; the first names the members 1 to `voters`.
Disk make_disk(size_t voters, const std::vector<uint64_t>& terms);
std::vector<uint64_t> terms_of(const Log& log);

class Group {
 public:
  explicit Group(uint64_t seed = 1, Settings settings = {});

  // Members 1 to `voters` run; the first entry of each log names them.
  void found(size_t voters);
  Node& add(MemberId id, Disk disk = {});  // it runs
  Node& operator[](MemberId id) { return nodes_.at(id); }
  Raft& core(MemberId id) { return *nodes_.at(id).core; }
  std::map<MemberId, Node>& nodes() { return nodes_; }

  void start(MemberId id);
  // Of the write under way, that many steps have reached the disk.
  void crash(MemberId id, size_t written = 0);
  void restart(MemberId id, size_t written = 0) {
    crash(id, written);
    start(id);
  }

  // The clocks of all members go on; nobody notices before something happens to it.
  void pass(Time by);
  void tick(MemberId id);
  void tick(MemberId id, Time by);
  // Its clock goes to wake_at(), all others along with it, and it alone notices.
  void wake(MemberId id);

  // The message arrives as if somebody had sent it.
  void receive(Message message);
  template <class M>
  std::vector<M> on_wire(MemberId from, MemberId to) const {
    std::vector<M> found;
    for (const Message& message : wire) {
      const M* m = std::get_if<M>(&message);
      if (m != nullptr && m->from == from && m->to == to) found.push_back(*m);
    }
    return found;
  }
  void deliver(size_t at);                       // the message at that place of the wire
  size_t deliver(MemberId from, MemberId to);    // all there are now; how many
  void deliver_one(MemberId from, MemberId to);  // the oldest of them
  void drop(MemberId from, MemberId to);
  void save(MemberId id);                     // the write under way is done
  void fetch(MemberId id);                    // likewise the oldest read of the log
  void install(MemberId id);                  // likewise the snapshot
  void compact(MemberId id, LogIndex first);  // entries before `first` leave the disk
  void flush_table(MemberId id) { nodes_.at(id).disk.table = nodes_.at(id).table; }
  void acted(MemberId id) { pump(nodes_.at(id)); }  // after a call of the core itself

  Result<LogIndex> propose(MemberId id, std::string body);
  Result<LogIndex> change(MemberId id, std::vector<Member> wanted);
  Result<void> transfer(MemberId id, MemberId to);
  Result<uint64_t> read(MemberId id);

  // Everything under way is done and delivered, and what comes of that as well.
  void settle();
  // Time passes in small steps for everybody; all messages arrive at once.
  void run(Time duration, Time step = 10ms);
  bool run_until(const std::function<bool()>& done, Time limit, Time step = 10ms);
  // The member stands for election now and, when everybody does his duty, leads.
  void elect(MemberId id);
  MemberId leader() const;  // an established one of the newest term, or 0

  // Between these nothing is delivered any more, in this direction.
  void cut(MemberId from, MemberId to) { cuts_.insert({from, to}); }
  void isolate(MemberId id);
  void reconnect(MemberId id);
  void heal() { cuts_.clear(); }

  std::deque<Message> wire;  // sent, oldest first
  Settings settings;         // of members that start from here on
  Checker checker;
  // Called, when set, as things happen.
  struct Observer {
    std::function<void(const Message&)> sent;
    std::function<void(const Node&, const Save&)> saving;
    std::function<void(const Node&, const LogEntry&)> applied;
    std::function<void(const Node&, const Read&)> read;
    std::function<void(const Node&, const Fetch&)> fetching;
    std::function<void(const Node&, const InstallSnapshot&)> installing;
    std::function<void(const Node&)> changed;  // its role, term, leader or commit index
  } observer;

 private:
  void pump(Node& node);
  void post(const Node& node, Message message);
  void apply(Node& node);
  bool busy() const;

  uint64_t seed_;
  std::map<MemberId, Node> nodes_;
  std::set<std::pair<MemberId, MemberId>> cuts_;
  std::map<uint64_t, Table> snapshots_;
};

}  // namespace dfs::raft
