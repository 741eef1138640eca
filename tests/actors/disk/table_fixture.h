// Rows in and out of a table, and a place for its files.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "actors/table.h"

namespace dfs {

class TempDirectory {
 public:
  TempDirectory() {
    path_ = (std::filesystem::temp_directory_path() / "dfs_table_XXXXXX").string();
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using Rows = std::vector<std::pair<std::string, std::string>>;

inline Rows rows(Table& table, std::string_view from = "", std::string_view until = "",
                 size_t count = SIZE_MAX) {
  Rows found;
  const auto scanned = table.scan(from, until, [&](std::string_view key, std::string_view value) {
    found.emplace_back(key, value);
    return found.size() < count;
  });
  REQUIRE(scanned.ok());
  return found;
}

inline void put(Table& table, std::string key, std::string value,
                Durability durability = Durability::later) {
  Batch batch;
  batch.put(std::move(key), std::move(value));
  REQUIRE(table.write(batch, durability).ok());
}

}  // namespace dfs
