// The conversations "namespace", "upload" and "download": the monitor's part.
//
//   Stat, List, MakeDir, Rename, Remove, SetAttributes, CopyFile, GetHistory: one request, one
//   reply or Error. put:  PlanFile → PlanFileReply, blocks to storage (blocks.h), CommitFile →
//   CommitFileReply.
//         A file of at most kInlineBytesMax bytes travels inside CommitFile, without PlanFile.
//         PlanFile with `object` set asks for other groups for the same object, after a failure.
//   get:  OpenFile → OpenFileReply, blocks from storage.
//
// Stat, List and OpenFile are linearizable: the answer holds all that was acknowledged before they
// were asked. With `stale` set they may be asked of any head (service "monitor-replica"), which
// answers from what it knows at once and says in `freshness` how old that may be.
//
// Each of the three, and what CopyFile copies, may be `at` a moment of the past: names, content and
// rights are those of then. `expired` when what was then is no longer all kept (cause
// "kept_since_ms" and "kept_since", a log entry), `invalid` when it is still to come.
//
// A path is absolute, '/'-separated, at most 4096 bytes; a name is 1 to 255 bytes without '/' and
// NUL, and neither "." nor "..". A request that changes something may be repeated with the same
// `from` and `request` of its header: it is applied once and answered the same.
//
// Who may do what is as in POSIX: the bits of owner, group and others, the sticky bit, access
// control lists. `denied` names what was missing: cause `at` the path, `right` ("read", "write",
// "search", "owner", …), `owner` whose it is.
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/seal.h"

