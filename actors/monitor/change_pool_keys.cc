// The keys of encrypted pools in the log.
#include "actors/monitor/operations.h"

namespace dfs {

void add_pool_key(VersionedRows& rows, const KeptKey& kept, PoolId pool) {
  PoolKeyRow row;
  row.pool = pool;
  row.key = kept.key;
  row.wrapped = kept.wrapped;
  row.created_ms = rows.time_ms();
  rows.put(keys::pool_key(kept.id), std::move(row));
}

Result<RotatePoolKeyReply> rotate_pool_key(VersionedRows& rows, const RotatePoolKey& request) {
  auto pool = rows.get<PoolRow>(keys::pool(request.pool));
  if (!pool) return pool.error();
  const std::string name = "pool " + shown(request.pool);
  if (!*pool) return Error{Code::not_found, name + " does not exist", {}, 0};
  if ((*pool)->key == 0) {
    return Error{
        Code::invalid, name + " is not encrypted; dfsctl pool set --encrypted makes it so", {}, 0};
  }
  add_pool_key(rows, request.kept, (*pool)->id);
  (*pool)->key = request.kept.id;
  rows.put(keys::pool(request.pool), std::move(**pool));
  rows.note("pool-key-rotated", {{"pool", request.pool}});
  return RotatePoolKeyReply{request.kept.id, rows.receipt()};
}

Result<Done> note_key_export(VersionedRows& rows, const ExportPoolKeys& request) {
  rows.note("pool-key-exported", {{"pool", request.pool}});
  return Done{};
}

Result<ImportPoolKeysReply> import_pool_keys(VersionedRows& rows, const ImportPoolKeys& request) {
  ImportPoolKeysReply reply;
  for (const KeptKey& kept : request.kept) {
    auto there = rows.get<PoolKeyRow>(keys::pool_key(kept.id));
    if (!there) return there.error();
    if (*there) {
      // The same key; perhaps wrapped with another one, as when sealing.key was lost.
      PoolKeyRow row = std::move(**there);
      row.key = kept.key;
      row.wrapped = kept.wrapped;
      rows.put(keys::pool_key(kept.id), std::move(row));
      continue;
    }
    add_pool_key(rows, kept, 0);
    ++reply.imported;
  }
  if (reply.imported > 0) {
    rows.note("pool-key-imported", {{"keys", std::to_string(reply.imported)}});
  }
  reply.receipt = rows.receipt();
  return reply;
}

}  // namespace dfs
