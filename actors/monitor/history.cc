#include <algorithm>
#include <functional>

#include "actors/monitor/reads.h"

namespace dfs {

namespace {

// While a name stood for an inode. `until` 0: it still does.
struct Tenure {
  Ino ino = 0;
  FileType type = FileType::file;
  LogIndex since = 0;
  LogIndex until = 0;
  int64_t until_ms = 0;
};

// What stood at `key` until an entry; 0: it stands there.
template <Fielded R>
struct Ended {
  R row;
  LogIndex until = 0;
  int64_t until_ms = 0;
};

// Calls `visit` with each value that `key` had after the entry `after`, the oldest first, until it
// returns false.
template <Fielded R>
Result<void> visit_values(Rows& rows, const std::string& key, LogIndex after,
                          const std::function<bool(Ended<R>)>& visit) {
  std::optional<Error> failed;
  bool goes_on = true;
  DFS_CHECK(rows.scan(keys::history(key, after + 1), after_prefix(keys::history_of(key)),
                      [&](auto history, auto value) {
                        auto former = decode<HistoryRow>(value);
                        auto row = former ? decode<R>(former->value.bytes) : former.error();
                        if (!row) {
                          failed = row.error();
                          return false;
                        }
                        const LogIndex until = read_u64(history, history.size() - sizeof(LogIndex));
                        goes_on = visit({std::move(*row), until, former->ended_ms});
                        return goes_on;
                      }));
  if (failed) return *failed;
  if (!goes_on) return {};
  auto now = rows.get<R>(key);
  if (!now) return now.error();
  if (*now) (void)visit({std::move(**now), 0, 0});
  return {};
}

class Historian {
 public:
  Historian(Rows& rows, const GetHistory& request) : rows_(rows), request_(request) {}

  Result<HistoryList> of_entry(const std::string& key) {
    std::vector<Tenure> tenures;
    DFS_CHECK(visit_values<EntryRow>(rows_, key, request_.after, [&](Ended<EntryRow> entry) {
      tenures.push_back(
          {entry.row.ino, entry.row.type, entry.row.since, entry.until, entry.until_ms});
      return tenures.size() <= request_.limit;
    }));
    for (const Tenure& tenure : tenures) {
      DFS_CHECK(add(tenure));
      if (list_.more) break;
    }
    return std::move(list_);
  }
  Result<HistoryList> of_root() {
    DFS_CHECK(add({kRootIno, FileType::directory, 0, 0, 0}));
    return std::move(list_);
  }

 private:
  // The versions of an inode while it had the name. A directory changes with every entry of it, and
  // is told once, as it was at last.
  Result<void> add(const Tenure& tenure) {
    const bool directory = tenure.type == FileType::directory;
    const LogIndex last = tenure.until == 0 ? UINT64_MAX - 1 : tenure.until - 1;
    const LogIndex after = std::max(tenure.since, request_.after);
    return visit_values<InodeRow>(
        rows_, keys::inode(tenure.ino), directory ? last : after, [&](Ended<InodeRow> inode) {
          if (tenure.until != 0 && inode.row.since >= tenure.until) return false;
          const bool ends = inode.until == 0 || (tenure.until != 0 && inode.until >= tenure.until);
          return take(tenure, inode) && !ends;
        });
  }

  bool take(const Tenure& tenure, const Ended<InodeRow>& inode) {
    const bool directory = inode.row.type == FileType::directory;
    PastVersion version;
    version.info = info_of(tenure.ino, inode.row);
    version.since = directory ? tenure.since : std::max(tenure.since, inode.row.since);
    version.since_ms = directory ? inode.row.created_ms : inode.row.since_ms;
    version.until = inode.until;
    version.until_ms = inode.until_ms;
    if (tenure.until != 0 && (inode.until == 0 || inode.until > tenure.until)) {
      version.until = tenure.until;
      version.until_ms = tenure.until_ms;
    }
    if (version.since <= request_.after) return true;
    list_.more = list_.versions.size() == request_.limit;
    if (!list_.more) list_.versions.push_back(std::move(version));
    return !list_.more;
  }

  Rows& rows_;
  const GetHistory& request_;
  HistoryList list_;
};

}  // namespace

Result<HistoryList> history(Rows& rows, Rows& then, const GetHistory& request,
                            const Requester& who) {
  DFS_CHECK(check_within(who, request.path));
  auto place = find_place(then, request.path, who);
  if (!place) return place.error();
  Historian historian(rows, request);
  auto list = place->is_root() ? historian.of_root()
                               : historian.of_entry(keys::entry(place->parent, place->name));
  if (!list) return list;
  if (list->versions.empty() && request.after == 0) return no_such_path(request.path);
  auto kept = rows.get<KeptRow>(keys::kept());
  if (!kept) return kept.error();
  list->kept_since = kept->value_or(KeptRow()).history_index;
  list->kept_since_ms = kept->value_or(KeptRow()).history_ms;
  return list;
}

}  // namespace dfs
