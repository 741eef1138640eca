// Who may do what with a file or directory: a pure function of the inode and the requester, as
// POSIX (IEEE 1003.1-2017, 4.5 "File Access Permissions") and, for access control lists, acl(5) say
// it.
//
// The mode of an inode with a list is in step with it: the bits of the group are those of the mask.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/monitor/rows.h"
#include "messages/requester.h"

namespace dfs {

inline constexpr uint32_t kMayRead = 4;
inline constexpr uint32_t kMayWrite = 2;
inline constexpr uint32_t kMaySearch = 1;  // of a directory

inline constexpr uint32_t kModeBits = 07777;
inline constexpr uint32_t kSetUid = 04000;
inline constexpr uint32_t kSetGid = 02000;
inline constexpr uint32_t kSticky = 01000;

bool is_in_group(const Requester& who, uint32_t gid);
// Whether all of `rights` are theirs: the access check algorithm of acl(5). An administrator's are.
bool may(const Requester& who, const InodeRow& inode, uint32_t rights);
inline bool owns(const Requester& who, const InodeRow& inode) {
  return who.admin || who.uid == inode.uid;
}
// Whether the sticky bit of `directory`, if it has one, lets them take `inode` out of it.
bool may_take_out(const Requester& who, const InodeRow& directory, const InodeRow& inode);
// Whether the inode's group may become `gid` by their word.
bool may_give_to_group(const Requester& who, const InodeRow& inode, uint32_t gid);

// Whether a ticket that is good for `below` alone is good for `path`: for what is there, and for
// adding, taking away or renaming it. Both are valid paths (namespace.h).
bool is_within(const std::string& path, const std::string& below);
bool is_strictly_within(const std::string& path, const std::string& below);

// Owner, group, mode and lists of an inode that `who` makes in `directory`: acl(5), "Object
// creation and default ACLs". Its type is set already.
void inherit(InodeRow& inode, const Requester& who, const InodeRow& directory, uint32_t mode);
// chmod(2) by somebody who may.
void change_mode(InodeRow& inode, const Requester& who, uint32_t mode);
// The owner or the group changes: what was meant for others with their rights ends.
void drop_set_id(InodeRow& inode, const Requester& who);
// Takes a valid list, or none; the mode follows.
void change_acl(InodeRow& inode, const Requester& who, std::vector<AclEntry> acl);
// In the order of acl(5), so that equal lists are equal bytes.
std::vector<AclEntry> in_order(std::vector<AclEntry> acl);

// "read", "write", "search", "write and search"; for people.
std::string name_of_rights(uint32_t rights);

}  // namespace dfs
