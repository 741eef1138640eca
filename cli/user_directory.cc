#include "cli/user_directory.h"

namespace dfs::cli {

void UserDirectory::look_up(uint32_t id) {
  users_.emplace(id, std::to_string(id));
  groups_.emplace(id, std::to_string(id));
  if (useless_) return;
  GetUserNames request;
  request.uids = {id};
  const auto answer = ask_(request);
  useless_ = !answer;
  if (!answer) return;
  for (const UserName& name : answer->names) {
    if (name.uid != id) continue;
    users_[id] = name.user;
    if (name.gid == id) groups_[id] = name.user;
  }
}

std::string UserDirectory::user(uint32_t uid) {
  if (!users_.contains(uid)) look_up(uid);
  return users_.at(uid);
}

std::string UserDirectory::group(uint32_t gid) {
  if (!groups_.contains(gid)) look_up(gid);
  return groups_.at(gid);
}

Result<UserName> UserDirectory::find(const std::string& name) {
  GetUserNames request;
  request.users = {name};
  auto answer = ask_(request);
  if (!answer) return answer.error();
  for (UserName& found : answer->names) {
    if (found.user == name) return std::move(found);
  }
  return Error{
      Code::not_found, "there is no user " + name + "; dfsctl user list shows them", {}, 0};
}

}  // namespace dfs::cli
