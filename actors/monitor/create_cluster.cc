#include "actors/monitor/operations.h"

namespace dfs {

Result<Done> create_cluster(VersionedRows& rows, const CreateCluster& request) {
  auto there = rows.get<ClusterRow>(keys::cluster());
  if (!there) return there.error();
  if (*there) return Error{Code::exists, "the cluster exists already", {}, 0};

  ClusterRow cluster;
  cluster.cluster = request.cluster;
  cluster.created_ms = rows.time_ms();
  cluster.map_epoch = 1;
  cluster.next_object = kShard << kShardShift | 1;
  cluster.join_rule = request.join_rule;
  cluster.authentication = request.authentication;
  cluster.grant_key = request.grant_key;
  rows.put(keys::cluster(), std::move(cluster));
  rows.put(keys::pool(kDefaultPool), PoolRow{request.replicas, request.min_copies, request.groups});
  for (GroupId group = 0; group < request.groups; ++group) {
    rows.put(keys::group(group), GroupRow{});
  }
  if (request.rebuild) {
    rows.put(keys::rebuild(), RebuildRow{true, 0, 0, 0});
    ContentRow content;
    content.unknown_below = UINT64_MAX;
    rows.put(keys::content(), content);
  }
  InodeRow root;
  root.type = FileType::directory;
  root.mode = 0755;
  root.links = 2;
  root.parent = kRootIno;
  root.created_ms = rows.time_ms();
  root.modified_ms = rows.time_ms();
  rows.put(keys::inode(kRootIno), std::move(root));
  rows.put(keys::tree(), TreeRow{kShard << kShardShift | kRootIno, 0, 1});
  return Done{};
}

}  // namespace dfs
