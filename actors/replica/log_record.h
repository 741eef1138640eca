// The bytes of the log's files, and back: entries as records, headers of segments, the hard state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "actors/raft/raft.h"
#include "messages/raft.h"
#include "messages/result.h"

namespace dfs {

struct LogRecord {
  LogEntry entry;
  LogIndex batch = 0;  // index of the first record of the same append
  size_t bytes = 0;    // taken in the segment, with padding
};

// Without padding.
size_t record_bytes(const LogEntry& entry);

void append_record(std::string& out, const LogEntry& entry, LogIndex batch, uint32_t salt);

// The record that starts at `offset` of a segment, or nothing when there is no sound one.
std::optional<LogRecord> parse_record(std::string_view segment, size_t offset, uint32_t salt);

// The first sound record at or after `offset` whose batch began after `index`.
std::optional<LogRecord> find_later_batch(std::string_view segment, size_t offset, LogIndex index,
                                          uint32_t salt);

struct LogHeader {
  LogIndex first = 0;
  uint32_t salt = 0;
  uint32_t generation = 0;  // grows when the log begins anew behind a snapshot
  uint64_t base_term = 0;   // of the entry before `first`
};

std::string encode_log_header(const LogHeader& header);
std::optional<LogHeader> parse_log_header(std::string_view segment);

std::string encode_hard_state(const raft::HardState& state);
std::optional<raft::HardState> parse_hard_state(std::string_view bytes);

// Entries as they travel to another member: records, as one batch and with salt 0. No entries are
// no bytes.
std::string encode_entries(const LogEntries& entries);

// `malformed` unless every byte is accounted for: checksums hold, sizes are within the limits of
// the protocol, indexes are consecutive from 1 at least, and terms never fall.
Result<LogEntries> decode_entries(std::string_view payload);

}  // namespace dfs
