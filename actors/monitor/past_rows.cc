#include "actors/monitor/past_rows.h"

#include <algorithm>
#include <iterator>

namespace dfs {

namespace {

constexpr size_t kStretch = 512;  // rows that are held at once

bool has_history(std::string_view key) {
  return !key.empty() && (key[0] == keys::kInode || key[0] == keys::kEntry);
}

}  // namespace

Error no_longer_kept(const KeptRow& kept) {
  return Error{Code::expired,
               "what was then is no longer all kept; all is since log entry " +
                   std::to_string(kept.history_index),
               {{"kept_since", std::to_string(kept.history_index)},
                {"kept_since_ms", std::to_string(kept.history_ms)}},
               0};
}

Result<void> PastRows::check_known() {
  if (at_.index > last_) {
    return Error{Code::invalid,
                 "log entry " + std::to_string(at_.index) + " is still to come; the last one is " +
                     std::to_string(last_),
                 {{"last", std::to_string(last_)}},
                 0};
  }
  auto kept = get<KeptRow>(keys::kept());
  if (!kept) return kept.error();
  const KeptRow from = kept->value_or(KeptRow());
  const bool known =
      at_.index != 0 ? at_.index >= from.history_index : at_.time_ms >= from.history_ms;
  if (!known) return no_longer_kept(from);
  auto root = get<InodeRow>(keys::inode(kRootIno));
  if (!root) return root.error();
  if (!*root) return Error{Code::expired, "that was before the cluster was founded", {}, 0};
  return {};
}

bool PastRows::has_ended(LogIndex ended, int64_t ended_ms) const {
  return at_.index != 0 ? ended <= at_.index : ended_ms <= at_.time_ms;
}

Result<bool> PastRows::had_begun(std::string_view key, std::string_view value) {
  const auto birth = decode<Birth>(value);
  if (!birth) return unreadable(key, birth.error());
  return at_.index != 0 ? birth->since <= at_.index : birth->since_ms <= at_.time_ms;
}

Result<PastRows::Former> PastRows::former_in(std::string_view history, std::string_view value) {
  auto row = decode<HistoryRow>(value);
  if (!row) return unreadable(history, row.error());
  return Former{read_u64(history, history.size() - sizeof(uint64_t)), row->ended_ms,
                std::move(row->value.bytes)};
}

// The first former value that ended with that entry or a later one.
Result<std::optional<PastRows::Former>> PastRows::first_former(std::string_view key,
                                                               LogIndex ended_from) {
  std::optional<Result<Former>> first;
  DFS_CHECK(Rows::scan(keys::history(key, ended_from), after_prefix(keys::history_of(key)),
                       [&](auto history, auto value) {
                         first = former_in(history, value);
                         return false;
                       }));
  if (!first) return std::optional<Former>();
  if (!*first) return first->error();
  return std::optional<Former>(std::move(**first));
}

// Later ends have later times, so a time is found by halves.
Result<std::optional<PastRows::Former>> PastRows::former_of_then(std::string_view key) {
  if (at_.index != 0) return first_former(key, at_.index + 1);
  LogIndex low = 0;
  LogIndex high = last_ + 1;
  while (low < high) {
    const LogIndex middle = low + (high - low) / 2;
    auto first = first_former(key, middle);
    if (!first) return first.error();
    if (*first && has_ended((*first)->ended, (*first)->ended_ms)) {
      low = (*first)->ended + 1;
    } else {
      high = middle;
    }
  }
  return first_former(key, low);
}

Result<std::optional<std::string>> PastRows::read(std::string_view key) {
  auto now = Rows::read(key);
  if (!now || !has_history(key)) return now;
  if (*now) {
    const auto begun = had_begun(key, **now);
    if (!begun) return begun.error();
    if (*begun) return now;
  }
  auto former = former_of_then(key);
  if (!former) return former.error();
  if (!*former) return std::optional<std::string>();
  const auto begun = had_begun(key, (*former)->value);
  if (!begun) return begun.error();
  return *begun ? std::optional(std::move((*former)->value)) : std::nullopt;
}

Result<PastRows::Stretch> PastRows::stretch_of_now(const std::string& from,
                                                   std::string_view until) {
  Stretch stretch{{}, std::string(until)};
  std::optional<Error> failed;
  DFS_CHECK(Rows::scan(from, until, [&](auto key, auto value) {
    if (stretch.found.size() == kStretch) {
      stretch.until = key;
      return false;
    }
    const auto begun = had_begun(key, value);
    if (!begun) failed = begun.error();
    if (begun && *begun) stretch.found.push_back({std::string(key), std::string(value)});
    return !failed;
  }));
  if (failed) return *failed;
  return stretch;
}

// The histories of keys lie in the order of the keys, which have no NUL behind their numbers.
Result<PastRows::Stretch> PastRows::stretch_of_history(const std::string& from,
                                                       std::string_view until) {
  Stretch stretch{{}, std::string(until)};
  std::optional<Error> failed;
  const std::string prefix(1, keys::kHistory);
  DFS_CHECK(Rows::scan(prefix + from, prefix + std::string(until), [&](auto history, auto value) {
    std::string key = keys::row_of_history(history);
    if (key < from) return true;
    if (stretch.found.size() == kStretch) {
      stretch.until = std::move(key);
      return false;
    }
    auto former = former_in(history, value);
    if (!former) {
      failed = former.error();
      return false;
    }
    if (has_ended(former->ended, former->ended_ms)) return true;
    const auto begun = had_begun(key, former->value);
    if (!begun) failed = begun.error();
    if (begun && *begun) stretch.found.push_back({std::move(key), std::move(former->value)});
    return !failed;
  }));
  if (failed) return *failed;
  return stretch;
}

// A key has one value then: of now, or a former one.
Result<PastRows::Stretch> PastRows::next_stretch(const std::string& from, std::string_view until) {
  auto both = stretch_of_now(from, until);
  if (!both) return both;
  auto former = stretch_of_history(from, both->until);
  if (!former) return former;
  both->until = former->until;
  std::erase_if(both->found, [&](const Found& found) { return found.key >= former->until; });
  std::move(former->found.begin(), former->found.end(), std::back_inserter(both->found));
  std::sort(both->found.begin(), both->found.end(),
            [](const Found& a, const Found& b) { return a.key < b.key; });
  return both;
}

Result<void> PastRows::scan(std::string_view from, std::string_view until,
                            const Table::Visit& visit) {
  DFS_ASSERT(has_history(from) && !until.empty());
  std::string begin(from);
  while (begin < until) {
    auto stretch = next_stretch(begin, until);
    if (!stretch) return stretch.error();
    for (const Found& found : stretch->found) {
      if (!visit(found.key, found.value)) return {};
    }
    begin = std::move(stretch->until);
  }
  return {};
}

}  // namespace dfs
