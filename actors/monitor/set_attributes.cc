#include <cstdio>

#include "actors/monitor/operations.h"

namespace dfs {

namespace {

Result<void> set_pool_of(VersionedRows& rows, const SetAttributes& request, InodeRow& inode) {
  if (!rows.requester().admin) {
    return not_allowed(rows.requester(), inode, "may not choose the pool of", "administrator",
                       request.path);
  }
  if (inode.type != FileType::directory) {
    return error_at(Code::not_directory, "only a directory says which pool new files go to",
                    request.path);
  }
  if (!request.pool.empty()) {
    auto pool = rows.get<PoolRow>(keys::pool(request.pool));
    if (!pool) return pool.error();
    if (!*pool) {
      return Error{
          Code::not_found,
          "there is no pool " + shown(request.pool) + "; dfsctl pool list tells which there are",
          {{"pool", request.pool}},
          0};
    }
  }
  inode.pool = request.pool;
  return {};
}

// Before the mode, as chmod and chown by one command would be done: a change of the owner ends what
// an earlier mode said.
Result<void> set_owners(const Requester& who, const SetAttributes& request, InodeRow& inode) {
  if (request.set_owner && request.uid != inode.uid && !who.admin) {
    return not_allowed(who, inode, "may not give away", "administrator", request.path);
  }
  if (request.set_group && !may_give_to_group(who, inode, request.gid)) {
    return not_allowed(
        who, inode,
        owns(who, inode) ? "is not in group " + std::to_string(request.gid) + ", so may not give it"
                         : "may not change the group of",
        "owner", request.path);
  }
  if (request.set_owner || request.set_group) drop_set_id(inode, who);
  if (request.set_group) inode.gid = request.gid;
  if (request.set_owner) inode.uid = request.uid;
  return {};
}

Result<void> set_mode_and_lists(const Requester& who, const SetAttributes& request, bool owner,
                                InodeRow& inode) {
  if (!request.set_mode && !request.set_acl && !request.set_default_acl) return {};
  if (!owner) return not_allowed(who, inode, "may not change the mode of", "owner", request.path);
  if (request.set_default_acl && inode.type != FileType::directory) {
    return error_at(Code::not_directory, "only a directory has a default access list",
                    request.path);
  }
  if (request.set_mode) change_mode(inode, who, request.mode);
  if (request.set_acl) change_acl(inode, who, request.acl);
  if (request.set_default_acl) inode.default_acl = in_order(request.default_acl);
  return {};
}

std::map<std::string, std::string> what_changed(const SetAttributes& request,
                                                const InodeRow& inode) {
  std::map<std::string, std::string> fields = {{"path", request.path}};
  if (request.set_pool) fields["pool"] = request.pool;
  if (request.set_owner) fields["uid"] = std::to_string(inode.uid);
  if (request.set_group) fields["gid"] = std::to_string(inode.gid);
  if (request.set_mode || request.set_acl) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", inode.mode & kModeBits);
    fields["mode"] = mode;
  }
  if (request.set_acl) fields["acl"] = std::to_string(inode.acl.size()) + " entries";
  if (request.set_default_acl) {
    fields["default_acl"] = std::to_string(inode.default_acl.size()) + " entries";
  }
  return fields;
}

}  // namespace

Result<SetAttributesReply> set_attributes(VersionedRows& rows, const SetAttributes& request) {
  const Requester& who = rows.requester();
  DFS_CHECK(check_changes(who, request.path));
  auto found = find(rows, request.path, who);
  if (!found) return found.error();
  InodeRow inode = found->inode;
  const bool owner = owns(who, inode);
  if (request.set_pool && request.pool != inode.pool) {
    DFS_CHECK(set_pool_of(rows, request, inode));
  }
  DFS_CHECK(set_owners(who, request, inode));
  DFS_CHECK(set_mode_and_lists(who, request, owner, inode));
  if (same(inode, found->inode)) return SetAttributesReply{rows.receipt()};
  rows.put(keys::inode(found->ino), inode);
  rows.note("attributes-set", what_changed(request, inode));
  return SetAttributesReply{rows.receipt()};
}

}  // namespace dfs