namespace dfs {

enum class FileType : uint8_t { file = 1, directory = 2 };

// Says why `path` is not acceptable, or returns nullptr. "/" is the root; no trailing slash.
const char* bad_path(const std::string& path);
// Says why `name` cannot be a directory entry, or returns nullptr.
const char* bad_name(const std::string& name);

// What an acknowledgement promises.
struct Receipt {
  LogIndex index = 0;  // of the log entry that holds the change
  uint64_t term = 0;
  bool synced = false;    // the entry was on stable storage before this reply left
  uint32_t replicas = 0;  // heads that vote; a majority of them had it before this reply left
  DFS_FIELDS(index, term, synced, replicas)
};

// Which state of the cluster an answer tells.
struct Freshness {
  bool stale = false;     // changes acknowledged in the last stale_ms may be missing
  uint32_t stale_ms = 0;  // by the wall clock, when the head heard no leader since it started
  LogIndex applied = 0;   // the answer is the state after this entry of the log
  DFS_FIELDS(stale, stale_ms, applied)
};

// A state of the namespace: that after a log entry or, when that is 0, the last one of a time by
// the log's clock. Neither: that of now.
struct Moment {
  LogIndex index = 0;
  int64_t time_ms = 0;
  bool is_now() const { return index == 0 && time_ms == 0; }
  bool operator==(const Moment&) const = default;
  DFS_FIELDS(index, time_ms)
};

// An entry of an access control list as in acl(5).
enum class AclTag : uint8_t {
  owner = 1,
  user = 2,  // a certain one
  owning_group = 3,
  group = 4,  // a certain one
  mask = 5,   // what certain users and all groups have at most
  others = 6,
};
inline constexpr size_t kAclEntriesMax = 64;
struct AclEntry {
  AclTag tag = AclTag::others;
  uint32_t id = 0;      // of a certain user or group, else 0
  uint32_t rights = 0;  // read 4, write 2, search or execute 1
  bool operator==(const AclEntry&) const = default;
  DFS_FIELDS(tag, id, rights)
};
// Says why `acl` is not a valid list (acl(5)), or returns nullptr. An empty list is valid: there is
// none.
const char* bad_acl(const std::vector<AclEntry>& acl);

struct InodeInfo {
  Ino ino = 0;
  FileType type = FileType::file;
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  uint64_t links = 1;  // a directory: 2 + its subdirectories
  int64_t created_ms = 0;
  int64_t modified_ms = 0;  // wall clock of the leader, as logged
  uint64_t version = 0;     // of the content, from 1; grows with each put
  uint32_t crc32c = 0;      // of the whole content
  ObjectId object = 0;      // 0: directory, or content inline
  uint64_t block_bytes = 0;
  std::string pool = {};     // of a directory that says where new files below it go; else empty
  bool has_acl = false;      // an access or a default one; StatReply tells them
  bool encrypted = false;    // of a file: its content is (seal.h)
  bool crc32c_known = true;  // not of an encrypted file of a cluster that lost its heads
  DFS_FIELDS(ino, type, mode, uid, gid, size, links, created_ms, modified_ms, version, crc32c,
             object, block_bytes, pool, has_acl, encrypted, crc32c_known)
};

struct StatReply {
  InodeInfo info;
  Freshness freshness = {};
  std::vector<AclEntry> acl = {};          // empty: the mode says all
  std::vector<AclEntry> default_acl = {};  // of a directory: what is made in it gets this
  DFS_MESSAGE(StatReply, info, freshness, acl, default_acl)
};
struct Stat {
  std::string path;
  bool stale = false;  // any head may answer, from what it knows
  Moment at = {};
  using Reply = StatReply;
  const char* invalid() const { return bad_path(path); }
  DFS_MESSAGE(Stat, path, stale, at)
};

struct ListEntry {
  std::string name;
  InodeInfo info;
  DFS_FIELDS(name, info)
};
struct ListReply {
  std::vector<ListEntry> entries;  // by name, bytewise
  bool more = false;               // ask again with `after` = the last name
  Freshness freshness = {};
  DFS_MESSAGE(ListReply, entries, more, freshness)
};
struct List {
  std::string path;
  std::string after;  // list names greater than this
  uint32_t limit = kListEntriesMax;
  bool stale = false;
  Moment at = {};
  using Reply = ListReply;
  const char* invalid() const {
    if (limit == 0 || limit > kListEntriesMax) return "limit is not between 1 and 1000";
    if (after.size() > kNameBytesMax) return "after is longer than a name";
    return bad_path(path);
  }
  DFS_MESSAGE(List, path, after, limit, stale, at)
};

struct MakeDirReply {
  Ino ino = 0;
  Receipt receipt;
  DFS_MESSAGE(MakeDirReply, ino, receipt)
};
struct MakeDir {
  std::string path;
  bool parents = false;  // make missing parents too; an existing directory is no error then
  uint32_t mode = 0755;
  using Reply = MakeDirReply;
  const char* invalid() const { return bad_path(path); }
  DFS_MESSAGE(MakeDir, path, parents, mode)
};

struct RenameReply {
  Receipt receipt;
  DFS_MESSAGE(RenameReply, receipt)
};
// rename(2): an existing file at `to` is replaced atomically, an existing empty directory too when
// `from` is a directory.
struct Rename {
  std::string from;
  std::string to;
  bool replace = true;  // false: `exists` when there is something at `to`
  uint64_t fence = 0;   // of the lock on `from` (locks.h); 0: none is held
  uint64_t to_fence = 0;
  Blob fence_proof = {};  // LockReply::fence_proof
  Blob to_fence_proof = {};
  using Reply = RenameReply;
  const char* invalid() const {
    const char* why = bad_path(from);
    return why != nullptr ? why : bad_path(to);
  }
  DFS_MESSAGE(Rename, from, to, replace, fence, to_fence, fence_proof, to_fence_proof)
};

struct ShowFenceReply {
  uint64_t seen = 0;  // the highest shown for that path; more than one's own: somebody has it since
  Receipt receipt;
  DFS_MESSAGE(ShowFenceReply, seen, receipt)
};
// From now on what was sent under earlier locks of that file, or tree, is `fenced`, though nothing
// has been changed under this one yet: whoever reads now knows that it stays so.
struct ShowFence {
  std::string path;
  bool subtree = false;
  uint64_t fence = 0;
  Blob fence_proof = {};  // LockReply::fence_proof
  using Reply = ShowFenceReply;
  const char* invalid() const { return fence == 0 ? "fence is missing" : bad_path(path); }
  DFS_MESSAGE(ShowFence, path, subtree, fence, fence_proof)
};

struct SetAttributesReply {
  Receipt receipt;
  DFS_MESSAGE(SetAttributesReply, receipt)
};
// Changes what is given. `pool`, of a directory: new files below it go there, unless a directory
// nearer to them says otherwise; files that are there stay where they are. The mode is the owner's
// to change, and so is the group, to one of their own; all else is an administrator's.
struct SetAttributes {
  std::string path;
  bool set_pool = false;
  std::string pool;  // empty: as the directory above says
  bool set_mode = false;
  uint32_t mode = 0;  // 07777 at most; with an access list its mask gets the bits of the group
  bool set_owner = false;
  uint32_t uid = 0;
  bool set_group = false;
  uint32_t gid = 0;
  bool set_acl = false;  // its entries of owner, group (or mask) and others become the mode
  std::vector<AclEntry> acl = {};  // empty: none
  bool set_default_acl = false;    // of a directory
  std::vector<AclEntry> default_acl = {};
  using Reply = SetAttributesReply;
  const char* invalid() const;
  DFS_MESSAGE(SetAttributes, path, set_pool, pool, set_mode, mode, set_owner, uid, set_group, gid,
              set_acl, acl, set_default_acl, default_acl)
};

struct RemoveReply {
  Receipt receipt;
  DFS_MESSAGE(RemoveReply, receipt)
};
struct Remove {
  std::string path;
  bool recursive = false;  // a directory with all below it, at once
  uint64_t fence = 0;      // of the lock on it (locks.h); 0: none is held
  Blob fence_proof = {};   // LockReply::fence_proof
  using Reply = RemoveReply;
  const char* invalid() const { return bad_path(path); }
  DFS_MESSAGE(Remove, path, recursive, fence, fence_proof)
};

// Where the blocks of an object are. Block i is in groups[i % groups.size()] unless overridden.
struct Override {
  uint32_t index = 0;
  GroupId group = 0;
  DFS_FIELDS(index, group)
};
struct Layout {
  ObjectId object = 0;
  uint64_t block_bytes = 0;
  std::vector<GroupId> groups;
  std::vector<Override> overrides;  // by index
  DFS_FIELDS(object, block_bytes, groups, overrides)

