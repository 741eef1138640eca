// Compares the namespace with what the storage nodes hold: first every file, copy by copy, then
// every node, block by block. Changes nothing, and keeps no more in memory than a page of each
// directory on the way and of each node. The cluster may be in use meanwhile: what looks wrong is
// looked at again, and what is explained by a change since is no finding.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/client/survey.h"

namespace dfs {

enum class FsckFault : uint8_t {
  no_copy,         // of a block, on any node that answers
  too_few_copies,  // of a block: fewer good ones than its pool promises
  bad_copy,        // the node itself found it damaged
  wrong_copy,      // of another length or checksum than it must be
  wrong_checksum,  // a file's blocks agree among themselves, and are not what was stored
  group,           // members are missing, or may lack blocks
  silent_node,     // down, or does not answer
};
const char* name_of(FsckFault fault);  // "too-few-copies"

struct FsckFinding {
  FsckFault fault = FsckFault::no_copy;
  std::string path;  // of a file's
  ObjectId object = 0;
  uint32_t index = 0;  // of a block's
  GroupId group = 0;
  std::vector<NodeId> nodes;  // to blame
  std::string text;           // a sentence
};

struct BlockTally {
  uint64_t blocks = 0;
  uint64_t bytes = 0;
};

struct FsckSummary {
  uint64_t directories = 0;
  uint64_t files = 0;
  uint64_t files_inline = 0;  // of them; their content is on the heads
  uint64_t blocks = 0;
  uint64_t bytes = 0;  // of one copy
  uint64_t copies_wanted = 0;
  uint64_t copies_good = 0;
  uint64_t findings = 0;

  // What the nodes hold.
  uint64_t nodes = 0;  // that told
  BlockTally live;     // content, of now or of history, where it belongs
  BlockTally surplus;  // the same, on nodes that are no part of its group any more
  BlockTally stray;    // of content that is in another group
  BlockTally dead;     // of objects that died, to be reclaimed
  BlockTally pending;  // of uploads that may be under way, or not judged yet
};

struct FsckOptions {
  std::string path = "/";   // a directory or a file; the nodes are looked at when it is "/"
  bool files_only = false;  // leaves the nodes out even so
  uint32_t jobs = 16;       // files at once
  std::function<void(const FsckFinding&)> found;     // on the client's thread, as the next
  std::function<void(const FsckSummary&)> progress;  // now and then
};

// `calls` must outlive the flow. Fails when the monitor does not answer, or there is no such path.
Task<Result<FsckSummary>> fsck(Bus* bus, Calls* calls, FsckOptions options, Duration deadline);

}  // namespace dfs
