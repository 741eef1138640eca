// Disk over the operating system's files.
#pragma once

#include <memory>

#include "actors/disk.h"

namespace dfs {

std::unique_ptr<Disk> make_posix_disk();

}  // namespace dfs