  const char* invalid() const;
  GroupId group_of(uint32_t index) const;  // of a valid layout
};

// A group with all a client needs to reach it.
struct GroupMember {
  NodeId node = 0;
  std::string endpoint;
  bool up = true;
  bool complete = true;  // has every acknowledged block; ask others first when not
  bool leaving = false;  // to be read, and not to be written
  DFS_FIELDS(node, endpoint, up, complete, leaving)
};
struct GroupRoute {
  GroupId group = 0;
  Epoch epoch = 0;
  std::vector<GroupMember> members;  // chain order
  DFS_FIELDS(group, epoch, members)
};

struct PlanFileReply {
  ObjectId object = 0;
  uint64_t block_bytes = 0;
  uint32_t replicas = 0;
  uint32_t min_copies = 1;
  std::vector<GroupRoute>
      groups;             // the layout's groups, in order; each has ≥ min_copies live members
  uint32_t lease_ms = 0;  // renew the upload before half of it passed (reclaim.h); 0: no need
  Blob grant = {};        // to write the object's blocks (grant.h); empty where none is needed
  Blob wrapped_key = {};  // PlanFile's, for CommitFile and the first block; empty: do not encrypt
  const char* invalid() const;
  DFS_MESSAGE(PlanFileReply, object, block_bytes, replicas, min_copies, groups, lease_ms, grant,
              wrapped_key)
};
// Opens an upload. Nothing is logged; an object that is never committed is never seen.
// `unsupported` without a key when the file would go to an encrypted pool.
struct PlanFile {
  std::string path;
  uint64_t size = 0;          // a hint; UINT64_MAX: unknown (a stream)
  uint64_t block_bytes = 0;   // 0: the cluster's choice
  ObjectId object = 0;        // not 0: other groups for this object
  std::vector<NodeId> avoid;  // nodes that just failed the caller
  uint32_t copies = 0;        // offer no group with fewer live members; 0: the pool's min_copies
  Blob grant = {};  // with `object`: the one of its first plan, which shows whose upload it is
  Blob key = {};    // without `object`: made for it, in case its pool is encrypted
  using Reply = PlanFileReply;
  const char* invalid() const {
    if (!key.bytes.empty() && key.bytes.size() != kKeyBytes) return "key is not of 32 bytes";
    if (block_bytes != 0 && (block_bytes < kBlockBytesMin || block_bytes > kBlockBytesMax ||
                             block_bytes % kPartBytes != 0)) {
      return "block_bytes is not a multiple of 1 MiB between 1 MiB and 128 MiB";
    }
    return bad_path(path);
  }
  DFS_MESSAGE(PlanFile, path, size, block_bytes, object, avoid, copies, grant, key)
};

// Who acknowledged the blocks of one group: the nodes that hold every one of them.
struct GroupWrites {
  GroupId group = 0;
  Epoch epoch = 0;
  std::vector<NodeId> nodes;
  DFS_FIELDS(group, epoch, nodes)
};

struct CommitFileReply {
  Ino ino = 0;
  uint64_t version = 0;
  bool created = false;  // false: an existing file got new content
  Receipt receipt;
  DFS_MESSAGE(CommitFileReply, ino, version, created, receipt)
};
// Makes a file visible, or gives it new content, atomically. `stale_map` when fewer than min_copies
// of `writes[k].nodes` are still members of their group, or its epoch fenced the write.
struct CommitFile {
  std::string path;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  uint32_t mode = 0644;
  Blob content;  // the bytes, when layout.object is 0
  Layout layout;
  std::vector<GroupWrites> writes;
  uint64_t expected_version = UINT64_MAX;  // UINT64_MAX: any; 0: must not exist; else must match
  uint32_t copies = 0;  // fewer copies of any block are `stale_map`; 0: the pool's min_copies
  uint64_t fence = 0;   // of the lock on the path (locks.h); 0: none is held
  Blob grant = {};      // of layout.object, which shows whose upload it is
  Seal seal = {};       // of layout.object, when it is encrypted
  bool content_wrapped = false;  // by the head, for the log; refused from anybody else
  Blob fence_proof = {};         // LockReply::fence_proof
  using Reply = CommitFileReply;
  const char* invalid() const;
  DFS_MESSAGE(CommitFile, path, size, crc32c, mode, content, layout, writes, expected_version,
              copies, fence, grant, seal, content_wrapped, fence_proof)
};

struct OpenFileReply {
  InodeInfo info;
  Blob content;  // when info.object is 0
  Layout layout;
  std::vector<GroupRoute> routes;  // of every group the layout and its overrides name
  Freshness freshness = {};
  Blob grant = {};  // to read the object's blocks (grant.h); empty where none is needed
  Seal seal = {};   // of the object, with its key as it is: not wrapped
  const char* invalid() const;
  DFS_MESSAGE(OpenFileReply, info, content, layout, routes, freshness, grant, seal)
};
struct OpenFile {
  std::string path;
  bool stale = false;
  Moment at = {};
  using Reply = OpenFileReply;
  const char* invalid() const { return bad_path(path); }
  DFS_MESSAGE(OpenFile, path, stale, at)
};

struct CopyFileReply {
  Ino ino = 0;
  uint64_t version = 0;
  uint64_t size = 0;
  bool created = false;  // false: an existing file got the content
  Receipt receipt;
  DFS_MESSAGE(CopyFileReply, ino, version, size, created, receipt)
};
// Gives the file at `to` the content that the one at `from` has, or had, without copying a byte:
// both name the same object, which lives for as long as either does. A new file gets the mode of
// the other one. `conflict` when `to` goes to an encrypted pool and the content is not encrypted.
struct CopyFile {
  std::string from;
  std::string to;                          // may be `from`, with `at`
  Moment at = {};                          // of `from`
  uint64_t expected_version = UINT64_MAX;  // of `to`, as in CommitFile
  uint64_t fence = 0;                      // of the lock on `to` (locks.h); 0: none is held
  Blob fence_proof = {};                   // LockReply::fence_proof
  using Reply = CopyFileReply;
  const char* invalid() const {
    const char* why = bad_path(from);
    return why != nullptr ? why : bad_path(to);
  }
  DFS_MESSAGE(CopyFile, from, to, at, expected_version, fence, fence_proof)
};

// What a name stood for during a time: a content, or the attributes that it had.
struct PastVersion {
  InodeInfo info;
  LogIndex since = 0;  // the entry that made it so
  int64_t since_ms = 0;
  LogIndex until = 0;  // the entry that ended it; 0: it is so still
  int64_t until_ms = 0;
  DFS_FIELDS(info, since, since_ms, until, until_ms)
};
struct HistoryList {
  std::vector<PastVersion> versions;  // the oldest first; of a directory: since it has its name
  bool more = false;                  // ask again with `after` = the last one's `since`
  LogIndex kept_since = 0;            // what was before is not known, or not all of it
  int64_t kept_since_ms = 0;
  DFS_MESSAGE(HistoryList, versions, more, kept_since, kept_since_ms)
};
// What was at a path, and when. The directories on the way are those of now, or of `at`.
struct GetHistory {
  std::string path;
  LogIndex after = 0;  // tell what began after this entry
  uint32_t limit = kListEntriesMax;
  Moment at = {};
  using Reply = HistoryList;
  const char* invalid() const {
    if (limit == 0 || limit > kListEntriesMax) return "limit is not between 1 and 1000";
    return bad_path(path);
  }
  DFS_MESSAGE(GetHistory, path, after, limit, at)
};

}  // namespace dfs
