// Typed access to the rows of a Table that a replicated state machine keeps. A row is encoded like
// a message, so it evolves like one: fields are added with a default, never renamed, retyped or
// reused, and their defaults never change, because a field at its default is left out.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/replica/state_machine.h"
#include "actors/table.h"
#include "messages/events.h"
#include "messages/message.h"

namespace dfs {

namespace detail {

template <class T>
bool is_default(const T& value, const T& standard) {
  if constexpr (IsVector<T>::value) {
    return value.empty();
  } else {
    return value == standard;
  }
}

}  // namespace detail

// Like encode(), without the fields that have their default.
template <Fielded R>
std::string encode_row(const R& row) {
  static const R standard;
  std::array<const void*, 24> standards;
  size_t fields = 0;
  R::each_field(standard, [&](const char*, const auto& field) {
    DFS_ASSERT(fields < standards.size());
    standards[fields++] = &field;
  });
  size_t i = 0;
  size_t count = 0;
  const auto changed = [&]<class T>(const T& field) {
    return !detail::is_default(field, *static_cast<const T*>(standards[i++]));
  };
  R::each_field(row, [&](const char*, const auto& field) { count += changed(field) ? 1 : 0; });
  std::string out;
  Writer writer(out);
  writer.map(count);
  i = 0;
  R::each_field(row, [&](const char* name, const auto& field) {
    if (!changed(field)) return;
    writer.str(name);
    write_value(writer, field);
  });
  return out;
}

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
  virtual Result<void> scan(std::string_view from, std::string_view until,
                            const Table::Visit& visit);
  Table& table() { return table_; }

 protected:
  virtual Result<std::optional<std::string>> read(std::string_view key);
  Error unreadable(std::string_view key, const Error& why);

  Table& table_;
  std::optional<Error> broken_;
};

// One command's view of the rows: it reads its own changes, which reach the table together or, when
// the command fails, not at all.
class PendingRows : public Rows {
 public:
  // `voters`: of the heads, as of this command. `actor`: of its events.
  PendingRows(Table& table, const Command& command, uint32_t voters, const char* actor)
      : Rows(table), command_(command), voters_(voters), actor_(actor) {}

  template <Fielded R>
  void put(const std::string& key, const R& row) {
    change(key, encode_row(row));
  }
  // A row that is new, by the rules of its key: nothing needs to be read first.
  template <Fielded R>
  void insert(const std::string& key, const R& row) {
    pending_.try_emplace(key);
    change(key, encode_row(row));
  }
  void erase(const std::string& key) { change(key, std::nullopt); }

  // Adds an event that tells of this command's change.
  void note(std::string topic, std::map<std::string, std::string> fields);

  LogIndex index() const { return command_.index; }
  uint64_t term() const { return command_.term; }
  int64_t time_ms() const { return command_.time_ms; }
  // What the reply to this command promises. A majority has the entry on stable storage before it
  // is applied.
  Receipt receipt() const { return {command_.index, command_.term, true, voters_}; }

  // Adds the changes and the events to `batch`. Not called when the command failed.
  void commit(Batch& batch);
  // The events, after commit().
  std::vector<Event> take_events() { return std::move(events_); }
  // Why the table could not be read, if so: the command's outcome means nothing then.
  const std::optional<Error>& broken() const { return broken_; }

 protected:
  Result<std::optional<std::string>> read(std::string_view key) override;
  void change(const std::string& key, std::optional<std::string> value);
  // Called by commit() for each row that loses the value it had before the command.
  virtual void ending(const std::string& key, std::string before, Batch& batch) {
    (void)key, (void)before, (void)batch;
  }

  const Command& command_;

 private:
  struct Pending {
    std::optional<std::string> before;  // in the table
    std::optional<std::string> now;
    bool changed = false;
  };
  Pending* load(std::string_view key);

  const uint32_t voters_;
  const char* const actor_;
  std::vector<Event> events_;
  std::map<std::string, Pending, std::less<>> pending_;
};

}  // namespace dfs
