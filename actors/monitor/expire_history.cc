#include <algorithm>

#include "actors/monitor/fences.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

bool names(const InodeRow& inode, ObjectId object) {
  return std::any_of(inode.slices.begin(), inode.slices.end(),
                     [&](const Slice& slice) { return slice.object == object; });
}

// The oldest history ends first. With a version of a file, the object it was the last to name dies.
class Expiry {
 public:
  Expiry(VersionedRows& rows, uint32_t limit) : rows_(rows), limit_(limit) {}

  Result<Pruned> run(int64_t before_ms) {
    auto kept = rows_.get<KeptRow>(keys::kept());
    if (!kept) return kept.error();
    KeptRow from = kept->value_or(KeptRow());
    std::vector<std::string> marks;
    bool more = false;
    DFS_CHECK(rows_.scan(keys::history_since(from.history_ms), keys::history_since(before_ms),
                         [&](auto key, auto) {
                           more = marks.size() == limit_;
                           if (!more) marks.emplace_back(key);
                           return !more;
                         }));
    const size_t skipped = keys::history_since(0).size();
    for (const std::string& mark : marks) {
      const std::string history = mark.substr(skipped);
      DFS_CHECK(forget(history));
      rows_.erase<MarkRow>(mark);
      from.history_index =
          std::max(from.history_index, read_u64(history, history.size() - sizeof(LogIndex)));
    }
    // There may be more of the time of the last one.
    if (!marks.empty()) from.history_ms = static_cast<int64_t>(read_u64(marks.back(), 1));
    auto fences =
        expire_fences(rows_, from.fences_ms, fences_kept_since(before_ms, rows_.time_ms()),
                      limit_ - static_cast<uint32_t>(marks.size()));
    if (!fences) return fences.error();
    rows_.put(keys::kept(), from);
    return Pruned{static_cast<uint32_t>(marks.size()) + fences->rows, more || fences->more};
  }

 private:
  Result<void> forget(const std::string& history) {
    const std::string key = keys::row_of_history(history);
    if (key[0] == keys::kInode) {
      auto version = version_at(history);
      if (!version) return version.error();
      for (const Slice& slice : version->slices) DFS_CHECK(release(key, history, slice.object));
    }
    rows_.erase<HistoryRow>(history);
    return {};
  }

  Result<InodeRow> version_at(const std::string& history) {
    auto row = rows_.require<HistoryRow>(history);
    if (!row) return row.error();
    return decode<InodeRow>(row->value.bytes);
  }

  // An object that becomes content of an inode stays that until other content takes its place: the
  // versions that name it follow each other, and it is enough to look at the next one. It becomes
  // content by its commit, and by each copy.
  Result<void> release(const std::string& key, const std::string& history, ObjectId id) {
    auto object = rows_.get<ObjectRow>(keys::object(id));
    if (!object) return object.error();
    if (!*object || (*object)->state != ObjectState::live) return {};
    auto next = next_version(key, history);
    if (!next) return next.error();
    if (*next && names(**next, id)) return {};
    if ((*object)->copies > 0) {
      --(*object)->copies;
      rows_.put(keys::object(id), std::move(**object));
      return {};
    }
    return end_object(rows_, id, std::move(**object));
  }

  // The version that followed: of history, or the one of now; none when the file is gone.
  Result<std::optional<InodeRow>> next_version(const std::string& key, const std::string& history) {
    std::optional<std::string> next;
    DFS_CHECK(rows_.scan(history + '\0', after_prefix(keys::history_of(key)), [&](auto at, auto) {
      next = at;
      return false;
    }));
    if (!next) return rows_.get<InodeRow>(key);
    auto version = version_at(*next);
    if (!version) return version.error();
    return std::optional<InodeRow>(std::move(*version));
  }

  VersionedRows& rows_;
  const uint32_t limit_;
};

}  // namespace

Result<Pruned> expire_history(VersionedRows& rows, const ExpireHistory& request) {
  // What ends now is a version that somebody may have just been told of.
  const int64_t before_ms = std::clamp<int64_t>(request.before_ms, 0, rows.time_ms());
  return Expiry(rows, request.limit).run(before_ms);
}

}  // namespace dfs
