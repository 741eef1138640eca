#include <algorithm>
#include <map>
#include <set>

#include "actors/monitor/file_target.h"
#include "actors/monitor/guard.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

Error invalid_layout(const CommitFile& request, const std::string& why) {
  return Error{Code::invalid,
               "the layout of " + shown(request.path) + " makes no sense: " + why,
               {{"path", request.path}},
               0};
}

uint64_t stored_bytes(const CommitFile& request) {
  return request.seal.cipher == Cipher::none ? request.size : sealed_bytes(request.size);
}

// The groups that hold at least one block of the file.
Result<std::set<GroupId>> groups_written(const CommitFile& request) {
  const Layout& layout = request.layout;
  const uint64_t blocks = (stored_bytes(request) + layout.block_bytes - 1) / layout.block_bytes;
  const size_t width = layout.groups.size();
  std::vector<uint64_t> overridden(width);
  std::set<GroupId> groups;
  for (size_t i = 0; i < layout.overrides.size(); ++i) {
    const Override& override = layout.overrides[i];
    if (override.index >= blocks) return invalid_layout(request, "an override is past the end");
    if (i > 0 && layout.overrides[i - 1].index == override.index) {
      return invalid_layout(request, "a block is overridden twice");
    }
    ++overridden[override.index % width];
    groups.insert(override.group);
  }
  for (size_t i = 0; i < width && i < blocks; ++i) {
    const uint64_t own_blocks = (blocks - i + width - 1) / width;
    if (overridden[i] < own_blocks) groups.insert(layout.groups[i]);
  }
  return groups;
}

Error stale(const CommitFile& request, GroupId id, const GroupRow& group, const std::string& why) {
  return Error{Code::stale_map,
               "group " + std::to_string(id) + " changed while " + shown(request.path) +
                   " was written: " + why + "; its blocks must be written again",
               {{"path", request.path},
                {"group", std::to_string(id)},
                {"epoch", std::to_string(group.epoch)}},
               0};
}

bool is_bare(const CommitFile& request) {
  return request.seal.cipher == Cipher::none && !request.content_wrapped && request.size != 0;
}

Error must_be_sealed(const CommitFile& request) {
  return Error{Code::conflict,
               shown(request.path) +
                   " is not encrypted, and goes where files are: its pool was changed meanwhile; "
                   "put it again",
               {{"path", request.path}},
               0};
}

// Content that comes bare stays out of encrypted pools: that of the path, and those of its blocks
// (check_and_use_groups). The plan may be of a time when the pool was another one.
Result<void> check_pool(VersionedRows& rows, const CommitFile& request) {
  if (!is_bare(request)) return {};
  const auto encrypted = goes_to_encrypted_pool(rows, request.path);
  if (!encrypted) return encrypted.error();
  if (*encrypted) return must_be_sealed(request);
  return {};
}

// Accepts the blocks of one group when enough of the nodes that acknowledged them still count.
// Those that are leaving do: they stay until the members have all that they have.
Result<void> check_group(const CommitFile& request, const GroupWrites& writes,
                         const GroupRow& group, const PoolRow& pool) {
  if (writes.epoch < group.fenced || writes.epoch > group.epoch) {
    return stale(request, writes.group, group,
                 "it is at epoch " + std::to_string(group.epoch) + ", the blocks were written at " +
                     std::to_string(writes.epoch));
  }
  const std::vector<NodeId> all = holders(group);
  const auto copies = std::count_if(all.begin(), all.end(),
                                    [&](NodeId node) { return includes(writes.nodes, node); });
  const uint32_t needed = std::max(pool.min_copies, request.copies);
  if (static_cast<uint64_t>(copies) < needed) {
    return stale(request, writes.group, group,
                 std::to_string(copies) + " of its members have the blocks, " +
                     (request.copies > pool.min_copies ? "the writer wants " : "the pool needs ") +
                     std::to_string(needed));
  }
  return {};
}

// Holders that did not acknowledge the blocks lack them from now on. True when one of them was
// complete before: everybody is to hear of that.
bool mark_lacking(VersionedRows& rows, const GroupWrites& writes, GroupRow& group) {
  bool news = false;
  for (const NodeId node : holders(group)) {
    if (includes(writes.nodes, node)) continue;
    news = become_lacking(group, node, rows.index()) || news;
  }
  return news;
}

