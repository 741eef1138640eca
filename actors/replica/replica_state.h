// The inside of a Replica, shared by its source files; each says what it holds.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/raft/raft.h"
#include "actors/replica/jobs.h"
#include "actors/replica/log_queue.h"
#include "actors/replica/peers.h"
#include "actors/replica/proposals.h"
#include "actors/replica/replica.h"
#include "actors/replica/replica_rows.h"
#include "actors/replica/replies.h"
#include "actors/replica/snapshot_fetch.h"
#include "actors/replica/snapshot_source.h"
#include "broker/calls.h"

namespace dfs {

struct Replica::State : std::enable_shared_from_this<State> {
  enum class Phase { created, opening, open, failed, closing, closed, gone };
  using Done = Proposals::Done;
  using Go = std::function<void(Result<void>)>;
  struct SaveJob;

  State(Bus& bus_, Disk& disk_, Table& table_, StateMachine& machine_, ReplicaSettings settings_);

  // recovery.cc
  void open(Identity identity, std::string endpoint, std::string broker, bool founder, Go done);
  void recovered(std::shared_ptr<LogStore> store, bool founder);
  Result<void> load_rows();
  Result<void> check_log(const LogStore& store) const;
  void found(std::shared_ptr<LogStore> store);
  void start_core(std::shared_ptr<LogStore> store);
  void opened(Result<void> outcome);

  // pump.cc
  bool running() const { return phase == Phase::open; }
  raft::Time now() const { return bus.now().time_since_epoch(); }
  bool receive(const Envelope& envelope);
  bool listens() const;
  void step(const Envelope& envelope, raft::Message message);
  void pump();
  bool gathers();
  void start_save();
  void write(std::shared_ptr<SaveJob> save);
  void wrote(std::shared_ptr<SaveJob> save);
  void out_of_space(const Error& why);
  void send_messages();
  void start_fetches();
  void set_timer();
  void notice_leadership();
  void notice_contact();
  void lose_leadership();

  // requests.cc
  Result<void> refusal() const;
  void propose(Command command, Done done);
  void read(Go go);
  void answer_reads();
  Error not_leader() const;
  void answer_all(const Error& error);

  // apply.cc
  void apply_committed();
  void apply_from_disk();
  void apply_later();
  void apply_all(const LogEntries& entries);
  bool apply_one(const LogEntry& entry);
  Result<Outcome> change_table(const LogEntry& entry, bool& repeated);
  void applied_members(const LogEntry& entry);
  void applied_leader(const LogEntry& entry);
  std::optional<ChangeMembers> members_after(LogIndex index) const;
  void trim();
  void flushed(Result<void> outcome, LogIndex index);
  LogIndex log_needed_from() const;

  // install.cc
  void offer_snapshots();
  void start_install();
  void fetched(Result<void> outcome);
  void install();
  void replace_table();
  void installed(Result<void> outcome);
  void give_up_install(const Error& why);

  // membership.cc
  void add_member(Member wanted, std::function<void(Result<MemberId>)> done);
  void remove_member(MemberId id, Go done);
  void transfer(MemberId to, std::function<void(Result<MemberId>)> done);
  Result<void> leader_refusal() const;
  void change_members(std::vector<Member> wanted, MemberId last_id,
                      std::function<bool(const ChangeMembers&)> reached, Go done);
  void await_members(std::function<bool(const ChangeMembers&)> reached, Go done);
  Result<void> removable(MemberId id) const;
  void answer_members();
  void tend_members();
  bool needs_tending() const;
  bool in_contact(MemberId id) const;
  bool others_vote() const;
  void notice_transfer();
  void end_transfer(Result<MemberId> outcome);

  // status.cc
  std::optional<Duration> staleness() const;
  HeadList status() const;

  // replica.cc
  void fail(const Error& error);
  void close(std::function<void()> done);
  void hand_over_and_close();
  void close_when_idle();
  bool idle() const;

  // A callback that does nothing once the replica is gone.
  template <class F>
  auto guarded(F act) {
    return [self = weak_from_this(), act = std::move(act)]() mutable {
      const auto state = self.lock();
      if (state && state->phase != Phase::gone) act(*state);
    };
  }

  Bus& bus;
  Disk& disk;
  Table& table;
  StateMachine& machine;
  const ReplicaSettings settings;
  const std::string snapshots;  // the directory
  Watcher watcher;
  Identity self;
  std::string endpoint;
  std::string broker;
  std::string group;  // "<cluster>/<name>"; empty before open()

  Phase phase = Phase::created;
  Go ready;
  std::vector<std::function<void()>> closed;
  Error failure;

  Jobs jobs;
  Peers peers;
  Calls calls;
  LogQueue log;
  std::unique_ptr<raft::Raft> core;
  Bus::TimerId timer = 0;
  raft::Time timer_at{};
  bool pumping = false;
  bool pump_again = false;

  bool saving = false;
  std::optional<raft::Time> gathering_until;
  bool gather_timer = false;
  bool full = false;  // the last attempt to save found no space

  // The table.
  AppliedRow applied;
  ChangeMembers members;  // after `applied`
  // What was applied lately of those, so that a checkpoint finds its own.
  std::deque<std::pair<LogIndex, ChangeMembers>> members_log;
  Replies replies;
  bool applying_later = false;  // a turn is due
  bool reading_log = false;     // for what is to be applied
  bool flushing = false;
  LogIndex flushed_to = 0;
  uint64_t trim_at;  // bytes of log above which it is cut

  // Those who wait.
  uint64_t leading_term = 0;  // not 0: this member leads, and said so
  Proposals proposals;
  std::map<uint64_t, Go> asked_reads;         // a majority is asked
  std::multimap<LogIndex, Go> waiting_reads;  // for the entry to be applied
  struct MemberWait {
    std::function<bool(const ChangeMembers&)> reached;
    Go done;
  };
  std::list<MemberWait> member_waits;
  std::function<void(Result<MemberId>)> transfer_done;
  uint64_t transfer_number = 0;
  bool handing_over = false;  // on close()

  // When this member was surely up to date, and when it will have been once the entry is applied.
  std::optional<raft::Time> fresh_at;
  std::optional<std::pair<LogIndex, raft::Time>> fresh_after;

  SnapshotSource source;
  std::unique_ptr<SnapshotFetch> fetch;
  bool fetch_ended = false;  // waits for its turn to be installed
  bool installing = false;   // the table is being replaced
  raft::Time install_after{};
};

}  // namespace dfs
