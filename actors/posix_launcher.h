// Processes of Linux. Any thread may call it.
#pragma once

#include <memory>
#include <string>

#include "actors/launcher.h"

namespace dfs {

std::unique_ptr<Launcher> make_posix_launcher();

// The file of the program that runs; asked at its start, since a later upgrade may replace it.
Result<std::string> own_program();

}  // namespace dfs
