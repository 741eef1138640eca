// What is said to a simulated group: a few named registers, each a number (0 where there is none).
// These messages exist in the simulator alone.
#pragma once

#include <cstdint>
#include <string>

#include "messages/ids.h"
#include "messages/message.h"

namespace dfs::sim {

#define DFS_SIM_MESSAGE(name, number, ...)    \
  static constexpr ::dfs::Type kType{number}; \
  static constexpr const char* kName = #name; \
  DFS_FIELDS(__VA_ARGS__)

enum class Change : uint8_t { write = 1, swap = 2, add = 3, remove = 4 };

struct ChangeRegisterReply {
  uint64_t before = 0;
  uint64_t after = 0;
  DFS_SIM_MESSAGE(ChangeRegisterReply, 60001, before, after)
};

struct ChangeRegister {
  Change change = Change::write;
  std::string name;
  uint64_t value = 0;     // write, swap: the new one; add: how much
  uint64_t expected = 0;  // swap: nothing changes where it is another
  std::string padding;    // stored with it, so that logs and snapshots have some weight
  using Reply = ChangeRegisterReply;
  DFS_SIM_MESSAGE(ChangeRegister, 60002, change, name, value, expected, padding)

  uint64_t after(uint64_t before) const {
    switch (change) {
      case Change::write:
        return value;
      case Change::swap:
        return before == expected ? value : before;
      case Change::add:
        return before + value;
      case Change::remove:
        return 0;
    }
    return before;
  }
};

struct ReadRegisterReply {
  uint64_t value = 0;
  uint64_t since_ns = 0;  // of the world's time: the value was there then, or later
  DFS_SIM_MESSAGE(ReadRegisterReply, 60003, value, since_ns)
};

struct ReadRegister {
  std::string name;
  bool stale = false;  // any member may answer, and says how old the answer is at most
  using Reply = ReadRegisterReply;
  DFS_SIM_MESSAGE(ReadRegister, 60004, name, stale)
};

struct JoinGroupReply {
  MemberId member = 0;
  DFS_SIM_MESSAGE(JoinGroupReply, 60005, member)
};

struct JoinGroup {
  std::string uuid;
  std::string endpoint;
  using Reply = JoinGroupReply;
  DFS_SIM_MESSAGE(JoinGroup, 60006, uuid, endpoint)
};

struct LeaveGroupReply {
  DFS_SIM_MESSAGE(LeaveGroupReply, 60007)
};

// A member shall be none any more; also right when it is none.
struct LeaveGroup {
  MemberId member = 0;  // 0: whoever is at `endpoint` with another uuid than this
  std::string endpoint;
  std::string uuid;
  using Reply = LeaveGroupReply;
  DFS_SIM_MESSAGE(LeaveGroup, 60008, member, endpoint, uuid)
};

struct PassLeadReply {
  MemberId leader = 0;
  DFS_SIM_MESSAGE(PassLeadReply, 60009, leader)
};

struct PassLead {
  std::string endpoint;  // of the successor; empty: any
  using Reply = PassLeadReply;
  DFS_SIM_MESSAGE(PassLead, 60010, endpoint)
};

#undef DFS_SIM_MESSAGE

}  // namespace dfs::sim
