// What the commands about locks do to the rows of the lock actor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "actors/lock/lock_table.h"
#include "actors/replica/state_machine.h"
#include "actors/table.h"

namespace dfs::lock {

bool is_lock_command(Type type);

struct LockEvent {
  std::string topic;
  std::map<std::string, std::string> fields;
};

struct LockWork {
  LockNews news;
  std::vector<LockEvent> events;  // of the log
};

// Applies one of the commands above; adds the rows that changed to `batch`. These count even when
// the outcome is an error: waits that are over end with whatever command comes next.
Outcome apply_lock_command(LockTable& locks, const Command& command, uint32_t voters, Batch& batch,
                           LockWork& work);

// Fills an empty table with what the rows say.
Result<void> load_locks(Table& table, LockTable& locks);

LockView view_of(LockId lock, const LockRow& row);
// Of a lock that there is: its state, and who is in its way.
LockReply reply_of(const LockTable& locks, LockId lock);

}  // namespace dfs::lock
