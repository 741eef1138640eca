// One command as a record of the log, and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "actors/replica/state_machine.h"

namespace dfs {

struct LogRecord {
  Command command;
  LogIndex batch = 0;  // index of the first record of the same append
  size_t bytes = 0;    // taken in the segment, with padding
};

// Without padding.
size_t record_bytes(const Command& command);

void append_record(std::string& out, const Command& command, LogIndex batch, uint32_t salt);

// The record that starts at `offset` of a segment, or nothing when there is no sound one.
std::optional<LogRecord> parse_record(std::string_view segment, size_t offset, uint32_t salt);

// The first sound record at or after `offset` whose batch began after `index`.
std::optional<LogRecord> find_later_batch(std::string_view segment, size_t offset, LogIndex index,
                                          uint32_t salt);

struct LogHeader {
  LogIndex first = 0;
  uint32_t salt = 0;
};

std::string encode_log_header(const LogHeader& header);
std::optional<LogHeader> parse_log_header(std::string_view segment);

}  // namespace dfs
