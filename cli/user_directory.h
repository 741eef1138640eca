// The names of users and groups, by number, and the numbers by name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "messages/result.h"
#include "messages/user_names.h"

namespace dfs::cli {

// Each number and name is asked for once. A group has the name of the user whose own it is.
class UserDirectory {
 public:
  using Ask = std::function<Result<UserNames>(const GetUserNames& request)>;
  explicit UserDirectory(Ask ask) : ask_(std::move(ask)) {}

  // The name, or the number as text where there is none or nobody can be asked.
  std::string user(uint32_t uid);
  std::string group(uint32_t gid);

  // By name. `not_found`, or why it could not be asked.
  Result<UserName> find(const std::string& name);

 private:
  void look_up(uint32_t id);

  const Ask ask_;
  bool useless_ = false;  // the last question was not answered
  std::map<uint32_t, std::string> users_;
  std::map<uint32_t, std::string> groups_;
};

}  // namespace dfs::cli
