// The orders in which entries of a directory are shown.
#pragma once

#include <vector>

#include "messages/namespace.h"

namespace dfs::cli {

enum class EntryOrder { name, time, size };  // from A to Z, newest first, largest first

// Those that are alike are in the order of their names; `reverse` turns all of it round.
void sort_entries(std::vector<ListEntry>& entries, EntryOrder order, bool reverse);

}  // namespace dfs::cli
