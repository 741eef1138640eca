// The lock actor's state machine on a table in memory, without a log: commands are applied
// directly.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "actors/lock/commands.h"
#include "actors/lock/lock_machine.h"
#include "actors/lock/operations.h"
#include "actors/mem_table.h"
#include "messages/envelope.h"

namespace dfs::lock {

inline PasswordHash some_hash(char letter) {
  return {Blob{std::string(kSaltBytes, letter)}, Blob{std::string(kPasswordHashBytes, letter)}, 1,
          8192};
}

struct TestLockMachine {
  TestLockMachine() {
    const SignKeys keys = make_sign_keys(std::string(kSeedBytes, 'a'));
    REQUIRE(tell<Noted>(FoundUsers{std::string(32, 'c'), Blob{keys.secret}, Blob{keys.verify_key},
                                   some_hash('p'), false})
                .ok());
  }

  // Applies one command at the next index, `step_ms` later.
  template <class Reply, Message M>
  Result<Reply> tell(const M& message) {
    Command command;
    command.index = ++index;
    command.term = 1;
    command.time_ms = time_ms += step_ms;
    command.type = M::kType;
    command.body = encode(message);
    Batch batch;
    const Outcome outcome = machine.apply(command, table, batch);
    REQUIRE(table.write(batch, Durability::later).ok());
    machine.applied(command, outcome);
    if (outcome.type == Type::Error) return decode<ErrorReply>(outcome.body)->to_error();
    return decode<Reply>(outcome.body);
  }

  Result<UserReply> add(const std::string& name, dfs::Role role = dfs::Role::user) {
    CreateUser command;
    command.user = name;
    command.password = some_hash('p');
    command.role = role;
    command.must_change = false;
    command.origin = {"admin", "here"};
    return tell<UserReply>(command);
  }
  UserRow user(const std::string& name) {
    Rows rows(table);
    return *rows.require<UserRow>(keys::user(name));
  }
  // `now_ms`: by the leader's clock, 0: that of the log.
  Result<Ticket> log_in(const std::string& name, uint64_t session, int64_t now_ms = 0) {
    const auto granted = tell<Granted>(
        BeginSession{name, user(name).password_index, session, kLastsMs, "here", now_ms});
    if (!granted) return granted.error();
    return granted->ticket;
  }
  // What somebody who has heard of everything says of a ticket, now or at `at_ms`.
  std::string judge(const Ticket& ticket, int64_t at_ms = 0) {
    Rows rows(table);
    const auto known = ticket_keys(rows);
    REQUIRE(known.ok());
    TicketJudge judge;
    judge.learn(known->cluster, known->version, known->keys, known->revoked);
    const auto reply = signed_ticket(rows, Granted{ticket, {}});
    REQUIRE(reply.ok());
    const auto judged = judge.judge(reply->ticket.bytes, at_ms == 0 ? time_ms : at_ms);
    return judged ? "good" : judged.error().cause.at("reason");
  }
  UsersRow all() {
    Rows rows(table);
    return *rows.require<UsersRow>(keys::users());
  }
  std::vector<Event> events() {
    Rows rows(table);
    return read_events(rows, index, ReadEvents{}, kActor)->events;
  }

  static constexpr int64_t kLastsMs = 3'600'000;
  MemTable table;
  LockMachine machine;
  LogIndex index = 0;
  int64_t time_ms = 1'700'000'000'000;
  int64_t step_ms = 1000;
};

}  // namespace dfs::lock
