#include "actors/monitor/operations.h"

namespace dfs {

Result<void> touch_directory(VersionedRows& rows, Ino ino, int64_t entries, int64_t links) {
  auto row = rows.require<InodeRow>(keys::inode(ino));
  if (!row) return row.error();
  row->entries += static_cast<uint64_t>(entries);
  row->links += static_cast<uint64_t>(links);
  row->modified_ms = rows.time_ms();
  rows.put(keys::inode(ino), std::move(*row));
  return {};
}

Result<void> count(VersionedRows& rows, int64_t files, int64_t directories) {
  auto row = rows.require<TreeRow>(keys::tree());
  if (!row) return row.error();
  row->files += static_cast<uint64_t>(files);
  row->directories += static_cast<uint64_t>(directories);
  rows.put(keys::tree(), *row);
  return {};
}

Result<Ino> next_ino(VersionedRows& rows) {
  auto row = rows.require<TreeRow>(keys::tree());
  if (!row) return row.error();
  const Ino ino = ++row->last_ino;
  rows.put(keys::tree(), *row);
  return ino;
}

Result<void> add_object(VersionedRows& rows, const Layout& layout, ObjectRow object) {
  auto found = rows.get<ContentRow>(keys::content());
  if (!found) return found.error();
  ContentRow content = found->value_or(ContentRow());
  content.live += 1;
  content.live_bytes += object.size;
  rows.put(keys::content(), content);
  object.block_bytes = layout.block_bytes;
  object.groups = layout.groups;
  object.overrides = layout.overrides;
  rows.put(keys::object(layout.object), std::move(object));
  return {};
}

Result<void> end_object(VersionedRows& rows, ObjectId id, std::optional<ObjectRow> object) {
  auto found = rows.get<ContentRow>(keys::content());
  if (!found) return found.error();
  ContentRow content = found->value_or(ContentRow());
  if (object) {
    content.live -= 1;
    content.live_bytes -= object->size;
  }
  ObjectRow row = object ? std::move(*object) : ObjectRow();
  row.state = ObjectState::dead;
  row.died_ms = rows.time_ms();
  content.dead += 1;
  content.dead_bytes += row.size;
  rows.put(keys::content(), content);
  rows.put(keys::dead(row.died_ms, id), MarkRow());
  rows.put(keys::object(id), std::move(row));
  return {};
}

Result<Epoch> grow_map_epoch(VersionedRows& rows) {
  auto row = rows.require<ClusterRow>(keys::cluster());
  if (!row) return row.error();
  const Epoch epoch = ++row->map_epoch;
  rows.put(keys::cluster(), std::move(*row));
  return epoch;
}

}  // namespace dfs
