// An ordered map from bytes to bytes that survives restarts. RocksTable is the real one, MemTable
// the simulator's; tests/actors/disk/table_test.cc runs the same cases against both.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/disk.h"
#include "messages/result.h"

namespace dfs {

// Changes that are made together or not at all, in order.
class Batch {
 public:
  void put(std::string key, std::string value) {
    changes_.emplace_back(std::move(key), std::move(value));
  }
  void erase(std::string key) { changes_.emplace_back(std::move(key), std::nullopt); }
  bool empty() const { return changes_.empty(); }
  void clear() { changes_.clear(); }
  const std::vector<std::pair<std::string, std::optional<std::string>>>& changes() const {
    return changes_;
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> changes_;
};

enum class Durability {
  later,   // after a crash this batch may be gone, but then every later one is gone too
  synced,  // on stable storage, with every earlier one, when write() returns; blocks: pool only
};

// Errors are `io_error` and `corrupt`. get, scan and write(later) touch memory or the page cache
// and are made on the actor's thread; write(synced) and flush() block and belong on the pool.
class Table {
 public:
  virtual ~Table() = default;
  virtual Result<std::optional<std::string>> get(std::string_view key) = 0;
  virtual Result<void> write(const Batch& batch, Durability durability = Durability::later) = 0;
  // Calls `visit` for keys in [from, until) in order, until it returns false. An empty `until`
  // means no bound. Sees the table as it was when the scan began.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  virtual Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) = 0;
  // Returns once every batch written so far is on stable storage.
  virtual Result<void> flush() = 0;

  // Writes the rows as they are now into files of `directory`, which must not exist while its
  // parent does, and returns what they hold at `key`. The directory is flat. Cheap where the file
  // system has hard links. Pool only; the actor may go on writing meanwhile, and whole batches are
  // seen. The files need not survive a crash of the machine. What a failure or crash leaves is in
  // `directory` or in `directory`.tmp, and the caller's to remove; a new attempt at the same name
  // may be made when `directory` is gone.
  virtual Result<std::optional<std::string>> checkpoint(Disk& disk, const std::string& directory,
                                                        std::string_view key) = 0;
  // Replaces all rows by those of the checkpoint in `directory`, which is used up whatever comes of
  // it, and must be on the table's own file system. Durable on return, whether or not the
  // checkpoint's files were; a crash leaves all the old rows or all the new ones. `corrupt` when
  // the checkpoint is damaged or incomplete, and `no_space`: the old rows stay. After `io_error`
  // only opening the table again tells. Pool only, and nobody else may use the table meanwhile.
  virtual Result<void> restore(Disk& disk, const std::string& directory) = 0;
};

// The first key after every key that starts with `prefix` (empty: none).
inline std::string after_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

// Big-endian, so that bytewise order is numeric order.
inline void append_u64(std::string& key, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(value >> shift));
}
inline void append_u32(std::string& key, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(value >> shift));
}
inline uint64_t read_u64(std::string_view key, size_t offset) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(key[offset + i]);
  return value;
}
inline uint32_t read_u32(std::string_view key, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(key[offset + i]);
  return value;
}

}  // namespace dfs
