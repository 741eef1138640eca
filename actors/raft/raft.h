// The consensus algorithm alone: no clock, socket, disk or chance of its own. Whoever hosts it (the
// Replica) tells it what happened and when, and does what it asks for:
//
//   in:   step() a message came · tick() time passed · propose() · saved() the disk is done · …
//   out:  take_messages() to send now · take_save() to write, one at a time · commit() to apply ·
//         take_reads() · take_fetches() · take_snapshots() · take_install()
//
// A message that relies on a promise (a vote, a term, entries received) comes out of
// take_messages() only after saved() of the write that holds the promise. A leader sends entries to
// the others while its own disk still writes them (thesis 10.2.1); they count for its own vote when
// they are saved.
//
// Sources: the Raft paper (Ongaro and Ousterhout 2014) and Ongaro's thesis: pre-vote (9.6),
// check-quorum and leader lease (6.2, 6.4.1), read index (6.4), joint consensus (4.3), learners
// (4.2.1), leadership transfer (3.10). README.md tells the assumption about clocks.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/raft/log.h"
#include "actors/raft/progress.h"
#include "actors/raft/quorum.h"
#include "messages/raft.h"
#include "messages/result.h"

namespace dfs::raft {

struct Settings {
  MemberId id = 0;
  std::string group;
  uint64_t seed = 0;  // of the election timeouts
  Time heartbeat = std::chrono::milliseconds(100);
  // A member that heard nothing for election_min … election_max, drawn anew each time, stands for
  // election. Nobody votes within election_min of hearing a leader, unless that leader asks.
  Time election_min = std::chrono::milliseconds(500);
  Time election_max = std::chrono::milliseconds(1000);
  // The lease is shorter than election_min by this share: clocks of any two members must not differ
  // in rate by more.
  double clock_drift_max = 0.1;
  size_t append_bytes_max = 512 << 10;   // of the entries of one message; a larger entry goes alone
  size_t flights_max = 64;               // appends to one member without an answer
  size_t flying_bytes_max = 8 << 20;     // likewise
  size_t cache_bytes_max = 16 << 20;     // entries kept in memory for members a little behind
  size_t unstable_bytes_max = 32 << 20;  // proposals are refused as `busy` while more is unsaved
};

struct HardState {
  uint64_t term = 0;
  MemberId vote = 0;
  bool operator==(const HardState&) const = default;
};

// What the disk remembers.
struct Start {
  HardState hard;
  LogIndex base = 0;  // the entry before the first of the log
  uint64_t base_term = 0;
  std::vector<TermRun> runs;
  LogIndex last = 0;
  int64_t time_ms = 0;    // of the entry at `last`
  LogIndex applied = 0;   // all up to here is known to be committed
  ChangeMembers members;  // as of `applied`
  // Those entries after `applied` that change the members, in order.
  std::vector<std::pair<LogIndex, ChangeMembers>> changes;
};

enum class Role : uint8_t { follower, pre_candidate, candidate, leader };

using Message = std::variant<RequestVote, RequestVoteReply, AppendEntries, AppendEntriesReply,
                             InstallSnapshot, TimeoutNow>;

// To be written in this order: hard state, truncation, entries; then synced, then saved().
struct Save {
  std::optional<HardState> hard;
  LogIndex truncate_from = 0;  // not 0: entries from here on are forgotten first
  LogEntries entries;
};

struct Fetch {
  MemberId member = 0;
  LogIndex from = 0;
  size_t bytes_max = 0;
};

struct Read {
  uint64_t id = 0;
  bool confirmed = false;  // false: this member no longer leads
  LogIndex index = 0;      // the read may be served once this is applied
};

class Raft {
 public:
  Raft(Settings settings, Start start, Time now);

  // Everything that happens. Messages of unknown members are answered like any other; the group
  // name was checked by the caller. A message for another member id is ignored.
  void step(Time now, Message message);
  void tick(Time now);
  // What the clock on the wall says, for entries that the core makes of its own accord.
  void tell_time(int64_t time_ms) { wall_ms_ = time_ms; }
  Time wake_at() const;  // when tick() has something to do, if nothing else happens before

  // Appends an entry; its index and term are filled in. Errors: `not_leader`, `busy` (too much is
  // unsaved, or leadership is being handed over).
  Result<LogIndex> propose(Time now, LogEntry entry);
  // Sends the others what was proposed since. To be called when a batch of proposals is complete;
  // take_save() does it too.
  void flush();

