// Opening a LogStore: what is accepted, what is cut, and what is refused.
#include <algorithm>
#include <charconv>
#include <optional>

#include "actors/replica/log_files.h"
#include "actors/replica/log_format.h"
#include "actors/replica/log_record.h"
#include "actors/replica/log_store.h"

namespace dfs {

namespace {

std::optional<LogIndex> index_of_name(const std::string& name) {
  if (name.size() != 20 || !name.ends_with(kSegmentSuffix)) return std::nullopt;
  LogIndex first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, first, 16);
  if (error != std::errc() || end != name.data() + 16) return std::nullopt;
  return first;
}

Result<std::string> read_front(File& file, uint64_t bytes_max) {
  const auto size = file.size();
  if (!size) return size.error();
  std::string bytes(std::min(*size, bytes_max), '\0');
  const auto got = file.read_at(0, bytes.data(), bytes.size());
  if (!got) return got.error();
  bytes.resize(*got);
  return bytes;
}

}  // namespace

Error log_damaged(const std::string& path, uint64_t offset, const std::string& why) {
  return {Code::corrupt,
          "the log is damaged at byte " + std::to_string(offset) + " of " + path + ": " + why +
              ". Nothing was changed; restore the file from a good copy, or, in a group of "
              "several, remove this member and let it join again with an empty directory",
          {{"path", path}, {"offset", std::to_string(offset)}},
          0};
}

Result<std::unique_ptr<LogStore>> LogStore::open(Disk& disk, LogStoreSettings settings) {
  DFS_ASSERT(settings.segment_bytes <= UINT32_MAX / 2);
  std::unique_ptr<LogStore> store(new LogStore(disk, std::move(settings)));
  DFS_CHECK(store->recover());
  return store;
}

Result<void> LogStore::recover() {
  DFS_CHECK(disk_.make_directories(settings_.directory));
  auto lock = disk_.lock(settings_.directory + "/lock");
  if (!lock) return std::move(lock).error();
  lock_ = std::move(*lock);

  const auto names = disk_.list(settings_.directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (!name.ends_with(kUnfinishedSuffix)) continue;
    DFS_CHECK(disk_.remove(settings_.directory + "/" + name));
  }
  // A name that a killed process gave may not be durable yet, but what we append behind it will be.
  DFS_CHECK(disk_.sync_directory(settings_.directory));
  const auto has_state = recover_state();
  if (!has_state) return has_state.error();
  const auto firsts = find_segments(*names);
  if (!firsts) return firsts.error();

  // The state comes before the first segment and goes on being there, so neither is ever alone.
  const std::string state_path = settings_.directory + kHardStateName;
  if (!firsts->empty() && !*has_state) {
    return log_damaged(state_path, 0, "the file is missing, and with it this member's vote");
  }
  if (firsts->empty()) {
    if (state_ != raft::HardState{}) {
      return log_damaged(state_path, 0, "the file is there, but the log's segments are missing");
    }
    if (!*has_state) DFS_CHECK(write_state({}));
    std::unique_ptr<File> file;
    auto segment = make_segment(1, 0, generation_, file);
    if (!segment) return segment.error();
    go_on_in(std::move(*segment), std::move(file));
    return {};
  }
  for (const LogIndex first : *firsts) {
    DFS_CHECK(recover_segment(first, first == firsts->back()));
  }
  return {};
}

Result<bool> LogStore::recover_state() {
  const std::string path = settings_.directory + kHardStateName;
  const auto bytes = read_file(disk_, path, 4096);
  if (!bytes && bytes.code() == Code::not_found) return false;
  if (!bytes && bytes.code() != Code::too_large) return bytes.error();
  const auto state = bytes ? parse_hard_state(*bytes) : std::nullopt;
  if (!state) return log_damaged(path, 0, "the term and vote in it do not check out");
  state_ = *state;
  return true;
}

