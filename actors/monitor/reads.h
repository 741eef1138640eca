// Questions answered from the rows alone, without a log entry; each in a file of its own. They are
// linearizable as long as the monitor that answers leads, since rows change only with its commits.
#pragma once

#include "actors/monitor/cluster_view.h"
#include "actors/monitor/tree.h"
#include "messages/namespace.h"

namespace dfs {

Result<StatReply> stat(Rows& rows, const Stat& request);
Result<ListReply> list(Rows& rows, const List& request);
Result<OpenFileReply> open_file(Rows& rows, const ClusterView& cluster, const OpenFile& request);

}  // namespace dfs
