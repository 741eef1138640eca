#include "actors/monitor/operations.h"

namespace dfs {

Result<SetAttributesReply> set_attributes(VersionedRows& rows, const SetAttributes& request) {
  auto found = find(rows, request.path);
  if (!found) return found.error();
  if (!request.set_pool || found->inode.pool == request.pool) {
    return SetAttributesReply{rows.receipt()};
  }
  if (found->inode.type != FileType::directory) {
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
  found->inode.pool = request.pool;
  rows.put(keys::inode(found->ino), std::move(found->inode));
  rows.note("attributes-set", {{"path", request.path}, {"pool", request.pool}});
  return SetAttributesReply{rows.receipt()};
}

}  // namespace dfs