Result<void> check_and_use_groups(VersionedRows& rows, const CommitFile& request) {
  auto groups = groups_written(request);
  if (!groups) return groups.error();
  std::map<GroupId, const GroupWrites*> writes;
  // What else it says of groups without blocks, and of nodes that are no holders, changes nothing.
  for (const GroupWrites& write : request.writes) {
    if (writes.emplace(write.group, &write).second) continue;
    return invalid_layout(request,
                          "it tells twice who wrote to group " + std::to_string(write.group));
  }
  bool news = false;
  std::optional<PoolRow> pool;  // of the group before; a layout seldom has several
  for (const GroupId id : *groups) {
    auto row = rows.get<GroupRow>(keys::group(id));
    if (!row) return row.error();
    const std::string name = "group " + std::to_string(id);
    if (!*row) return invalid_layout(request, name + " does not exist");
    GroupRow& group = **row;
    const auto write = writes.find(id);
    if (write == writes.end()) return invalid_layout(request, "nobody wrote to " + name);
    if (!pool || pool->id != group.pool) {
      auto its = pool_of(rows, group.pool);
      if (!its) return its.error();
      pool = std::move(*its);
    }
    if (pool->key != 0 && is_bare(request)) return must_be_sealed(request);
    DFS_CHECK(check_group(request, *write->second, group, *pool));
    news = mark_lacking(rows, *write->second, group) || news;
    group.used = true;
    rows.put(keys::group(id), std::move(group));
  }
  for (const GroupId id : request.layout.groups) {
    if (groups->contains(id)) continue;
    auto group = rows.get<GroupRow>(keys::group(id));
    if (!group) return group.error();
    if (!*group) return invalid_layout(request, "it names a group that does not exist");
  }
  if (!news) return {};
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  return {};
}

// An object becomes content once, if ever, and only while it lives.
Result<void> check_object(VersionedRows& rows, const CommitFile& request) {
  const ObjectId id = request.layout.object;
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  if (id >= cluster->next_object) {
    return invalid_layout(request, "object " + std::to_string(id) + " was never handed out");
  }
  auto object = rows.get<ObjectRow>(keys::object(id));
  if (!object) return object.error();
  auto content = rows.get<ContentRow>(keys::content());
  if (!content) return content.error();
  const ContentRow counts = content->value_or(ContentRow());
  const bool settled = id < std::max(counts.settled, counts.unknown_below);
  if (!*object && !settled) return {};
  if (!*object || (*object)->state == ObjectState::dead) {
    return Error{Code::expired,
                 "the upload of " + shown(request.path) +
                     " took too long and its blocks were given up; upload it again",
                 {{"path", request.path}, {"object", std::to_string(id)}},
                 0};
  }
  return invalid_layout(request,
                        "object " + std::to_string(id) + " is the content of a file already");
}

Result<void> put_object(VersionedRows& rows, const CommitFile& request, Ino ino) {
  ObjectRow object;
  object.ino = ino;
  object.size = stored_bytes(request);
  object.crc32c = request.crc32c;
  if (request.seal.cipher != Cipher::none) {
    object.crc32c = request.seal.crc32c;
    object.seal = {request.seal.cipher, request.seal.key, 0};
  }
  object.created_ms = rows.time_ms();
  return add_object(rows, request.layout, std::move(object));
}

FileContent content_of(const CommitFile& request) {
  FileContent content;
  content.size = request.size;
  content.crc32c = request.crc32c;
  content.encrypted = request.content_wrapped || request.seal.cipher != Cipher::none;
  content.bytes = request.content;
  if (request.layout.object == 0) return content;
  content.block_bytes = request.layout.block_bytes;
  content.slices.push_back({0, request.size, request.layout.object, 0});
  return content;
}

}  // namespace

Result<CommitFileReply> commit_file(VersionedRows& rows, const CommitFile& request) {
  auto target = find_target(rows, request.path, request.fence, request.expected_version);
  if (!target) return target.error();
  DFS_CHECK(check_pool(rows, request));
  if (request.layout.object != 0) {
    DFS_CHECK(check_object(rows, request));
    DFS_CHECK(check_and_use_groups(rows, request));
  }
  const bool created = target->is_new();
  auto made =
      set_content(rows, std::move(*target), content_of(request), request.mode, request.fence);
  if (!made) return made.error();
  if (request.layout.object != 0) DFS_CHECK(put_object(rows, request, made->ino));
  rows.note("file-committed", {{"path", request.path},
                               {"ino", std::to_string(made->ino)},
                               {"size", std::to_string(request.size)},
                               {"version", std::to_string(made->version)}});
  return CommitFileReply{made->ino, made->version, created, rows.receipt()};
}

}  // namespace dfs