  // The group shall have exactly these members (standing learner or voter). Errors: `not_leader`,
  // `busy` while an earlier change, or this leader's first entry, is not committed.
  Result<LogIndex> change_members(Time now, const std::vector<Member>& wanted, MemberId last_id,
                                  int64_t time_ms);
  // Hands leadership over (0: to whoever is furthest). Takes at most election_max; it has worked
  // when role() says so. Errors: `not_leader`, `not_found`, `invalid` (no voter, or out of
  // contact).
  Result<void> transfer(Time now, MemberId to);
  bool transferring() const { return transfer_to_ != 0; }
  void step_down(Time now);  // as if it had lost contact to the others

  // Linearizable reads. With the lease the answer is at once: serve when this index is applied.
  std::optional<LogIndex> lease_read(Time now) const;
  // Without it a majority is asked: take_reads() tells. `not_leader` when this is none.
  Result<uint64_t> begin_read(Time now);
  std::vector<Read> take_reads() { return std::exchange(reads_done_, {}); }

  // Output.
  std::vector<Message> take_messages() { return std::exchange(messages_, {}); }
  // Nothing while an earlier one is not saved(), or there is nothing to write.
  std::optional<Save> take_save();
  bool has_save() const { return !save_under_way_ && (unsaved_hard_ || log_.has_unsaved()); }
  void saved(Time now);
  // Entries up to here are committed and on this member's own disk.
  LogIndex commit() const { return std::min(commit_, log_.stable()); }
  LogIndex known_commit() const { return commit_; }
  // Entries from memory, or nothing: then they are read from disk.
  std::optional<LogEntries> entries(LogIndex from, size_t bytes_max) const {
    return log_.entries(from, bytes_max);
  }
  void applied(LogIndex index);
  // Entries that a member lacks and memory no longer holds: to be read from disk and given to
  // fetched(), empty when that failed or they are gone.
  std::vector<Fetch> take_fetches() { return std::exchange(fetches_, {}); }
  void fetched(Time now, MemberId member, LogIndex from, const LogEntries& entries);

  // Members to be offered a snapshot, since the log no longer reaches back to what they lack; again
  // with each heartbeat until they have it.
  std::vector<MemberId> take_snapshots() { return std::exchange(snapshots_, {}); }
  // What such an offer has to say of this leader; the caller adds the snapshot.
  InstallSnapshot offer_to(MemberId member) const;
  // A snapshot that this member should fetch from `from` and install. Repeated offers of the one
  // that is being installed do not come out again.
  std::optional<InstallSnapshot> take_install() { return std::exchange(install_, std::nullopt); }
  void installed(Time now, const InstallSnapshot& snapshot);
  void install_failed() { installing_ = false; }
  // The disk forgot the entries before `first`.
  void compacted(LogIndex first) { log_.compact(first); }

  // State.
  MemberId id() const { return settings_.id; }
  Role role() const { return role_; }
  uint64_t term() const { return hard_.term; }
  MemberId leader() const { return leader_; }   // 0: unknown
  Time leader_heard() const { return heard_; }  // when the leader was last heard by this member
  // This leader's first entry is committed: it knows all that was committed before it.
  bool established() const { return role_ == Role::leader && commit_ >= term_begin_; }
  const ChangeMembers& members() const { return members_.back().second; }
  LogIndex members_index() const { return members_.back().first; }
  const Quorum& quorum() const { return quorum_; }
  const Log& log() const { return log_; }
  const std::map<MemberId, Progress>& progress() const { return progress_; }  // a leader's

 private:
  void on(Time now, const RequestVote& message);
  void on(Time now, const RequestVoteReply& message);
  void on(Time now, const AppendEntries& message);
  void on(Time now, const AppendEntriesReply& message);
  void on(Time now, const InstallSnapshot& message);
  void on(Time now, const TimeoutNow& message);
  // raft.cc
  // False: the message was of an old term, or must not be listened to, and has been dealt with.
  template <class M>
  bool accept_term(Time now, const M& message);
  void become_follower(Time now, uint64_t term, MemberId leader);
  void set_hard(uint64_t term, MemberId vote);
  template <class M>
  M to(MemberId member) const;  // with the fields that every message has
  void send(Message message) { messages_.push_back(std::move(message)); }
  void send_after(uint64_t promise, Message message);
  void release_messages();
  bool votes(MemberId id) const { return quorum_.contains(id); }
  void reset_election_timer(Time now);
  Time a_moment();  // below a heartbeat
  void hear(Time now, MemberId leader);

