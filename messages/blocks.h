// The conversations "upload" and "download": the storage node's part. A block moves as parts of at
// most kPartBytes, in order, each with its checksum; the bytes are the envelope's payload.
//
//   client → first node of the chain:  WriteBlock (part 0) … WriteBlock (last)
//   node → next node:                  the same parts, with one element less in `chain`
//   node → sender:                     WriteBlockReply per part | Error
//   client → any replica:              ReadBlock → ReadBlockReply + payload | Error
//   client → first node of the chain:  AbortBlock → AbortBlockReply  (gives an unfinished block up)
//   anyone → storage/N:                ListBlocks → ListBlocksReply
//                                      ReadHints → HintList (rebuild.h)
//
// Where the cluster demands it, whoever writes or reads shows a grant (grant.h) for the object;
// else `denied`, cause `reason`. A chain hands it on.
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/seal.h"

namespace dfs {

struct ChainNode {
  NodeId node = 0;
  std::string endpoint;
  DFS_FIELDS(node, endpoint)
};

// What a file's first block tells of the file besides its path, so that a namespace can be rebuilt
// from blocks alone: as its writer knew it when it began.
struct FileHint {
  uint64_t size = UINT64_MAX;  // of all that is stored; UINT64_MAX: not known yet (a stream)
  uint64_t block_bytes = 0;    // 0: not known
  uint32_t mode = 0;
  int64_t written_ms = 0;  // the writer's wall clock
  Seal seal = {};          // of an encrypted object; its crc32c is not known yet
  Blob sealed_path = {};   // its path, encrypted (key_wrap.h); there is no path_hint then
  bool operator==(const FileHint&) const = default;
  DFS_FIELDS(size, block_bytes, mode, written_ms, seal, sealed_path)
};

// The reply to the last part means: the whole block is on stable storage, checksums verified, on
// each of `nodes`. The reply to an earlier part means only that this node and every later one of
// the chain took it; it opens the sender's window.
struct WriteBlockReply {
  ObjectId object = 0;
  uint32_t index = 0;
  uint64_t offset = 0;
  bool durable = false;
  uint32_t crc32c = 0;        // of the whole block, when durable
  uint64_t length = 0;        // of the whole block, when durable
  std::vector<NodeId> nodes;  // who has it, when durable
  DFS_MESSAGE(WriteBlockReply, object, index, offset, durable, crc32c, length, nodes)
};

// Errors: `stale_map` (the node knows a newer epoch of the group), `no_space`, `io_error`,
// `corrupt` (payload does not match crc32c), `unavailable` (the next node does not answer; cause
// `node` names it), `invalid` (parts out of order: the block starts again from part 0).
// Writing a block that the node already has in full, with equal checksum, succeeds at once.
struct WriteBlock {
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  Epoch epoch = 0;
  uint64_t upload = 0;    // random per attempt: parts of two attempts are never mixed
  uint64_t capacity = 0;  // the block is at most this long; same in every part
  uint64_t offset = 0;    // of this part in the block, a multiple of kPartBytes
  bool last = false;
  uint32_t crc32c = 0;           // of the payload
  std::vector<ChainNode> chain;  // where to forward, nearest first
  std::string path_hint;         // with block 0: the file's path, for rebuilding a namespace
  FileHint file_hint = {};       // likewise, what else is known of it
  Blob grant = {};               // to write
  using Reply = WriteBlockReply;
  const char* invalid() const {
    if (object == 0) return "object is 0";
    if (capacity == 0 || capacity > kBlockBytesMax) return "capacity is not in 1 byte … 128 MiB";
    if (offset % kPartBytes != 0 || offset >= capacity) return "offset is not that of a part";
    if (chain.size() >= kReplicasMax) return "the chain is too long";
    if (path_hint.size() > kPathBytesMax) return "path_hint is over 4096 bytes";
    if (file_hint.sealed_path.bytes.size() > kWrappedBytesMax) return "sealed_path is too long";
    if (!path_hint.empty() && !file_hint.sealed_path.bytes.empty()) return "two paths";
    if (const char* why = file_hint.seal.invalid()) return why;
    return nullptr;
  }
  DFS_MESSAGE(WriteBlock, object, index, group, epoch, upload, capacity, offset, last, crc32c,
              chain, path_hint, file_hint, grant)
};

struct ReadBlockReply {
  uint32_t crc32c = 0;        // of the payload
  uint64_t block_length = 0;  // of the whole block
  DFS_MESSAGE(ReadBlockReply, crc32c, block_length)
};

// Reads [offset, offset + length) of a block; shorter when the block ends before. The node verifies
// what it read against the stored checksums first: `corrupt` rather than wrong bytes.
struct ReadBlock {
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  uint64_t offset = 0;
  uint32_t length = 0;
  bool background = false;  // for repair: served after everything that somebody waits for
  Blob grant = {};          // to read
  using Reply = ReadBlockReply;
  const char* invalid() const {
    if (object == 0) return "object is 0";
    if (length == 0 || length > kPartBytes) return "length is not in 1 byte … 1 MiB";
    if (offset > kBlockBytesMax) return "offset is past the largest block";
    return nullptr;
  }
  DFS_MESSAGE(ReadBlock, object, index, group, offset, length, background, grant)
};

struct AbortBlockReply {
  DFS_MESSAGE(AbortBlockReply)
};
// Forgets an unfinished block of one upload attempt and frees its space. Finished blocks stay.
struct AbortBlock {
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  uint64_t upload = 0;
  Blob grant = {};  // to write
  using Reply = AbortBlockReply;
  DFS_MESSAGE(AbortBlock, object, index, group, upload, grant)
};

struct BlockView {
  GroupId group = 0;
  ObjectId object = 0;
  uint32_t index = 0;
  uint64_t length = 0;
  uint32_t crc32c = 0;
  bool bad = false;         // found damaged or unreadable; to be replaced
  int64_t created_ms = 0;   // wall clock of the node when it was written here; 0: unknown
  int64_t verified_ms = 0;  // when all its bytes were last seen to be right
  DFS_FIELDS(group, object, index, length, crc32c, bad, created_ms, verified_ms)
};
struct ListBlocksReply {
  std::vector<BlockView> blocks;  // by (group, object, index)
  bool more = false;
  DFS_MESSAGE(ListBlocksReply, blocks, more)
};
inline constexpr GroupId kAllGroups = UINT32_MAX;

// The finished blocks of one object (or of all, object = 0), of one group (or of all), on this
// node, after a given place.
struct ListBlocks {
  ObjectId object = 0;
  GroupId group = kAllGroups;
  ObjectId after_object = 0;  // start behind this block; ignored when after_index is UINT32_MAX
  uint32_t after_index = UINT32_MAX;
  GroupId after_group = 0;
  uint32_t limit = kListEntriesMax;
  using Reply = ListBlocksReply;
  const char* invalid() const {
    return limit == 0 || limit > kListEntriesMax ? "limit is not between 1 and 1000" : nullptr;
  }
  DFS_MESSAGE(ListBlocks, object, group, after_object, after_index, after_group, limit)
};

}  // namespace dfs
