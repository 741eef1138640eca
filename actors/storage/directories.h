// Whose the data directories of a node are. Each has a lock and the file `identity`, lines of
// `key=value`, which names the node, the directory itself, and all directories of the node: so that
// a foreign one, a copy, or an empty mount point is not taken for what it is not.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/disk.h"
#include "messages/ids.h"

namespace dfs::storage {

inline constexpr size_t kDirectoriesMax = 16;

struct Identity {
  std::string uuid;     // 32 hex digits, made once
  std::string cluster;  // empty until the node has joined one
  NodeId node = 0;
  bool needs_grants = false;   // its cluster demands them; the key is not kept here
  std::string directory = {};  // 16 hex digits, its own
  std::map<std::string, std::string> siblings = {};  // all of the node: directory → path
};
std::string to_text(const Identity& identity);
Result<Identity> parse_identity(const std::string& text);

struct OpenDirectories {
  Identity identity;                               // of the node; `directory` is not used
  std::map<std::string, std::string> directories;  // in use: path → directory
  std::map<std::string, Error> failures;           // not to be used: path → why
  std::vector<std::string> gone;                   // paths that the node had and is not given now
  std::vector<std::shared_ptr<DiskLock>> locks;
};

struct GivenDirectory {
  std::string path;
  std::string fresh;  // its name if it is a new one
  bool usable = true;
};

// Takes the directories for this process and reads or makes their identity; `uuid` is the node's
// when it is a new one. Refused altogether: `busy` when another process has one of them, `invalid`
// when they are not of one node or one is a copy of another, `unsupported` when a newer program
// wrote there; and with why the first cannot be used when none can. Blocks.
Result<OpenDirectories> open_directories(Disk& disk, const std::vector<GivenDirectory>& given,
                                         const std::string& uuid);

// Writes the node's cluster and number into each directory in use; an error when that failed for
// all of them. Blocks.
Result<void> save_identity(Disk& disk, const OpenDirectories& open);

}  // namespace dfs::storage
