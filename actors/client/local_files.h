// Files of this machine as sources and sinks, over POSIX. Errors are `local_io`, with the name.
#pragma once

#include <memory>
#include <string>

#include "actors/client/client.h"

namespace dfs {

// A regular file is read in any order; a pipe or a device as a stream. Refuses directories.
Result<std::shared_ptr<Source>> open_source(const std::string& path);

// Reads `fd` to its end, as a stream; does not close it. `name` is for messages.
std::shared_ptr<Source> stream_source(int fd, std::string name);

struct FileSinkOptions {
  bool sync = false;  // the file and its directory are on stable storage when finish() returns
};

// Writes NAME.part beside the target, with another suffix when a second writer is at work there,
// and renames it at the end. A leftover of a writer that died is taken over. Without finish() the
// part file is removed. Refuses a target that is a directory, in prepare().
std::shared_ptr<Sink> file_sink(std::string path, FileSinkOptions options = {});

// Writes in order to `fd`, for pipes and terminals; does not close it. The process must ignore
// SIGPIPE: a reader that went away is an error then, not a death.
std::shared_ptr<Sink> stream_sink(int fd, std::string name);

}  // namespace dfs
