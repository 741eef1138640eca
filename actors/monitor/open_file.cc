#include <set>

#include "actors/monitor/reads.h"

namespace dfs {

Result<OpenFileReply> open_file(Rows& rows, const ClusterView& cluster, const OpenFile& request,
                                const Requester& who) {
  DFS_CHECK(check_within(who, request.path));
  auto found = find(rows, request.path, who);
  if (!found) return found.error();
  if (found->inode.type == FileType::directory) {
    return error_at(Code::is_directory, "a directory has no content to read", request.path);
  }
  DFS_CHECK(check_rights(who, found->inode, kMayRead, request.path));
  OpenFileReply reply;
  reply.info = info_of(found->ino, found->inode);
  if (reply.info.object == 0) {
    reply.content = std::move(found->inode.content);
    return reply;
  }
  auto object = rows.require<ObjectRow>(keys::object(reply.info.object));
  if (!object) return object.error();
  reply.layout = Layout{reply.info.object, object->block_bytes, std::move(object->groups),
                        std::move(object->overrides)};
  reply.seal = std::move(object->seal);
  reply.seal.crc32c = object->crc32c;
  std::set<GroupId> groups(reply.layout.groups.begin(), reply.layout.groups.end());
  for (const Override& override : reply.layout.overrides) groups.insert(override.group);
  for (const GroupId group : groups) reply.routes.push_back(cluster.route(group));
  return reply;
}

}  // namespace dfs
