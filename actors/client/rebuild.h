// Rebuilds the namespace of a cluster that has lost all its heads from what its storage nodes hold:
// lists every node's blocks, reads what the first blocks say of their files, puts files together
// (assembly.h), and gives them and their groups to the new head. May be repeated at any time until
// it has ended; a dry run changes nothing and may be made on a healthy cluster too.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/client/assembly.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/cluster.h"
#include "messages/pool_keys.h"

namespace dfs {

struct RebuildSummary {
  std::string phase;    // "waiting for nodes", "listing", "reading names", "importing", "done"
  uint64_t nodes = 0;   // that were listed
  uint64_t blocks = 0;  // different ones
  uint64_t copies = 0;
  uint64_t copies_bad = 0;
  uint64_t groups = 0;
  uint64_t certain = 0;  // files whose content is whole, at the path of their writing
  uint64_t certain_bytes = 0;
  uint64_t guessed = 0;  // files that are not certain
  uint64_t guessed_bytes = 0;
  uint64_t lost = 0;         // of all files, those that went to /lost+found
  uint64_t unplaceable = 0;  // objects that no file could be made of; their blocks stay
  uint64_t imported = 0;     // files, by this run; the others were there
};

struct RebuildOptions {
  bool dry_run = false;
  uint32_t nodes = 0;    // wait until so many storage nodes are up; 0: take those that are
  Duration patience{0};  // for that; 0: for ever
  // Of encrypted pools, as they were exported. Without them encrypted files have no path, and can
  // be read once the keys are imported.
  std::vector<PoolKeyView> keys = {};
  // On the client's thread, as the next; `path` is where the file is now, or would be. Empty when
  // it was imported before.
  std::function<void(const AssembledFile&, const std::string& path)> found;
  std::function<void(const RebuildSummary&)> progress;  // now and then
};

// `calls` must outlive the flow. Fails, with nothing but whole batches done, when a node that is up
// cannot be listed to its end, when too few nodes are up in time, and when the cluster is not being
// rebuilt.
Task<Result<RebuildSummary>> rebuild(Bus* bus, Calls* calls, RebuildOptions options,
                                     Duration deadline);

}  // namespace dfs
