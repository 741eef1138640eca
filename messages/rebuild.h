// The conversation "rebuild": how a cluster that has lost all of its heads gets its namespace back
// from what its storage nodes hold.
//
//   anyone → storage/N:  ReadHints → HintList
//   anyone → monitor:    GetRebuild → RebuildStatus
//   client → monitor:    ImportGroups → ImportGroupsReply, as often as needed, then
//                        ImportFiles → ImportFilesReply, likewise, then
//                        EndRebuild → EndRebuildReply
//
// A head founded with --rebuild begins in the state of being rebuilt: nodes join and are listed,
// nothing is placed, repaired, declared dead or changed by users. All imports may be repeated: what
// is there already is left alone, so that an interrupted rebuild is begun again from the start.
#pragma once

#include <string>
#include <vector>

#include "messages/blocks.h"
#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"
#include "messages/reclaim.h"

namespace dfs {

inline constexpr size_t kHintsMax = 200;  // with the longest paths still below 1 MiB
inline constexpr size_t kImportGroupsMax = 1000;
inline constexpr size_t kImportFilesMax = 200;
inline constexpr const char* kLostAndFound = "/lost+found";
// Objects made after a rebuild are numbered so far above all that was found, that what is on a node
// which was forgotten then never meets a new object of the same number.
inline constexpr uint64_t kObjectsLeftOut = uint64_t{1} << 32;

// What is known of a block's file, from the header of that block on the disk.
struct HintView {
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  bool found = false;  // false: the block is not here, or its header cannot be read
  std::string path;    // empty: the header names none
  FileHint file;
  Epoch epoch = 0;  // of the group when the block was written
  DFS_FIELDS(object, index, group, found, path, file, epoch)
};
// In the order asked.
struct HintList {
  std::vector<HintView> hints;
  DFS_MESSAGE(HintList, hints)
};
// Hints are with the first blocks of files; other blocks have none.
struct ReadHints {
  std::vector<BlockName> blocks;
  using Reply = HintList;
  const char* invalid() const {
    return blocks.size() > kHintsMax ? "more than 200 blocks" : nullptr;
  }
  DFS_MESSAGE(ReadHints, blocks)
};

struct RebuildStatus {
  bool active = false;
  std::string cluster;
  uint64_t groups = 0;  // imported so far
  uint64_t files = 0;
  uint64_t lost = 0;  // of the files, those that went to /lost+found
  DFS_MESSAGE(RebuildStatus, active, cluster, groups, files, lost)
};
struct GetRebuild {
  using Reply = RebuildStatus;
  DFS_MESSAGE(GetRebuild)
};

// A node that holds blocks of a group. `complete`: every block that any node holds.
struct GroupHolder {
  NodeId node = 0;
  bool complete = false;
  DFS_FIELDS(node, complete)
};
struct FoundGroup {
  GroupId group = 0;
  std::vector<GroupHolder> holders;  // the first ones become members
  DFS_FIELDS(group, holders)
};
struct ImportGroupsReply {
  uint32_t imported = 0;  // the others were there
  Receipt receipt;
  DFS_MESSAGE(ImportGroupsReply, imported, receipt)
};
// Makes groups of what was found, and as many more as a group's number needs, in the default pool.
// `invalid` unless the cluster is being rebuilt, and for nodes that have not joined.
struct ImportGroups {
  std::vector<FoundGroup> groups;
  Epoch above = 0;  // of any block found; the groups' epochs are above it
  using Reply = ImportGroupsReply;
  const char* invalid() const;
  DFS_MESSAGE(ImportGroups, groups, above)
};

struct FoundFile {
  std::string path;  // empty: not known, or not to be trusted
  std::string name;  // to be found by in /lost+found, behind the object's number; may be empty
  uint64_t size = 0;
  uint32_t crc32c = 0;
  uint32_t mode = 0644;
  int64_t written_ms = 0;
  Layout layout;
  Seal seal = {};  // of an encrypted object; then `size` and `crc32c` are of what is stored
  DFS_FIELDS(path, name, size, crc32c, mode, written_ms, layout, seal)
};
// Where file i of the request is now: at its path, or, when it had none or something else is there,
// in /lost+found.
struct ImportFilesReply {
  std::vector<std::string> paths;
  uint32_t imported = 0;  // the others were there
  Receipt receipt;
  DFS_MESSAGE(ImportFilesReply, paths, imported, receipt)
};
// Makes files of objects. An object that is content already is left as it is. `invalid` unless the
// cluster is being rebuilt, and for groups that were not imported.
struct ImportFiles {
  std::vector<FoundFile> files;
  using Reply = ImportFilesReply;
  const char* invalid() const;
  DFS_MESSAGE(ImportFiles, files)
};

struct EndRebuildReply {
  Receipt receipt;
  DFS_MESSAGE(EndRebuildReply, receipt)
};
// The cluster works as any other from here on. Repeated, it changes nothing.
struct EndRebuild {
  ObjectId highest = 0;  // of all objects found, imported or not
  using Reply = EndRebuildReply;
  DFS_MESSAGE(EndRebuild, highest)
};

}  // namespace dfs
