#include "actors/raft/log.h"

#include <algorithm>

#include "messages/result.h"

namespace dfs::raft {

Log::Log(LogIndex base, uint64_t base_term, std::vector<TermRun> runs, LogIndex last)
    : base_(base),
      base_term_(base_term),
      runs_(std::move(runs)),
      last_(last),
      stable_(last),
      handed_(last),
      in_flight_(last),
      cache_first_(last + 1) {
  DFS_ASSERT(last_ >= base_ && runs_.empty() == (last_ == base_));
}

uint64_t Log::last_term() const {
  return runs_.empty() ? base_term_ : runs_.back().term;
}

std::optional<uint64_t> Log::term_at(LogIndex index) const {
  if (index < base_ || index > last_) return std::nullopt;
  if (index == base_) return base_term_;
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), index,
                       [](LogIndex at, const TermRun& run) { return at < run.first; });
  return std::prev(after)->term;
}

LogIndex Log::last_at_most(LogIndex index, uint64_t term) const {
  index = std::min(index, last_);
  for (auto run = runs_.rbegin(); run != runs_.rend() && index > base_; ++run) {
    if (run->first > index) continue;
    if (run->term <= term) return index;
    index = run->first - 1;
  }
  return std::max(index, base_);
}

// The memory an entry takes, its own fields and bookkeeping included.
size_t Log::bytes_of(const LogEntry& entry) {
  return sizeof entry + entry.body.size() + entry.client.size() + entry.requester.size();
}

void Log::append(std::shared_ptr<const LogEntry> entry) {
  DFS_ASSERT(entry->index == last_ + 1 && entry->term >= last_term());
  if (runs_.empty() || runs_.back().term != entry->term) runs_.push_back({last_ + 1, entry->term});
  ++last_;
  cache_bytes_ += bytes_of(*entry);
  unstable_bytes_ += bytes_of(*entry);
  cache_.push_back(std::move(entry));
}

void Log::truncate_from(LogIndex index) {
  DFS_ASSERT(index > base_);
  if (index > last_) return;
  while (!cache_.empty() && cache_.back()->index >= index) {
    const size_t bytes = bytes_of(*cache_.back());
    cache_bytes_ -= bytes;
    if (cache_.back()->index > stable_) unstable_bytes_ -= bytes;
    cache_.pop_back();
  }
  while (!runs_.empty() && runs_.back().first >= index) runs_.pop_back();
  last_ = index - 1;
  if (cache_.empty()) cache_first_ = index;
  if (handed_ >= index) {
    truncate_ = truncate_ == 0 ? index : std::min(truncate_, index);
    handed_ = index - 1;
  }
  in_flight_ = std::min(in_flight_, last_);
  stable_ = std::min(stable_, last_);
}

void Log::compact(LogIndex first) {
  if (first <= base_ + 1) return;
  DFS_ASSERT(first <= stable_ + 1);
  base_term_ = *term_at(first - 1);
  base_ = first - 1;
  while (runs_.size() > 1 && runs_[1].first <= first) runs_.erase(runs_.begin());
  if (base_ == last_) {
    runs_.clear();
  } else {
    runs_.front().first = std::max(runs_.front().first, first);
  }
  trim_cache(base_, 0);
}

void Log::restart_after(LogIndex index, uint64_t term) {
  base_ = last_ = stable_ = handed_ = in_flight_ = index;
  base_term_ = term;
  runs_.clear();
  truncate_ = 0;
  cache_.clear();
  cache_first_ = index + 1;
  cache_bytes_ = unstable_bytes_ = 0;
}

std::optional<LogEntries> Log::entries(LogIndex from, size_t bytes_max) const {
  DFS_ASSERT(from > base_ && from <= last_);
  if (!cached(from)) return std::nullopt;
  LogEntries entries;
  size_t bytes = 0;
  for (size_t i = from - cache_first_; i < cache_.size(); ++i) {
    bytes += bytes_of(*cache_[i]);
    if (bytes > bytes_max && !entries.empty()) break;
    entries.push_back(cache_[i]);
  }
  return entries;
}

std::pair<LogIndex, LogEntries> Log::take_unsaved() {
  std::pair<LogIndex, LogEntries> unsaved;
  unsaved.first = std::exchange(truncate_, 0);
  for (LogIndex index = handed_ + 1; index <= last_; ++index) {
    unsaved.second.push_back(cache_[index - cache_first_]);
  }
  handed_ = in_flight_ = last_;
  return unsaved;
}

void Log::saved() {
  for (LogIndex index = stable_ + 1; index <= in_flight_; ++index) {
    unstable_bytes_ -= bytes_of(*cache_[index - cache_first_]);
  }
  stable_ = std::max(stable_, in_flight_);
}

void Log::trim_cache(LogIndex index, size_t bytes_max) {
  index = std::min(index, stable_);
  while (cache_bytes_ > bytes_max && !cache_.empty() && cache_.front()->index <= index) {
    cache_bytes_ -= bytes_of(*cache_.front());
    cache_.pop_front();
    ++cache_first_;
  }
}

}  // namespace dfs::raft
