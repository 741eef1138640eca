// The rows that were used last, in memory in front of a table on disk: changes that it was not
// given yet, and beside them a few rows as it has them. Rows that change again and again (a
// counter, a directory) so reach it once for many changes, and are not looked up in it at all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/table.h"

namespace dfs {

class HeldRows {
 public:
  using Value = std::optional<std::string>;  // nothing: the row is not there

  void write(const Batch& batch);
  // There is enough to be given to the table at once.
  bool full() const { return changed_.size() >= kRowsMax || bytes_ >= kBytesMax; }

  // The row, or nullptr: the table knows.
  const Value* find(std::string_view key) const;
  // What the table said of a row that find() did not know. Rows that are not there are not kept.
  void remember(std::string_view key, const Value& value);

  // Calls `visit` for each change that the table was not given, in the order of their keys.
  void each_change(const std::function<void(const std::string& key, const Value& value)>& visit);
  // The table was given them all.
  void handed_over();
  void clear();

 private:
  static constexpr size_t kRowsMax = 512;
  static constexpr size_t kBytesMax = 256 << 10;
  static constexpr size_t kRememberedBytesMax = 4 << 10;  // of one row

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  using Rows = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  Rows changed_;      // not given to the table yet
  size_t bytes_ = 0;  // of those
  Rows known_;        // as the table has them, unless they are in changed_
};

}  // namespace dfs
