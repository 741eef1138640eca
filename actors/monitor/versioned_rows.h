// Typed access to the monitor's rows. Rows reads; VersionedRows is one command's view of them: it
// reads its own changes, and when it commits, each former value moves to history.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/monitor/rows.h"
#include "actors/replica/state_machine.h"
#include "actors/table.h"
#include "messages/events.h"
#include "messages/requester.h"

namespace dfs {

class Rows {
 public:
  explicit Rows(Table& table) : table_(table) {}
  virtual ~Rows() = default;
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  // The row under `key`, or nothing. Fails with `io_error` or `corrupt`.
  template <Fielded R>
  Result<std::optional<R>> get(std::string_view key) {
    auto bytes = read(key);
    if (!bytes) return std::move(bytes).error();
    if (!*bytes) return std::optional<R>();
    auto row = decode<R>(**bytes);
    if (!row) return unreadable(key, row.error());
    return std::optional<R>(std::move(*row));
  }
  // The row under `key`, which our own rules say exists; `corrupt` when it does not.
  template <Fielded R>
  Result<R> require(std::string_view key) {
    auto row = get<R>(key);
    if (!row) return std::move(row).error();
    if (!*row) return unreadable(key, Error{Code::corrupt, "it is missing", {}, 0});
    return std::move(**row);
  }
  // Of the table as it was before this command.
  Result<void> scan(std::string_view from, std::string_view until, const Table::Visit& visit);

 protected:
  virtual Result<std::optional<std::string>> read(std::string_view key);
  Error unreadable(std::string_view key, const Error& why);

  Table& table_;
  std::optional<Error> broken_;
};

// Who asked for the command. The cluster itself may do anything; who cannot be read may do nothing.
Requester requester_in(const Command& command);

class VersionedRows : public Rows {
 public:
  // `voters`: of the heads, as of this command.
  VersionedRows(Table& table, const Command& command, uint32_t voters = 1)
      : Rows(table), command_(command), requester_(requester_in(command)), voters_(voters) {}

  // Changes of this command. A versioned row's since and since_ms are set here.
  template <Fielded R>
  void put(const std::string& key, R row) {
    if constexpr (R::kVersioned) {
      row.since = command_.index;
      row.since_ms = command_.time_ms;
    }
    change(key, encode_row(row), R::kVersioned, command_.index, command_.time_ms);
  }
  // A row that is new, by the rules of its key: nothing needs to be read first.
  template <Fielded R>
  void insert(const std::string& key, R row) {
    pending_.try_emplace(key);
    put(key, std::move(row));
  }
  template <Fielded R>
  void erase(const std::string& key) {
    change(key, std::nullopt, R::kVersioned, command_.index, command_.time_ms);
  }
  // Erases a row that really ended earlier, with the directory above it.
  template <Fielded R>
  void erase_as_of(const std::string& key, LogIndex ended, int64_t ended_ms) {
    change(key, std::nullopt, R::kVersioned, ended, ended_ms);
  }

  // Adds an event that tells of this command's change.
  void note(std::string topic, std::map<std::string, std::string> fields);

  LogIndex index() const { return command_.index; }
  uint64_t term() const { return command_.term; }
  int64_t time_ms() const { return command_.time_ms; }
  // On whose behalf the command is: its rights decide whether it may.
  const Requester& requester() const { return requester_; }
  // What the reply to this command promises. A majority has the entry on stable storage before it
  // is applied.
  Receipt receipt() const { return {command_.index, command_.term, true, voters_}; }

  // Adds the changes, the history they make and the events to `batch`. Not called when the command
  // failed.
  void commit(Batch& batch);
  // The events, after commit().
  std::vector<Event> take_events() { return std::move(events_); }
  // Why the table could not be read, if so: the command's outcome means nothing then.
  const std::optional<Error>& broken() const { return broken_; }

 protected:
  Result<std::optional<std::string>> read(std::string_view key) override;

 private:
  struct Pending {
    std::optional<std::string> before;  // in the table
    std::optional<std::string> now;
    bool changed = false;
    bool versioned = false;
    LogIndex ended = 0;
    int64_t ended_ms = 0;
  };
  Pending* load(std::string_view key);
  void change(const std::string& key, std::optional<std::string> value, bool versioned,
              LogIndex ended, int64_t ended_ms);

  const Command& command_;
  const Requester requester_;
  const uint32_t voters_;
  std::vector<Event> events_;
  std::map<std::string, Pending, std::less<>> pending_;
};

}  // namespace dfs
