#include "actors/replica/log_store.h"

#include <algorithm>
#include <charconv>

#include "actors/replica/log_format.h"
#include "actors/replica/log_record.h"

namespace dfs {

namespace {

constexpr const char* kSuffix = ".log";
constexpr const char* kUnfinished = ".new";

// Overwriting zeros that are already on the disk lets fdatasync write data alone; a file that grows
// makes it commit the file system's journal too. So zeros are written ahead, this far at a time.
constexpr uint64_t kZeroedAhead = 1 << 20;

std::string hex16(uint64_t value) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

std::optional<LogIndex> index_of_name(const std::string& name) {
  if (name.size() != 20 || !name.ends_with(kSuffix)) return std::nullopt;
  LogIndex first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, first, 16);
  if (error != std::errc() || end != name.data() + 16) return std::nullopt;
  return first;
}

Error corrupt_at(const std::string& path, uint64_t offset, const std::string& why) {
  return {Code::corrupt,
          "the log is damaged at byte " + std::to_string(offset) + " of " + path + ": " + why +
              ". Nothing was changed; restore the file from a good copy",
          {{"path", path}, {"offset", std::to_string(offset)}},
          0};
}

Result<std::string> read_whole(File& file) {
  const auto size = file.size();
  if (!size) return size.error();
  std::string bytes(*size, '\0');
  const auto got = file.read_at(0, bytes.data(), bytes.size());
  if (!got) return got.error();
  bytes.resize(*got);
  return bytes;
}

}  // namespace

Result<std::unique_ptr<LogStore>> LogStore::open(Disk& disk, LogSettings settings) {
  DFS_ASSERT(settings.segment_bytes <= UINT32_MAX / 2);
  std::unique_ptr<LogStore> store(new LogStore(disk, std::move(settings)));
  DFS_CHECK(store->recover());
  return store;
}

LogStore::~LogStore() = default;

LogIndex LogStore::first() const {
  return segments_.front().first;
}

LogIndex LogStore::last() const {
  return segments_.back().first + segments_.back().offsets.size() - 1;
}

uint64_t LogStore::bytes() const {
  uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.used - kLogHeaderBytes;
  return bytes;
}

std::string LogStore::path_of(LogIndex first) const {
  return settings_.directory + "/" + hex16(first) + kSuffix;
}

Result<void> LogStore::recover() {
  DFS_CHECK(disk_.make_directories(settings_.directory));
  auto lock = disk_.lock(settings_.directory + "/lock");
  if (!lock) return std::move(lock).error();
  lock_ = std::move(*lock);

  const auto names = disk_.list(settings_.directory);
  if (!names) return names.error();
  std::vector<LogIndex> firsts;
  for (const std::string& name : *names) {
    if (name.ends_with(kUnfinished)) DFS_CHECK(disk_.remove(settings_.directory + "/" + name));
    if (const auto first = index_of_name(name)) firsts.push_back(*first);
  }
  // A name that a killed process gave may not be durable yet, but what we append behind it will be.
  DFS_CHECK(disk_.sync_directory(settings_.directory));
  if (firsts.empty()) return begin_segment(1);
  for (const LogIndex first : firsts) {
    DFS_CHECK(recover_segment(first, first == firsts.back()));
  }
  return {};
}

Result<void> LogStore::recover_segment(LogIndex first, bool is_last) {
  Segment segment;
  segment.path = path_of(first);
  segment.first = first;
  if (!segments_.empty() && last() + 1 != first) {
    const Segment& before = segments_.back();
    return corrupt_at(before.path, before.used,
                      "entry " + std::to_string(last() + 1) +
                          " is missing, and the next file begins " + "with entry " +
                          std::to_string(first));
  }
  auto file = disk_.open(segment.path, {});
  if (!file) return std::move(file).error();
  const auto bytes = read_whole(**file);
  if (!bytes) return bytes.error();
  const auto header = parse_log_header(*bytes);
  if (!header || header->first != first) {
    return corrupt_at(segment.path, 0, "its header does not check out, or is of another version");
  }
  segment.salt = header->salt;

  LogIndex next = first;
  size_t at = kLogHeaderBytes;
  while (auto record = parse_record(*bytes, at, segment.salt)) {
    if (record->command.index != next) break;
    segment.offsets.push_back(static_cast<uint32_t>(at));
    last_term_ = record->command.term;
    last_time_ = record->command.time_ms;
    at += record->bytes;
    ++next;
  }
  segment.used = at;
  segments_.push_back(std::move(segment));
  // Entries of a segment that is not the last are counted by the next one's first index.
  if (!is_last) return {};

  // An append begins only when the one before is on stable storage. So a sound record of a later
  // batch proves that this place was once synced, and is not just the torn end of the last append.
  if (const auto later = find_later_batch(*bytes, at, next, header->salt)) {
    return corrupt_at(segments_.back().path, at,
                      "entry " + std::to_string(next) + " does not check out, but entry " +
                          std::to_string(later->command.index) + " behind it does");
  }
  tail_ = std::move(*file);
  const size_t end = bytes->find_last_not_of('\0');
  if (end != std::string::npos && end >= at) torn_bytes_ = end + 1 - at;
  return cut_tail();
}

