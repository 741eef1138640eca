// Whether anybody is there at all.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "broker/bus.h"

namespace dfs::cli {

// Whether one of these `tcp://HOST:PORT` accepts a connection within `longest`. Of other kinds of
// addresses nothing is known, and they count as accepting.
bool any_accepts(const std::vector<std::string>& endpoints, Duration longest);

// Returns once one of them does, after `longest`, or when `stopped` says so.
void wait_for_a_door(const std::vector<std::string>& endpoints, Duration longest,
                     const std::function<bool()>& stopped);

}  // namespace dfs::cli
