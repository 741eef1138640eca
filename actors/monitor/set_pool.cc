#include <algorithm>

#include "actors/monitor/operations.h"

namespace dfs {

namespace {

constexpr uint32_t kReplicasDefault = 2;
constexpr uint32_t kGroupsDefault = 64;

Error refused(const SetPool& request, Code code, const std::string& why) {
  return Error{code, "pool " + shown(request.name) + " " + why, {{"pool", request.name}}, 0};
}

Result<uint32_t> count_rows(VersionedRows& rows, char kind) {
  uint32_t count = 0;
  const std::string prefix(1, kind);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto) {
    ++count;
    return true;
  }));
  return count;
}

// What the pool is to be. Copies and groups are only ever added: to take some away would need proof
// for each block, and a layout names its groups for ever.
Result<PoolRow> wanted(const SetPool& request, const PoolRow& before) {
  PoolRow after = before;
  if (request.replicas != 0) after.replicas = request.replicas;
  if (request.groups != 0) after.groups = request.groups;
  if (request.min_copies != 0) {
    after.min_copies = request.min_copies;
  } else if (request.create) {
    after.min_copies = std::max<uint32_t>(1, after.replicas - 1);
  }
  if (after.min_copies > after.replicas) {
    return refused(request, Code::invalid, "cannot ask for more min_copies than replicas");
  }
  if (request.encrypted && before.key == 0) after.key = request.kept.id;
  if (request.create) return after;
  if (after.replicas < before.replicas) {
    return refused(request, Code::invalid,
                   "has " + std::to_string(before.replicas) +
                       " replicas, and they cannot be lowered; create another pool for new files");
  }
  if (after.groups < before.groups) {
    return refused(request, Code::invalid,
                   "has " + std::to_string(before.groups) + " groups, and they cannot be fewer");
  }
  return after;
}

// New groups are numbered after the last one of all pools and wait for nodes, like those of a new
// cluster. Old files stay where they are: their layouts name their groups.
Result<void> add_groups(VersionedRows& rows, const SetPool& request, PoolId pool, uint32_t count) {
  auto there = count_rows(rows, keys::kGroup);
  if (!there) return there.error();
  if (count > kBatchMax - std::min<size_t>(*there, kBatchMax)) {
    return refused(request, Code::invalid,
                   "would make it " + std::to_string(*there + count) +
                       " groups in the cluster; there can be at most " + std::to_string(kBatchMax));
  }
  for (GroupId group = *there; group < *there + count; ++group) {
    GroupRow row;
    row.pool = pool;
    rows.put(keys::group(group), std::move(row));
  }
  return {};
}

Result<PoolRow> pool_before(VersionedRows& rows, const SetPool& request) {
  auto there = rows.get<PoolRow>(keys::pool(request.name));
  if (!there) return there.error();
  if (!request.create) {
    if (*there) return **there;
    return refused(request, Code::not_found, "does not exist; dfsctl pool create makes one");
  }
  if (*there) return refused(request, Code::exists, "exists already");
  auto pools = count_rows(rows, keys::kPool);
  if (!pools) return pools.error();
  return PoolRow{kReplicasDefault, 1, kGroupsDefault, *pools};
}

}  // namespace

Result<SetPoolReply> set_pool(VersionedRows& rows, const SetPool& request) {
  if (const char* why = bad_name(request.name); why != nullptr) {
    return refused(request, Code::invalid, std::string("cannot be named so: ") + why);
  }
  auto before = pool_before(rows, request);
  if (!before) return before.error();
  auto after = wanted(request, *before);
  if (!after) return after.error();
  const uint32_t added = request.create ? after->groups : after->groups - before->groups;
  DFS_CHECK(add_groups(rows, request, after->id, added));
  const PoolId id = after->id;
  if (!request.create && same(*before, *after)) return SetPoolReply{id, rows.receipt()};
  if (after->key != before->key) add_pool_key(rows, request.kept, id);
  rows.note(request.create ? "pool-created" : "pool-changed",
            {{"pool", request.name},
             {"replicas", std::to_string(after->replicas)},
             {"min_copies", std::to_string(after->min_copies)},
             {"groups", std::to_string(after->groups)},
             {"encrypted", after->key != 0 ? "yes" : "no"}});
  rows.put(keys::pool(request.name), std::move(*after));
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  return SetPoolReply{id, rows.receipt()};
}

}  // namespace dfs
