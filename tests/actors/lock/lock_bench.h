// The lock table with its rows in memory, without a log: commands are applied directly.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "actors/lock/lock_operations.h"
#include "actors/mem_table.h"
#include "messages/envelope.h"

namespace dfs::lock {

struct LockBench {
  explicit LockBench(LockLimits its_limits = {}) : limits(its_limits), locks(its_limits) {}

  template <Message M>
  Outcome apply(const M& message, int64_t later_ms = 1) {
    Command command;
    command.index = ++index;
    command.term = 1;
    command.time_ms = time_ms += later_ms;
    command.type = M::kType;
    command.body = encode(message);
    Batch batch;
    work = {};
    Outcome outcome = apply_lock_command(locks, command, 3, batch, work);
    REQUIRE(table.write(batch, Durability::later).ok());
    return outcome;
  }
  template <class Reply>
  static Result<Reply> reply(const Outcome& outcome) {
    if (outcome.type == Type::Error) return decode<ErrorReply>(outcome.body)->to_error();
    return decode<Reply>(outcome.body);
  }

  static TakeLock request(const std::string& owner, const std::string& path, LockMode mode,
                          uint32_t wait_ms = 60'000) {
    TakeLock take;
    take.target.path = path;
    take.mode = mode;
    take.wait_ms = wait_ms;
    take.owner = owner;
    take.user = "user of " + owner;
    return take;
  }
  Result<LockReply> take(const TakeLock& take, int64_t later_ms = 1) {
    return reply<LockReply>(apply(take, later_ms));
  }
  Result<LockReply> write(const std::string& owner, const std::string& path,
                          uint32_t wait_ms = 60'000) {
    return take(request(owner, path, LockMode::exclusive, wait_ms));
  }
  Result<LockReply> read(const std::string& owner, const std::string& path,
                         uint32_t wait_ms = 60'000) {
    return take(request(owner, path, LockMode::shared, wait_ms));
  }
  Result<LockReply> write_tree(const std::string& owner, const std::string& path,
                               uint32_t wait_ms = 60'000) {
    TakeLock tree = request(owner, path, LockMode::exclusive, wait_ms);
    tree.target.subtree = true;
    return take(tree);
  }
  Result<LockReply> range(const std::string& owner, const std::string& path, uint64_t from,
                          uint64_t until, uint32_t wait_ms = 60'000) {
    TakeLock part = request(owner, path, LockMode::exclusive, wait_ms);
    part.target.from = from;
    part.target.until = until;
    return take(part);
  }
  Result<ReleaseLockReply> release(LockId lock, const std::string& owner) {
    return reply<ReleaseLockReply>(apply(EndLock{lock, LockEnd::released, owner, {}}));
  }

  bool granted(LockId lock) const {
    const LockRow* const row = locks.find(lock);
    return row != nullptr && row->state == LockState::granted;
  }
  bool waiting(LockId lock) const {
    const LockRow* const row = locks.find(lock);
    return row != nullptr && row->state == LockState::waiting;
  }
  // All of it, as text.
  static std::string all_of(const LockTable& table) {
    LockId next = 0;
    std::string text;
    for (const LockId lock : table.list("", nullptr, 0, SIZE_MAX, &next)) {
      text += std::to_string(lock) + " " + to_json(*table.find(lock)) + " blocked by";
      for (const LockId blocker : table.blockers(lock, SIZE_MAX)) {
        text += " " + std::to_string(blocker);
      }
      text += "\n";
    }
    return text;
  }
  // What a head that starts now makes of the rows.
  LockTable reloaded() {
    LockTable other(limits);
    REQUIRE(load_locks(table, other).ok());
    return other;
  }

  LockLimits limits;
  LockTable locks;
  MemTable table;
  LockWork work;  // of the command that was applied last
  LogIndex index = 100;
  int64_t time_ms = 1'000'000;
};

}  // namespace dfs::lock
