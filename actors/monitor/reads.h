// Questions answered from the rows alone, without a log entry; each in a file of its own. When they
// are asked decides how current they are: inside Replica::read() they are linearizable.
#pragma once

#include "actors/monitor/cluster_view.h"
#include "actors/monitor/past_rows.h"
#include "actors/monitor/tree.h"
#include "messages/namespace.h"
#include "messages/tasks.h"

namespace dfs {

Result<StatReply> stat(Rows& rows, const Stat& request, const Requester& who);
// Whoever may read the directory and not search it is told names and types alone.
Result<ListReply> list(Rows& rows, const List& request, const Requester& who);
Result<OpenFileReply> open_file(Rows& rows, const ClusterView& cluster, const OpenFile& request,
                                const Requester& who);
// What the path stood for, and when; `then` are the rows in which its directories are looked for.
Result<HistoryList> history(Rows& rows, Rows& then, const GetHistory& request,
                            const Requester& who);
// What a removal of the node would be refused for, and which groups would lose something with it.
Result<ChangeNodeReply> try_removal(Rows& rows, NodeId node);

// Answers from the rows as they were at `at`, or from those of now. `last`: the last entry they
// have seen.
template <class Answer>
auto answer_at(Rows& rows, Moment at, LogIndex last, const Answer& answer)
    -> decltype(answer(rows)) {
  if (at.is_now()) return answer(rows);
  PastRows then(rows.table(), at, last);
  if (const Result<void> known = then.check_known(); !known) return known.error();
  return answer(then);
}

}  // namespace dfs