// The first indexes of the segments that count. Those of an older generation than another one were
// left when the log began anew, and are removed.
Result<std::vector<LogIndex>> LogStore::find_segments(const std::vector<std::string>& names) {
  std::vector<std::pair<LogIndex, uint32_t>> found;
  for (const std::string& name : names) {
    const auto first = index_of_name(name);
    if (!first) continue;
    const std::string path = path_of(*first);
    auto file = disk_.open(path, {.read_only = true});
    if (!file) return std::move(file).error();
    const auto bytes = read_front(**file, kLogHeaderBytes);
    if (!bytes) return bytes.error();
    const auto header = parse_log_header(*bytes);
    if (!header || header->first != *first) {
      return log_damaged(path, 0, "its header does not check out, or is of another version");
    }
    found.emplace_back(*first, header->generation);
    generation_ = std::max(generation_, header->generation);
  }
  std::vector<LogIndex> firsts;
  for (const auto& [first, generation] : found) {
    if (generation == generation_) {
      firsts.push_back(first);
    } else {
      DFS_CHECK(disk_.remove(path_of(first)));
    }
  }
  if (firsts.size() < found.size()) DFS_CHECK(disk_.sync_directory(settings_.directory));
  return firsts;
}

Result<void> LogStore::recover_segment(LogIndex first, bool is_last) {
  if (!segments_.empty() && last() + 1 != first) {
    return log_damaged(segments_.back().path, segments_.back().used,
                       "entry " + std::to_string(last() + 1) +
                           " is missing, and the next file begins with entry " +
                           std::to_string(first));
  }
  Segment segment;
  segment.path = path_of(first);
  segment.first = first;
  segment.used = kLogHeaderBytes;
  auto file = disk_.open(segment.path, {});
  if (!file) return std::move(file).error();
  const auto bytes = read_front(**file, UINT64_MAX);
  if (!bytes) return bytes.error();
  const auto header = parse_log_header(*bytes);
  if (!header) return log_damaged(segment.path, 0, "its header does not check out");
  segment.salt = header->salt;
  segment.base_term = header->base_term;
  if (!segments_.empty() && segment.base_term != last_term()) {
    return log_damaged(segment.path, 0,
                       "it goes on behind an entry of term " + std::to_string(segment.base_term) +
                           ", but the entry before is of term " + std::to_string(last_term()));
  }
  segments_.push_back(std::move(segment));
  DFS_CHECK(recover_entries(*bytes));
  // Entries of a segment that is not the last are counted by the next one's first index.
  if (is_last) DFS_CHECK(recover_tail(std::move(*file), *bytes));
  count_bytes();
  return {};
}

Result<void> LogStore::recover_entries(std::string_view bytes) {
  Segment& segment = segments_.back();
  while (auto record = parse_record(bytes, segment.used, segment.salt)) {
    if (record->entry.index != last() + 1) break;
    if (record->entry.term < last_term()) {
      return log_damaged(segment.path, segment.used,
                         "entry " + std::to_string(record->entry.index) + " is of term " +
                             std::to_string(record->entry.term) + ", and one before it of term " +
                             std::to_string(last_term()));
    }
    if (const auto known = remember(record->entry); !known) {
      return log_damaged(segment.path, segment.used, known.error().text);
    }
    segment.offsets.push_back(static_cast<uint32_t>(segment.used));
    segment.used += record->bytes;
  }
  return {};
}

Result<void> LogStore::recover_tail(std::unique_ptr<File> file, std::string_view bytes) {
  // An append begins only when the one before is on stable storage. So a sound record of a later
  // batch proves that this place was once synced, and is not just the torn end of the last append.
  const Segment& segment = segments_.back();
  const LogIndex next = last() + 1;
  if (const auto later = find_later_batch(bytes, segment.used, next, segment.salt)) {
    return log_damaged(segment.path, segment.used,
                       "entry " + std::to_string(next) + " does not check out, but entry " +
                           std::to_string(later->entry.index) + " behind it does");
  }
  const size_t end = bytes.find_last_not_of('\0');
  if (end != std::string::npos && end >= segment.used) torn_bytes_ = end + 1 - segment.used;
  tail_ = std::move(file);
  return cut_tail();
}

}  // namespace dfs
