// The rows as they were at a moment of the past: inodes and entries, which have a history. All
// others are read as they are now; objects never change.
//
// A row that is not later than the moment is read where it is. Of another, the first former value
// that ended after the moment is looked for: one step when a log entry is given, as many as its
// number has binary digits when a time is.
#pragma once

#include "actors/monitor/rows.h"

namespace dfs {

class PastRows : public Rows {
 public:
  // `last`: the last entry that the table has seen.
  PastRows(Table& table, Moment at, LogIndex last) : Rows(table), at_(at), last_(last) {}

  // Whether all is known of that moment: `expired`, `invalid` (it is still to come).
  Result<void> check_known();
  // Of entries and inodes: those of then, in the order of their keys.
  Result<void> scan(std::string_view from, std::string_view until,
                    const Table::Visit& visit) override;

 protected:
  Result<std::optional<std::string>> read(std::string_view key) override;

 private:
  // When a value came to be.
  struct Birth {
    LogIndex since = 0;
    int64_t since_ms = 0;
    DFS_FIELDS(since, since_ms)
  };
  struct Former {
    LogIndex ended = 0;
    int64_t ended_ms = 0;
    std::string value;
  };
  struct Found {
    std::string key;
    std::string value;
  };
  // Some of the values of then, in the order of their keys, and how far they go.
  struct Stretch {
    std::vector<Found> found;
    std::string until;  // all in front of this key
  };
  bool has_ended(LogIndex ended, int64_t ended_ms) const;
  Result<bool> had_begun(std::string_view key, std::string_view value);
  Result<std::optional<Former>> first_former(std::string_view key, LogIndex ended_from);
  Result<std::optional<Former>> former_of_then(std::string_view key);
  Result<Former> former_in(std::string_view history, std::string_view value);
  Result<Stretch> stretch_of_now(const std::string& from, std::string_view until);
  Result<Stretch> stretch_of_history(const std::string& from, std::string_view until);
  Result<Stretch> next_stretch(const std::string& from, std::string_view until);

  const Moment at_;
  const LogIndex last_;
};

// Where what is known of the past begins.
Error no_longer_kept(const KeptRow& kept);

}  // namespace dfs
