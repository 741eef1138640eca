// What happens in a group, in words: one line per message, write, answer.
#pragma once

#include <string>

#include "tests/actors/raft/group.h"

namespace dfs::raft {

const char* name_of(Role role);
const char* name_of(Flow flow);
std::string describe(const Message& message);
std::string describe(const Save& save);
std::string describe(const LogEntry& entry);
std::string describe(const ChangeMembers& members);  // {1 -2 +3 ~4}: leaving, joining, learner
std::string describe(const Read& read);
std::string describe(const Fetch& fetch);
std::string describe_state(const Raft& core);     // role, term, leader, commit
std::string describe_progress(const Raft& core);  // of the others, as a leader knows it

// Calls `say` with a line for all that happens in the group from here on.
void narrate(Group& group, std::function<void(const std::string&)> say);

}  // namespace dfs::raft
