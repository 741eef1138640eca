#include <algorithm>

#include "actors/monitor/operations.h"

namespace dfs {

namespace {

const char* name_of(Standing standing) {
  switch (standing) {
    case Standing::learner:
      return "learner";
    case Standing::voter:
      return "voter";
    case Standing::joining:
      return "joining";
    case Standing::leaving:
      return "leaving";
  }
  return "unknown";
}

// Those that were heads before and are no longer.
void note_removed(VersionedRows& rows, const HeadsRow& before, const HeadsRow& now) {
  for (size_t i = 0; i < before.uuids.size() && i < before.heads.size(); ++i) {
    const std::string& uuid = before.uuids[i];
    if (uuid.empty() || std::count(now.uuids.begin(), now.uuids.end(), uuid) != 0) continue;
    rows.put(keys::removed_head(uuid), RemovedHeadRow{before.heads[i].id});
  }
}

}  // namespace

// The heads are in the cluster map too, so that everyone learns of their brokers.
Result<Done> change_members(VersionedRows& rows, const ChangeMembers& request) {
  HeadsRow heads;
  std::map<std::string, std::string> standings;
  for (const Member& member : request.members) {
    heads.heads.push_back({member.id, member.broker});
    heads.uuids.push_back(member.uuid);
    heads.voters += member.standing == Standing::learner ? 0 : 1;
    standings["monitor/" + std::to_string(member.id)] = name_of(member.standing);
  }
  rows.note("heads-changed", std::move(standings));
  auto before = rows.get<HeadsRow>(keys::heads());
  if (!before) return before.error();
  if (*before && same(**before, heads)) return Done{};
  if (*before) note_removed(rows, **before, heads);
  rows.put(keys::heads(), std::move(heads));
  // The founder is a head before there is a cluster.
  auto cluster = rows.get<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  if (!*cluster) return Done{};
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  return Done{};
}

Result<Done> become_leader(VersionedRows& rows, const BecomeLeader& request) {
  rows.note("leader",
            {{"head", std::to_string(request.leader)}, {"term", std::to_string(rows.term())}});
  return Done{};
}

}  // namespace dfs
