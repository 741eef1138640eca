// One command's view of the monitor's rows: when it commits, each former value of a versioned row
// moves to history.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "actors/monitor/rows.h"
#include "messages/requester.h"

namespace dfs {

// Who asked for the command. The cluster itself may do anything; who cannot be read may do nothing.
Requester requester_in(const Command& command);

class VersionedRows : public PendingRows {
 public:
  // `voters`: of the heads, as of this command.
  VersionedRows(Table& table, const Command& command, uint32_t voters = 1)
      : PendingRows(table, command, voters, kLogActor), requester_(requester_in(command)) {}

  // Changes of this command. A versioned row's since and since_ms are set here.
  template <Fielded R>
  void put(const std::string& key, R row) {
    note_end<R>(key, command_.index, command_.time_ms);
    PendingRows::put(key, stamped(std::move(row)));
  }
  // A row that is new, by the rules of its key: nothing needs to be read first.
  template <Fielded R>
  void insert(const std::string& key, R row) {
    note_end<R>(key, command_.index, command_.time_ms);
    PendingRows::insert(key, stamped(std::move(row)));
  }
  template <Fielded R>
  void erase(const std::string& key) {
    erase_as_of<R>(key, command_.index, command_.time_ms);
  }
  // Erases a row that really ended earlier, with the directory above it.
  template <Fielded R>
  void erase_as_of(const std::string& key, LogIndex ended, int64_t ended_ms) {
    note_end<R>(key, ended, ended_ms);
    PendingRows::erase(key);
  }

  // Adds an event that tells of this command's change, and on whose behalf it was.
  void note(std::string topic, std::map<std::string, std::string> fields);

  // On whose behalf the command is: its rights decide whether it may.
  const Requester& requester() const { return requester_; }

 protected:
  void ending(const std::string& key, std::string before, Batch& batch) override;

 private:
  struct End {
    LogIndex index = 0;
    int64_t time_ms = 0;
  };
  template <Fielded R>
  R stamped(R row) const {
    if constexpr (R::kVersioned) {
      row.since = command_.index;
      row.since_ms = command_.time_ms;
    }
    return row;
  }
  template <Fielded R>
  void note_end(const std::string& key, LogIndex index, int64_t time_ms) {
    if constexpr (R::kVersioned) ends_.insert_or_assign(key, End{index, time_ms});
  }

  const Requester requester_;
  std::map<std::string, End, std::less<>> ends_;  // of the former values of versioned rows
};

}  // namespace dfs
