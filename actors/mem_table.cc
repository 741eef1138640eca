#include "actors/mem_table.h"

#include "messages/crc32c.h"

namespace dfs {

namespace {

constexpr const char* kRowsName = "/rows";
constexpr size_t kNumberBytes = 4;

}  // namespace

void MemTable::apply(Rows& rows, const Batch& batch) {
  for (const auto& [key, value] : batch.changes()) {
    if (value) {
      rows.insert_or_assign(key, *value);
    } else {
      rows.erase(key);
    }
  }
}

Result<std::optional<std::string>> MemTable::get(std::string_view key) {
  const auto row = rows_->find(key);
  if (row == rows_->end()) return std::optional<std::string>();
  return std::optional<std::string>(row->second);
}

Result<void> MemTable::write(const Batch& batch, Durability durability) {
  // A scan that is under way goes on over the rows it began with.
  if (rows_.use_count() > 1) rows_ = std::make_shared<Rows>(*rows_);
  apply(*rows_, batch);
  unsynced_.push_back(batch);
  if (durability == Durability::synced) (void)flush();
  if (changed) changed(&batch);
  return {};
}

Result<void> MemTable::scan(std::string_view from, std::string_view until, const Visit& visit) {
  const std::shared_ptr<const Rows> rows = rows_;
  // The bounds may point into rows that the visitor erases.
  const std::string end(until);
  for (auto row = rows->lower_bound(from); row != rows->end(); ++row) {
    if (!end.empty() && row->first >= end) break;
    if (!visit(row->first, row->second)) break;
  }
  return {};
}

Result<void> MemTable::flush() {
  for (const Batch& batch : unsynced_) apply(durable_, batch);
  unsynced_.clear();
  return {};
}

// The checksum of the rest; then for each row the two lengths, the key and the value.
std::string MemTable::encode(const Rows& rows) {
  std::string bytes;
  for (const auto& [key, value] : rows) {
    append_u32(bytes, static_cast<uint32_t>(key.size()));
    append_u32(bytes, static_cast<uint32_t>(value.size()));
    bytes += key;
    bytes += value;
  }
  std::string checksum;
  append_u32(checksum, crc32c(bytes));
  return checksum + bytes;
}

std::optional<MemTable::Rows> MemTable::decode(std::string_view bytes) {
  if (bytes.size() < kNumberBytes) return std::nullopt;
  if (read_u32(bytes, 0) != crc32c(bytes.substr(kNumberBytes))) return std::nullopt;
  Rows rows;
  for (size_t at = kNumberBytes; at < bytes.size();) {
    const size_t key_bytes = read_u32(bytes, at);
    const size_t value_bytes = read_u32(bytes, at + kNumberBytes);
    at += 2 * kNumberBytes;
    rows.emplace_hint(rows.end(), bytes.substr(at, key_bytes),
                      bytes.substr(at + key_bytes, value_bytes));
    at += key_bytes + value_bytes;
  }
  return rows;
}

Result<std::optional<std::string>> MemTable::checkpoint(Disk& disk, const std::string& directory,
                                                        std::string_view key) {
  const std::shared_ptr<const Rows> rows = rows_;
  const auto there = disk.exists(directory);
  if (!there) return there.error();
  if (*there) {
    return {Code::exists, "cannot write a checkpoint to " + directory + ": it exists already"};
  }
  DFS_CHECK(disk.make_directories(directory));
  auto file = disk.open(directory + kRowsName, {.create = true});
  if (!file) return std::move(file).error();
  const std::string bytes = encode(*rows);
  DFS_CHECK((*file)->write_at(0, bytes.data(), bytes.size()));
  const auto row = rows->find(key);
  if (row == rows->end()) return std::optional<std::string>();
  return std::optional<std::string>(row->second);
}

Result<void> MemTable::restore(Disk& disk, const std::string& directory) {
  const auto bytes = read_file(disk, directory + kRowsName, SIZE_MAX);
  // Of no use to anybody from here on; that it is still there changes nothing.
  (void)disk.remove_tree(directory);
  if (!bytes && bytes.code() != Code::not_found) return bytes.error();
  auto rows = bytes ? decode(*bytes) : std::nullopt;
  if (!rows) {
    return {Code::corrupt, "the checkpoint in " + directory +
                               " is damaged or incomplete, and the table was left as it was; take "
                               "another one"};
  }
  durable_ = std::move(*rows);
  rows_ = std::make_shared<Rows>(durable_);
  unsynced_.clear();
  if (changed) changed(nullptr);
  return {};
}

void MemTable::crash(size_t keep) {
  if (keep < unsynced_.size()) unsynced_.resize(keep);
  for (const Batch& batch : unsynced_) apply(durable_, batch);
  unsynced_.clear();
  rows_ = std::make_shared<Rows>(durable_);
}

}  // namespace dfs
