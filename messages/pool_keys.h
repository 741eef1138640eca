// The conversation "pool keys": the keys of encrypted pools (seal.h), for administrators.
//
//   anyone → monitor:  RotatePoolKey → RotatePoolKeyReply
//                      ExportPoolKeys → PoolKeyList
//                      ImportPoolKeys → ImportPoolKeysReply
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"
#include "messages/seal.h"

namespace dfs {

struct RotatePoolKeyReply {
  KeyId key = 0;
  Receipt receipt;
  DFS_MESSAGE(RotatePoolKeyReply, key, receipt)
};
// Gives an encrypted pool a new key, for all files written from now on. Those written before keep
// theirs wrapped with a former key, which is kept. `invalid` when the pool is not encrypted.
struct RotatePoolKey {
  std::string pool;
  KeptKey kept = {};  // the new key; filled in by the head, and refused from anybody else
  using Reply = RotatePoolKeyReply;
  const char* invalid() const {
    return pool.empty() || pool.size() > kNameBytesMax ? "the pool's name is empty or long"
                                                       : nullptr;
  }
  DFS_MESSAGE(RotatePoolKey, pool, kept)
};

// A pool's key, bare.
struct PoolKeyView {
  KeyId id = 0;
  std::string pool;
  Blob key;
  bool current = false;
  int64_t created_ms = 0;
  DFS_FIELDS(id, pool, key, current, created_ms)
};
struct PoolKeyList {
  std::vector<PoolKeyView> keys;
  std::string cluster;
  DFS_MESSAGE(PoolKeyList, keys, cluster)
};
// All keys that the pool has, or had. Whoever has them can read every file of the pool from the
// disks of storage nodes alone. `not_found` for an unknown pool, `invalid` for one that is not
// encrypted.
struct ExportPoolKeys {
  std::string pool;  // empty: of all pools
  using Reply = PoolKeyList;
  const char* invalid() const {
    return pool.size() > kNameBytesMax ? "the pool's name is long" : nullptr;
  }
  DFS_MESSAGE(ExportPoolKeys, pool)
};

struct ImportPoolKeysReply {
  uint32_t imported = 0;  // the others were there
  Receipt receipt;
  DFS_MESSAGE(ImportPoolKeysReply, imported, receipt)
};
// Has the heads know exported keys again, and wraps anew those they have; `conflict`: another key.
struct ImportPoolKeys {
  std::vector<PoolKeyView> keys;
  std::vector<KeptKey> kept = {};  // as for RotatePoolKey
  using Reply = ImportPoolKeysReply;
  const char* invalid() const {
    for (const PoolKeyView& key : keys) {
      if (key.id == 0 || key.key.bytes.size() != kKeyBytes) return "one of the keys is no key";
    }
    return keys.size() > kBatchMax ? "more than 4096 keys" : nullptr;
  }
  DFS_MESSAGE(ImportPoolKeys, keys, kept)
};

}  // namespace dfs
