#include "actors/monitor/rights.h"

#include <algorithm>
#include <tuple>

namespace dfs {

namespace {

const AclEntry* find_entry(const std::vector<AclEntry>& acl, AclTag tag, uint32_t id = 0) {
  for (const AclEntry& entry : acl) {
    if (entry.tag == tag && entry.id == id) return &entry;
  }
  return nullptr;
}

AclEntry* find_entry(std::vector<AclEntry>& acl, AclTag tag) {
  return const_cast<AclEntry*>(find_entry(std::as_const(acl), tag));
}

uint32_t bits_of(uint32_t mode, AclTag tag) {
  return tag == AclTag::owner ? mode >> 6 & 7 : tag == AclTag::others ? mode & 7 : mode >> 3 & 7;
}

// The entry whose rights are the group bits of the mode.
AclTag class_of_group(const std::vector<AclEntry>& acl) {
  return find_entry(acl, AclTag::mask) != nullptr ? AclTag::mask : AclTag::owning_group;
}

bool includes_all(uint32_t have, uint32_t want) {
  return (have & want) == want;
}

bool may_as_group(const Requester& who, const InodeRow& inode, uint32_t rights, bool& matched) {
  bool granted = false;
  for (const AclEntry& entry : inode.acl) {
    const bool applies = (entry.tag == AclTag::owning_group && is_in_group(who, inode.gid)) ||
                         (entry.tag == AclTag::group && is_in_group(who, entry.id));
    if (!applies) continue;
    matched = true;
    granted = granted || includes_all(entry.rights, rights);
  }
  return granted;
}

// Only the lists that are more than a mode are kept.
bool says_more_than_mode(const std::vector<AclEntry>& acl) {
  return find_entry(acl, AclTag::mask) != nullptr;
}

uint32_t mode_of(const std::vector<AclEntry>& acl) {
  const auto bits = [&](AclTag tag) { return find_entry(acl, tag)->rights; };
  return bits(AclTag::owner) << 6 | bits(class_of_group(acl)) << 3 | bits(AclTag::others);
}

// The bits of the mode become those of the list, or limit what the list has.
void impose(std::vector<AclEntry>& acl, uint32_t mode, bool limits) {
  for (const AclTag tag : {AclTag::owner, class_of_group(acl), AclTag::others}) {
    AclEntry* const entry = find_entry(acl, tag);
    entry->rights = limits ? entry->rights & bits_of(mode, tag) : bits_of(mode, tag);
  }
}

}  // namespace

bool is_in_group(const Requester& who, uint32_t gid) {
  return who.gid == gid || std::find(who.groups.begin(), who.groups.end(), gid) != who.groups.end();
}

bool may(const Requester& who, const InodeRow& inode, uint32_t rights) {
  if (who.admin) return true;
  if (who.uid == inode.uid) return includes_all(bits_of(inode.mode, AclTag::owner), rights);
  if (inode.acl.empty()) {
    const bool of_group = is_in_group(who, inode.gid);
    return includes_all(bits_of(inode.mode, of_group ? AclTag::owning_group : AclTag::others),
                        rights);
  }
  const AclEntry* const mask = find_entry(inode.acl, AclTag::mask);
  const uint32_t at_most = mask == nullptr ? 7 : mask->rights;
  if (const AclEntry* const named = find_entry(inode.acl, AclTag::user, who.uid)) {
    return includes_all(named->rights & at_most, rights);
  }
  bool matched = false;
  const bool granted = may_as_group(who, inode, rights, matched);
  if (matched) return granted && includes_all(at_most, rights);
  return includes_all(bits_of(inode.mode, AclTag::others), rights);
}

bool may_take_out(const Requester& who, const InodeRow& directory, const InodeRow& inode) {
  if ((directory.mode & kSticky) == 0) return true;
  return owns(who, inode) || owns(who, directory);
}

bool may_give_to_group(const Requester& who, const InodeRow& inode, uint32_t gid) {
  return who.admin || (who.uid == inode.uid && (gid == inode.gid || is_in_group(who, gid)));
}

bool is_within(const std::string& path, const std::string& below) {
  return path == below || is_strictly_within(path, below);
}

// No path has "." or ".." in it, nor are there links, so its text is its way.
bool is_strictly_within(const std::string& path, const std::string& below) {
  if (below.empty()) return true;
  if (below == "/") return path != "/";
  return path.size() > below.size() && path[below.size()] == '/' && path.starts_with(below);
}

void inherit(InodeRow& inode, const Requester& who, const InodeRow& directory, uint32_t mode) {
  mode &= kModeBits;
  inode.uid = who.uid;
  inode.gid = who.gid;
  if ((directory.mode & kSetGid) != 0) {
    inode.gid = directory.gid;
    if (inode.type == FileType::directory) mode |= kSetGid;
  }
  inode.mode = mode;
  if (directory.default_acl.empty()) return;
  std::vector<AclEntry> acl = directory.default_acl;
  impose(acl, mode, true);
  inode.mode = (mode & ~0777u) | mode_of(acl);
  if (says_more_than_mode(acl)) inode.acl = std::move(acl);
  if (inode.type == FileType::directory) inode.default_acl = directory.default_acl;
}

void change_mode(InodeRow& inode, const Requester& who, uint32_t mode) {
  mode &= kModeBits;
  // Nobody lends out the rights of a group that they are not in.
  if (!who.admin && !is_in_group(who, inode.gid)) mode &= ~kSetGid;
  inode.mode = mode;
  if (!inode.acl.empty()) impose(inode.acl, mode, false);
}

void drop_set_id(InodeRow& inode, const Requester& who) {
  if (who.admin || inode.type == FileType::directory) return;
  inode.mode &= ~(kSetUid | kSetGid);
}

void change_acl(InodeRow& inode, const Requester& who, std::vector<AclEntry> acl) {
  if (acl.empty()) {
    // The group keeps what it had, which was at most what the mask allowed.
    if (const AclEntry* const group = find_entry(inode.acl, AclTag::owning_group)) {
      const uint32_t kept = group->rights & bits_of(inode.mode, AclTag::owning_group);
      inode.mode = (inode.mode & ~070u) | kept << 3;
    }
    inode.acl.clear();
    return;
  }
  inode.mode = (inode.mode & ~0777u) | mode_of(acl);
  if (!who.admin && !is_in_group(who, inode.gid)) inode.mode &= ~kSetGid;
  inode.acl.clear();
  if (says_more_than_mode(acl)) inode.acl = in_order(std::move(acl));
}

std::vector<AclEntry> in_order(std::vector<AclEntry> acl) {
  std::sort(acl.begin(), acl.end(), [](const AclEntry& a, const AclEntry& b) {
    return std::tie(a.tag, a.id) < std::tie(b.tag, b.id);
  });
  return acl;
}

std::string name_of_rights(uint32_t rights) {
  std::string text;
  const auto add = [&](uint32_t right, const char* name) {
    if ((rights & right) == 0) return;
    if (!text.empty()) text += " and ";
    text += name;
  };
  add(kMayRead, "read");
  add(kMayWrite, "write");
  add(kMaySearch, "search");
  return text;
}

}  // namespace dfs
