#include "tests/sim/raft_checker.h"

#include "actors/replica/log_record.h"
#include "messages/crc32c.h"

namespace dfs::sim {

namespace {

std::string number(uint64_t value) {
  return std::to_string(value);
}

uint64_t contents_of(const LogEntry& entry) {
  const uint32_t body = crc32c(entry.body);
  const std::string rest = entry.client + " " + number(entry.request) + " " +
                           number(static_cast<uint64_t>(entry.time_ms)) + " " +
                           number(static_cast<uint64_t>(entry.type));
  return uint64_t{crc32c(rest)} << 32 | body;
}

}  // namespace

void RaftChecker::fault(const Process& process, const std::string& what) {
  findings_.fault(process.name() + ": " + what);
}

void RaftChecker::disk_replaced(const Process& process) {
  seen_.erase(process.index());
}

void RaftChecker::after_event(const Process& process, const Replica& replica) {
  const raft::Raft* const core = replica.core();
  if (core == nullptr) return;
  Seen& seen = seen_[process.index()];
  if (seen.incarnation != process.incarnation()) check_restart(process, *core, seen);
  if (core->term() < seen.term) fault(process, "its term went back");
  if (core->role() == raft::Role::leader &&
      (seen.role != raft::Role::leader || core->term() != seen.term)) {
    check_leader(process, *core);
  }
  seen.role = core->role();
  seen.term = core->term();
  check_commit(process, *core, seen);
  check_state(process, replica, seen);
  // A leader may have told it to forget entries that it acknowledged to an earlier one.
  if (core->log().term_at(seen.promised_index) != seen.promised_entry &&
      seen.promised_index >= core->log().first()) {
    seen.promised_index = 0;
    seen.promised_entry = 0;
  }
}

// What the disk remembers must be all that others were told.
void RaftChecker::check_restart(const Process& process, const raft::Raft& core, Seen& seen) {
  seen.incarnation = process.incarnation();
  seen.member = core.id();
  seen.role = raft::Role::follower;
  seen.commit = 0;
  seen.applied = 0;
  seen.term = core.term();
  if (core.term() < seen.promised_term) {
    fault(process, "it spoke in term " + number(seen.promised_term) + " and remembers only " +
                       number(core.term()));
  }
  const LogIndex index = seen.promised_index;
  if (index < core.log().first()) return;  // it is part of the table
  if (core.log().term_at(index) != seen.promised_entry) {
    fault(process, "it acknowledged entry " + number(index) + " of term " +
                       number(seen.promised_entry) + " and has lost it; its log ends at " +
                       number(core.log().last()));
  }
}

// "At most one leader can be elected in a given term" and "if a log entry is committed in a given
// term, then that entry will be present in the logs of the leaders for all higher-numbered terms"
// (Raft, figure 3).
void RaftChecker::check_leader(const Process& process, const raft::Raft& core) {
  const auto [leader, first] = leaders_.try_emplace(core.term(), core.id());
  if (!first && leader->second != core.id()) {
    fault(process, "members " + number(leader->second) + " and " + number(core.id()) +
                       " both lead term " + number(core.term()));
  }
  for (auto fact = committed_.lower_bound(core.log().first()); fact != committed_.end(); ++fact) {
    if (fact->second.by >= core.term()) continue;
    if (core.log().term_at(fact->first) == fact->second.term) continue;
    fault(process, "it leads term " + number(core.term()) + " without entry " +
                       number(fact->first) + ", which was committed in term " +
                       number(fact->second.by));
    return;
  }
}

void RaftChecker::check_commit(const Process& process, const raft::Raft& core, Seen& seen) {
  const LogIndex commit = core.commit();
  if (commit < seen.commit) fault(process, "its commit index went back");
  for (LogIndex i = std::max(seen.commit + 1, core.log().first()); i <= commit; ++i) {
    const auto term = core.log().term_at(i);
    if (!term) {
      fault(process, "it has no entry " + number(i) + ", which it says is committed");
      return;
    }
    const auto [fact, first] = committed_.try_emplace(i, Fact{*term, core.term()});
    if (!first && fact->second.term != *term) {
      fault(process, "entry " + number(i) + " is committed in terms " + number(*term) + " and " +
                         number(fact->second.term));
      return;
    }
  }
  seen.commit = commit;
}

// Only what is committed is applied, and after the same entry everybody's state is the same.
void RaftChecker::check_state(const Process& process, const Replica& replica, Seen& seen) {
  const LogIndex applied = replica.applied();
  if (applied == seen.applied) return;
  if (applied < seen.applied) fault(process, "its applied index went back");
  if (applied > committed()) fault(process, "it applied what is not committed");
  seen.applied = applied;
  const uint64_t hash = replica.state_hash();
  const auto [state, first] = states_.try_emplace(applied, hash);
  if (!first && state->second != hash) {
    fault(process, "its state after entry " + number(applied) + " is another than elsewhere");
  }
}

void RaftChecker::applied(const Process& process, const Command& command) {
  check_entry(process, command);
  const auto [entry, first] = applied_.try_emplace(command.index, command.term);
  if (!first && entry->second != command.term) {
    fault(process, "it applied entry " + number(command.index) + " of term " +
                       number(command.term) + "; elsewhere that was of term " +
                       number(entry->second));
  }
  if (command.client.empty()) return;
  const auto [request, once] =
      requests_.try_emplace({command.client, command.request}, command.index);
  if (!once && request->second != command.index) {
    fault(process, "a request of " + command.client + " was applied twice: by entries " +
                       number(request->second) + " and " + number(command.index));
  }
}

// "If two logs contain an entry with the same index and term", it is the same entry.
void RaftChecker::check_entry(const Process& process, const LogEntry& entry) {
  const uint64_t contents = contents_of(entry);
  const auto [known, first] = entries_.try_emplace({entry.index, entry.term}, contents);
  if (!first && known->second != contents) {
    fault(process,
          "there are two entries " + number(entry.index) + " of term " + number(entry.term));
  }
}

// ---- what is said

void RaftChecker::sent(const Process& process, const Replica& replica, const Envelope& envelope) {
  const auto take = [&]<class M>(M) {
    if (envelope.header.type != M::kType) return;
    const auto message = decode<M>(envelope.body);
    if (message) on(process, replica, *message);
  };
  take(RequestVote());
  take(RequestVoteReply());
  if (envelope.header.type == AppendEntries::kType) {
    auto message = decode<AppendEntries>(envelope.body);
    auto entries = decode_entries(envelope.payload.view());
    if (!message || !entries) return fault(process, "it sent entries that cannot be read");
    message->entries = std::move(*entries);
    on(process, replica, *message);
  }
  take(AppendEntriesReply());
  if (envelope.header.type == InstallSnapshot::kType) ++snapshots_;
}

void RaftChecker::promise_vote(const Process& process, MemberId voter, uint64_t term,
                               MemberId candidate) {
  Seen& seen = seen_[process.index()];
  seen.promised_term = std::max(seen.promised_term, term);
  const auto [vote, first] = votes_.try_emplace({voter, term}, candidate);
  if (!first && vote->second != candidate) {
    fault(process, "it voted for members " + number(vote->second) + " and " + number(candidate) +
                       " in term " + number(term));
  }
}

void RaftChecker::on(const Process& process, const Replica&, const RequestVote& message) {
  if (!message.pre) promise_vote(process, message.from, message.term, message.from);
}

void RaftChecker::on(const Process& process, const Replica&, const RequestVoteReply& message) {
  if (!message.pre && message.granted) {
    promise_vote(process, message.from, message.term, message.to);
  }
}

void RaftChecker::on(const Process& process, const Replica&, const AppendEntries& message) {
  Seen& seen = seen_[process.index()];
  seen.promised_term = std::max(seen.promised_term, message.term);
  const auto [leader, first] = leaders_.try_emplace(message.term, message.from);
  if (!first && leader->second != message.from) {
    fault(process, "members " + number(leader->second) + " and " + number(message.from) +
                       " both speak as the leader of term " + number(message.term));
  }
  for (const auto& entry : message.entries) check_entry(process, *entry);
}

void RaftChecker::on(const Process& process, const Replica& replica,
                     const AppendEntriesReply& message) {
  Seen& seen = seen_[process.index()];
  seen.promised_term = std::max(seen.promised_term, message.term);
  if (!message.accepted || message.index < seen.promised_index) return;
  const raft::Raft* const core = replica.core();
  if (core == nullptr) return;
  if (const auto term = core->log().term_at(message.index)) {
    seen.promised_index = message.index;
    seen.promised_entry = *term;
  }
}

}  // namespace dfs::sim
