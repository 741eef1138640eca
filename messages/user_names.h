// The conversation "user names": which numbers in the namespace are whose.
//
//   with a ticket → lock:  GetUserNames → UserNames
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

struct UserName {
  std::string user;
  uint32_t uid = 0;
  uint32_t gid = 0;
  DFS_FIELDS(user, uid, gid)
};
// Of those asked for that there are. Removed users keep their number and have no name.
struct UserNames {
  std::vector<UserName> names;
  DFS_MESSAGE(UserNames, names)
};
struct GetUserNames {
  static constexpr size_t kMax = 1000;  // of both together
  std::vector<uint32_t> uids;
  std::vector<std::string> users;
  using Reply = UserNames;
  const char* invalid() const {
    return uids.size() + users.size() > kMax ? "more than 1000 users are asked for" : nullptr;
  }
  DFS_MESSAGE(GetUserNames, uids, users)
};

}  // namespace dfs
