// What the parts of LogStore share: how its files are named, and what is said of a damaged one.
#pragma once

#include <cstdint>
#include <string>

#include "messages/result.h"

namespace dfs {

inline constexpr const char* kSegmentSuffix = ".log";     // behind 16 digits, its first index
inline constexpr const char* kUnfinishedSuffix = ".new";  // removed by the next open
inline constexpr const char* kHardStateName = "/state";

Error log_damaged(const std::string& path, uint64_t offset, const std::string& why);

}  // namespace dfs
