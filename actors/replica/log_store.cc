#include "actors/replica/log_store.h"

#include <algorithm>
#include <cstdio>

#include "actors/replica/log_files.h"
#include "actors/replica/log_format.h"
#include "actors/replica/log_record.h"
#include "messages/message.h"

namespace dfs {

namespace {

// Overwriting zeros that are already on the disk lets fdatasync write data alone; a file that grows
// makes it commit the file system's journal too. So zeros are written ahead, this far at a time.
constexpr uint64_t kZeroedAhead = 1 << 20;

std::string hex16(uint64_t value) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

Error not_a_change(const LogEntry& entry, const Error& why) {
  return {Code::malformed,
          "entry " + std::to_string(entry.index) +
              " should change the members of the group and does not: " + why.text,
          {},
          0};
}

}  // namespace

LogStore::~LogStore() = default;

std::string LogStore::path_of(LogIndex first) const {
  return settings_.directory + "/" + hex16(first) + kSegmentSuffix;
}

std::vector<std::pair<LogIndex, ChangeMembers>> LogStore::changes_after(LogIndex applied) const {
  const auto after = std::find_if(changes_.begin(), changes_.end(),
                                  [&](const auto& change) { return change.first > applied; });
  return {after, changes_.end()};
}

void LogStore::count_bytes() {
  uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.used - kLogHeaderBytes;
  bytes_ = bytes;
}

Result<void> LogStore::remember(const LogEntry& entry) {
  if (entry.type == Type::ChangeMembers) {
    auto change = decode<ChangeMembers>(entry.body);
    if (!change) return not_a_change(entry, change.error());
    changes_.emplace_back(entry.index, std::move(*change));
  }
  if (entry.term != last_term() || terms_.empty()) terms_.push_back({entry.index, entry.term});
  last_time_ = entry.time_ms;
  return {};
}

void LogStore::forget_from(LogIndex index) {
  while (!terms_.empty() && terms_.back().first >= index) terms_.pop_back();
  while (!changes_.empty() && changes_.back().first >= index) changes_.pop_back();
}

void LogStore::forget_before(LogIndex index) {
  std::erase_if(changes_, [&](const auto& change) { return change.first < index; });
  // The run that `index` is in begins there from now on.
  const auto next = std::find_if(terms_.begin(), terms_.end(),
                                 [&](const raft::TermRun& run) { return run.first > index; });
  if (next != terms_.begin()) terms_.erase(terms_.begin(), std::prev(next));
  if (last() < index) {
    terms_.clear();
    last_time_ = 0;
  } else if (!terms_.empty()) {
    terms_.front().first = std::max(terms_.front().first, index);
  }
}

Result<void> LogStore::cut_tail() {
  // Cut off rather than overwritten: a crash in the middle must not leave half of it.
  const uint64_t used = segments_.back().used;
  DFS_CHECK(tail_->truncate(used));
  DFS_CHECK(sync(*tail_));
  zeroed_ = used;
  reserved_ = false;
  // On a full disk reading still works; append() tries again and says so.
  if (const auto room = reserve(0); !room && room.code() != Code::no_space) return room.error();
  return {};
}

// For `bytes` more: a write must not find out half-way that there is no room.
Result<void> LogStore::reserve(uint64_t bytes) {
  const uint64_t needed = std::max(settings_.segment_bytes, segments_.back().used + bytes);
  if (reserved_ && needed <= settings_.segment_bytes) return {};
  DFS_CHECK(tail_->allocate(0, needed));
  reserved_ = true;
  return {};
}

Result<void> LogStore::sync(File& file) {
  ++syncs_;
  return file.sync();
}

Result<void> LogStore::usable() const {
  if (!broken_) return {};
  return {Code::io_error, "the log in " + settings_.directory +
                              " failed before and takes no changes until it is opened again"};
}

Result<void> LogStore::broken(Result<void> outcome) {
  if (outcome) return outcome;
  broken_ = true;
  outcome.error().code = Code::io_error;
  return outcome;
}

Result<void> LogStore::save_state(const raft::HardState& state) {
  DFS_ASSERT(state.term >= state_.term);
  DFS_CHECK(usable());
  auto written = write_state(state);
  // Without room the file is the old one, or the new one that nobody relies on yet.
  if (!written && written.code() != Code::no_space) return broken(std::move(written));
  return written;
}

Result<void> LogStore::write_state(const raft::HardState& state) {
  ++syncs_;
  DFS_CHECK(
      write_file_atomically(disk_, settings_.directory + kHardStateName, encode_hard_state(state)));
  state_ = state;
  return {};
}

// On stable storage under its name, and `file` open for it; the segment before is untouched.
Result<LogStore::Segment> LogStore::make_segment(LogIndex first, uint64_t base_term,
                                                 uint32_t generation, std::unique_ptr<File>& file) {
  Segment segment;
  segment.path = path_of(first);
  segment.first = first;
  segment.salt = static_cast<uint32_t>((settings_.salt ^ first) * 0x9e3779b97f4a7c15ull >> 32);
  segment.base_term = base_term;
  segment.used = kLogHeaderBytes;

  // The file gets its name when its header is whole, so a segment never begins torn.
  const std::string beside = segment.path + kUnfinishedSuffix;
  const auto prepare = [&]() -> Result<void> {
    auto opened = disk_.open(beside, {.create = true});
    if (!opened) return std::move(opened).error();
    file = std::move(*opened);
    const std::string header = encode_log_header({first, segment.salt, generation, base_term});
    DFS_CHECK(file->truncate(0));
    DFS_CHECK(file->allocate(0, settings_.segment_bytes));
    DFS_CHECK(file->write_at(0, header.data(), header.size()));
    return sync(*file);
  };
  if (auto prepared = prepare(); !prepared) {
    if (prepared.code() != Code::no_space) return broken(std::move(prepared)).error();
    // The old segment is untouched; so the log is as it was, and may go on when there is room.
    file.reset();
    if (const auto removed = disk_.remove(beside); !removed && removed.code() != Code::not_found) {
      return broken(removed).error();
    }
    return prepared.error();
  }
  DFS_CHECK(broken(disk_.rename(beside, segment.path)));
  DFS_CHECK(broken(disk_.sync_directory(settings_.directory)));
  return segment;
}

void LogStore::go_on_in(Segment segment, std::unique_ptr<File> file) {
  segments_.push_back(std::move(segment));
  tail_ = std::move(file);
  zeroed_ = kLogHeaderBytes;
  reserved_ = true;
}

Result<void> LogStore::begin_segment() {
  std::unique_ptr<File> file;
  auto segment = make_segment(last() + 1, last_term(), generation_, file);
  if (!segment) return segment.error();
  DFS_CHECK(broken(tail_->truncate(segments_.back().used)));
  go_on_in(std::move(*segment), std::move(file));
  return {};
}

Result<void> LogStore::append(const LogEntries& batch) {
  DFS_ASSERT(!batch.empty());
  DFS_CHECK(usable());
  uint64_t bytes = 0;
  for (const auto& entry : batch) {
    if (entry->client.size() > kAddressBytesMax || entry->body.size() > kBodyBytesMax) {
      return {Code::too_large, "an entry of " + std::to_string(entry->body.size()) +
                                   " bytes does not fit into the log; at most " +
                                   std::to_string(kBodyBytesMax) + " do"};
    }
    if (entry->type == Type::ChangeMembers) {
      const auto change = decode<ChangeMembers>(entry->body);
      if (!change) return not_a_change(*entry, change.error());
    }
    bytes += record_bytes(*entry) + kRecordAlignment;
  }
  if (!segments_.back().offsets.empty() &&
      segments_.back().used + bytes > settings_.segment_bytes) {
    DFS_CHECK(begin_segment());
  }
  DFS_CHECK(reserve(bytes));

  Segment& segment = segments_.back();
  const LogIndex first = last() + 1;
  std::vector<uint32_t> offsets;
  offsets.reserve(batch.size());
  std::string records;
  records.reserve(bytes);
  uint64_t term = last_term();
  for (const auto& entry : batch) {
    DFS_ASSERT(entry->index == first + offsets.size());
    DFS_ASSERT(entry->term >= std::exchange(term, entry->term));
    DFS_ASSERT(segment.used + records.size() <= UINT32_MAX);
    offsets.push_back(static_cast<uint32_t>(segment.used + records.size()));
    append_record(records, *entry, first, segment.salt);
  }
  const uint64_t used = segment.used + records.size();
  DFS_CHECK(broken(write_tail(std::move(records))));
  bytes_ += used - segment.used;
  segment.used = used;
  segment.offsets.insert(segment.offsets.end(), offsets.begin(), offsets.end());
  for (const auto& entry : batch) DFS_CHECK(remember(*entry));
  entries_written_ += batch.size();
  return {};
}

Result<void> LogStore::write_tail(std::string bytes) {
  const uint64_t at = segments_.back().used;
  const uint64_t end = at + bytes.size();
  if (end > zeroed_) {
    const uint64_t ahead = (end + kZeroedAhead - 1) / kZeroedAhead * kZeroedAhead;
    zeroed_ = std::max(end, std::min(ahead, settings_.segment_bytes));
    bytes.resize(zeroed_ - at, '\0');
  }
  DFS_CHECK(tail_->write_at(at, bytes.data(), bytes.size()));
  return sync(*tail_);
}

Result<LogEntries> LogStore::read(LogIndex from, size_t bytes_max) {
  DFS_ASSERT(from >= first() && from <= last());
  const auto after = std::upper_bound(
      segments_.begin(), segments_.end(), from,
      [](LogIndex index, const Segment& segment) { return index < segment.first; });
  const Segment& segment = *std::prev(after);
  const auto end_of = [&](size_t i) {
    return i + 1 < segment.offsets.size() ? segment.offsets[i + 1] : segment.used;
  };
  const size_t begin = from - segment.first;
  size_t end = begin + 1;
  while (end < segment.offsets.size() && end_of(end) - segment.offsets[begin] <= bytes_max) ++end;

  std::unique_ptr<File> opened;
  if (&segment != &segments_.back()) {
    auto file = disk_.open(segment.path, {.read_only = true});
    if (!file) return std::move(file).error();
    opened = std::move(*file);
  }
  File& file = opened ? *opened : *tail_;
  std::string bytes(end_of(end - 1) - segment.offsets[begin], '\0');
  const auto got = file.read_at(segment.offsets[begin], bytes.data(), bytes.size());
  if (!got) return got.error();

  LogEntries entries;
  entries.reserve(end - begin);
  for (size_t i = begin; i < end; ++i) {
    auto record = parse_record(bytes, segment.offsets[i] - segment.offsets[begin], segment.salt);
    if (!record || record->entry.index != segment.first + i) {
      return log_damaged(segment.path, segment.offsets[i],
                         "entry " + std::to_string(segment.first + i) + " does not check out");
    }
    entries.push_back(std::make_shared<const LogEntry>(std::move(record->entry)));
  }
  return entries;
}

Result<void> LogStore::truncate_from(LogIndex index) {
  DFS_ASSERT(index >= first() && index <= last() + 1);
  DFS_CHECK(usable());
  if (index == last() + 1) return {};
  // Later segments go first, and durably: between a cut segment and a later one would be a gap.
  const bool whole_segments = segments_.size() > 1 && segments_.back().first >= index;
  while (segments_.size() > 1 && segments_.back().first >= index) {
    DFS_CHECK(broken(disk_.remove(segments_.back().path)));
    segments_.pop_back();
  }
  Segment& segment = segments_.back();
  if (whole_segments) {
    DFS_CHECK(broken(disk_.sync_directory(settings_.directory)));
    auto file = disk_.open(segment.path, {});
    if (!file) return broken(std::move(file).error());
    tail_ = std::move(*file);
  }
  const size_t kept = index - segment.first;
  if (kept < segment.offsets.size()) {
    segment.used = segment.offsets[kept];
    segment.offsets.resize(kept);
  }
  DFS_CHECK(broken(cut_tail()));
  forget_from(index);
  count_bytes();
  last_time_ = 0;
  if (first() > last()) return {};
  const auto end = read(last(), 0);
  if (!end) return broken(end.error());
  last_time_ = end->back()->time_ms;
  return {};
}

Result<void> LogStore::drop_before(LogIndex index) {
  DFS_CHECK(usable());
  if (segments_.size() == 1 || segments_[1].first > index) return {};
  // The oldest first: what a crash leaves has no gap.
  while (segments_.size() > 1 && segments_[1].first <= index) {
    DFS_CHECK(broken(disk_.remove(segments_.front().path)));
    segments_.erase(segments_.begin());
  }
  forget_before(first());
  count_bytes();
  return broken(disk_.sync_directory(settings_.directory));
}

Result<void> LogStore::restart_after(LogIndex index, uint64_t term) {
  DFS_CHECK(usable());
  // The name of the first segment of the next generation decides: before, a crash leaves the old
  // log; from then on open() removes what is older, if we do not come to it.
  std::unique_ptr<File> file;
  auto segment = make_segment(index + 1, term, generation_ + 1, file);
  if (!segment) return segment.error();
  ++generation_;
  const std::vector<Segment> old = std::exchange(segments_, {});
  go_on_in(std::move(*segment), std::move(file));
  terms_.clear();
  changes_.clear();
  last_time_ = 0;
  count_bytes();
  for (const Segment& gone : old) {
    if (gone.path == segments_.front().path) continue;  // replaced by the new one
    DFS_CHECK(broken(disk_.remove(gone.path)));
  }
  return broken(disk_.sync_directory(settings_.directory));
}

}  // namespace dfs