  // election.cc
  bool follows_live_leader(Time now) const;
  bool may_stand() const;
  void start_election(Time now, bool transfer);
  void pre_campaign(Time now);
  void campaign(Time now, bool transfer);
  void ask_for_votes(bool pre, bool transfer);
  void count_votes(Time now);
  void become_leader(Time now);

  // replication.cc
  void lead(Time now);  // heartbeats, check-quorum and what else a leader does by the clock
  void begin_round(Time now);
  void heartbeat(MemberId member, Progress& progress);
  void send_appends(MemberId member, Progress& progress);
  void send_append(MemberId member, Progress& progress, LogEntries entries);
  void want_snapshot(MemberId member, Progress& progress);
  void on_accepted(Time now, Progress& progress, const AppendEntriesReply& message);
  void on_refused(Progress& progress, const AppendEntriesReply& message);
  void answer(const AppendEntries& message, uint64_t promise, bool accepted, LogIndex index);
  void append_own(Time now, LogEntry entry);
  bool acceptable(const AppendEntries& message) const;
  void append_received(Time now, const AppendEntries& message);
  void advance_commit(Time now);
  void committed(Time now);
  void set_commit(LogIndex index);

  // reads.cc
  Time quorum_contact(Time now) const;  // a majority was heard at this time or later
  void confirm_rounds(Time now);
  void confirm_reads(Time now);
  void fail_reads();

  // membership.cc
  void adopt(Time now, const LogEntry& entry);
  void forget_members_from(Time now, LogIndex index);
  void members_changed(Time now);
  void finish_change(Time now);
  MemberId successor(Time now) const;
  void drive_transfer(Time now);
  void send_timeout_now(MemberId member);

  const Settings settings_;
  std::mt19937_64 random_;
  HardState hard_;
  Role role_ = Role::follower;
  MemberId leader_ = 0;
  Time heard_{};  // follower: the leader
  // When it heard a leader last, or might have before a restart: that leader relies on it to
  // support nobody else for election_min.
  Time promised_ = Time::min();
  Time election_at_{};  // follower, candidates: when it stands for election
  Log log_;
  int64_t time_ms_ = 0;  // of the last entry, or later
  int64_t wall_ms_ = 0;  // as told last
  LogIndex commit_ = 0;
  LogIndex applied_ = 0;
  // Configurations by the entry that made them, the oldest committed one first.
  std::deque<std::pair<LogIndex, ChangeMembers>> members_;
  Quorum quorum_;

  // Candidates.
  std::map<MemberId, bool> votes_;

  // Leader.
  std::map<MemberId, Progress> progress_;
  LogIndex term_begin_ = 0;  // its first entry
  Time heartbeat_at_{};
  uint64_t round_ = 0;
  uint64_t confirmed_ = 0;  // the latest round that a majority has echoed
  Time lease_until_{};
  std::deque<std::pair<uint64_t, Time>> rounds_;  // begun, the oldest that may matter first
  bool lease_allowed_ = false;                    // until leadership was first offered to another
  MemberId transfer_to_ = 0;
  Time transfer_until_{};
  bool transfer_sent_ = false;
  struct Waiting {
    uint64_t id = 0;
    uint64_t round = 0;
  };
  std::deque<Waiting> reads_;
  uint64_t read_id_ = 0;
  std::vector<Read> reads_done_;

  // Promises, numbered as they are made, and what waits for the disk to hold them.
  uint64_t promise_ = 0;
  uint64_t hard_promise_ = 0;  // the last that concerns the hard state
  uint64_t saving_ = 0;        // all up to here are in the write under way
  uint64_t kept_ = 0;          // all up to here are on disk
  bool save_under_way_ = false;
  std::optional<HardState> unsaved_hard_;
  std::deque<std::pair<uint64_t, Message>> after_save_;

  std::vector<Message> messages_;
  std::vector<Fetch> fetches_;
  std::vector<MemberId> snapshots_;
  std::optional<InstallSnapshot> install_;
  bool installing_ = false;
};

}  // namespace dfs::raft