Result<void> LogStore::cut_tail() {
  // Cut off rather than overwritten: a crash in the middle must not leave half of it.
  const uint64_t used = segments_.back().used;
  DFS_CHECK(tail_->truncate(used));
  DFS_CHECK(tail_->sync());
  zeroed_ = used;
  reserved_ = false;
  // On a full disk reading still works; append() tries again and says so.
  if (const auto room = reserve(); !room && room.code() != Code::no_space) return room.error();
  return {};
}

Result<void> LogStore::reserve() {
  DFS_CHECK(tail_->allocate(0, std::max(settings_.segment_bytes, segments_.back().used)));
  reserved_ = true;
  return {};
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

Result<void> LogStore::begin_segment(LogIndex first) {
  Segment segment;
  segment.path = path_of(first);
  segment.first = first;
  segment.salt = static_cast<uint32_t>((settings_.salt ^ first) * 0x9e3779b97f4a7c15ull >> 32);
  segment.used = kLogHeaderBytes;

  // The file gets its name when its header is whole, so a segment never begins torn.
  const std::string beside = segment.path + kUnfinished;
  std::unique_ptr<File> file;
  const auto prepare = [&]() -> Result<void> {
    auto opened = disk_.open(beside, {.create = true});
    if (!opened) return std::move(opened).error();
    file = std::move(*opened);
    const std::string header = encode_log_header({first, segment.salt});
    DFS_CHECK(file->truncate(0));
    DFS_CHECK(file->allocate(0, settings_.segment_bytes));
    DFS_CHECK(file->write_at(0, header.data(), header.size()));
    return file->sync();
  };
  if (auto prepared = prepare(); !prepared) {
    if (prepared.code() != Code::no_space) return broken(std::move(prepared));
    // The old segment is untouched; so the log is as it was, and may go on when there is room.
    file.reset();
    if (const auto removed = disk_.remove(beside); !removed && removed.code() != Code::not_found) {
      return broken(removed);
    }
    return prepared;
  }
  DFS_CHECK(broken(disk_.rename(beside, segment.path)));
  DFS_CHECK(broken(disk_.sync_directory(settings_.directory)));
  if (tail_) DFS_CHECK(broken(tail_->truncate(segments_.back().used)));
  segments_.push_back(std::move(segment));
  tail_ = std::move(file);
  zeroed_ = kLogHeaderBytes;
  reserved_ = true;
  return {};
}

Result<void> LogStore::append(const std::vector<Command>& batch) {
  DFS_ASSERT(!batch.empty());
  DFS_CHECK(usable());
  uint64_t bytes = 0;
  for (const Command& command : batch) {
    if (command.client.size() > kAddressBytesMax || command.body.size() > kBodyBytesMax) {
      return {Code::too_large, "a command of " + std::to_string(command.body.size()) +
                                   " bytes does not fit into the log; at most " +
                                   std::to_string(kBodyBytesMax) + " do"};
    }
    bytes += record_bytes(command) + kRecordAlignment;
  }
  if (!segments_.back().offsets.empty() &&
      segments_.back().used + bytes > settings_.segment_bytes) {
    DFS_CHECK(begin_segment(last() + 1));
  }
  if (!reserved_) DFS_CHECK(reserve());

  Segment& segment = segments_.back();
  const LogIndex first = last() + 1;
  std::vector<uint32_t> offsets;
  offsets.reserve(batch.size());
  std::string records;
  records.reserve(bytes);
  for (const Command& command : batch) {
    DFS_ASSERT(command.index == first + offsets.size());
    DFS_ASSERT(segment.used + records.size() <= UINT32_MAX);
    offsets.push_back(static_cast<uint32_t>(segment.used + records.size()));
    append_record(records, command, first, segment.salt);
  }
  const uint64_t used = segment.used + records.size();
  DFS_CHECK(broken(write_tail(std::move(records))));
  segment.used = used;
  segment.offsets.insert(segment.offsets.end(), offsets.begin(), offsets.end());
  last_term_ = batch.back().term;
  last_time_ = batch.back().time_ms;
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
  return tail_->sync();
}

Result<std::vector<Command>> LogStore::read(LogIndex from, size_t bytes_max) {
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

  std::vector<Command> commands;
  commands.reserve(end - begin);
  for (size_t i = begin; i < end; ++i) {
    auto record = parse_record(bytes, segment.offsets[i] - segment.offsets[begin], segment.salt);
    if (!record || record->command.index != segment.first + i) {
      return corrupt_at(segment.path, segment.offsets[i],
                        "entry " + std::to_string(segment.first + i) + " does not check out");
    }
    commands.push_back(std::move(record->command));
  }
  return commands;
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
  last_term_ = 0;
  last_time_ = 0;
  if (first() > last()) return {};
  const auto end = read(last(), 0);
  if (!end) return broken(end.error());
  last_term_ = end->back().term;
  last_time_ = end->back().time_ms;
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
  return broken(disk_.sync_directory(settings_.directory));
}

}  // namespace dfs
