// Modes, owners and access lists as people write them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "messages/namespace.h"
#include "messages/result.h"
#include "messages/user_names.h"

namespace dfs::cli {

// The mode that chmod(1) would make of `mode`: "640", "u+rwx,g-w,o=", "+x", "a=rX", "u+s", "+t".
Result<uint32_t> changed_mode(std::string_view text, FileType type, uint32_t mode);

// "1000", "1000:100", ":100", "ada", "ada:100", ":ada", and "ada:": of her and her own group. Whose
// name it is tells `find`.
struct Owners {
  bool user = false;
  uint32_t uid = 0;
  bool group = false;
  uint32_t gid = 0;
};
using FindUser = std::function<Result<UserName>(const std::string& name)>;
Result<Owners> parse_owners(std::string_view text, const FindUser& find);
Result<uint32_t> parse_group(std::string_view text, const FindUser& find);
Result<uint32_t> parse_id(std::string_view text);

// As setfacl(1) writes them, with numbers: "u::rwx,u:1000:r-x,g::r-x,m::rwx,o::---,d:u::rwx". Words
// may be written out ("user", "group", "mask", "other", "default"), the colon of mask and other may
// be single. A mask that is needed and missing is what the group's class has together.
struct AccessLists {
  bool set_access = false;
  std::vector<AclEntry> access;
  bool set_default = false;
  std::vector<AclEntry> standard;  // the default one
};
Result<AccessLists> parse_access_lists(std::string_view text);

// "user:1000:r-x"
std::string text_of(const AclEntry& entry);
// What a mode says, as a list.
std::vector<AclEntry> list_of_mode(uint32_t mode);

}  // namespace dfs::cli
